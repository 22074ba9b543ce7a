"""Log lines: JSON on stderr (short text on a terminal), with secrets and personal data masked.

The mask runs over the finished line, so that no field, message or traceback can go around it.
"""

import json
import logging
import re
import sys
from typing import Any

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_SPACE = r"(?:\s|\+|%20)+"
_BEGINS = r"(?:(?<![A-Za-z0-9_])|(?<=%[0-9A-Fa-f][0-9A-Fa-f]))"
"""Where a word begins, also behind a percent-encoded character of a path."""
_CREDENTIALS = (
    (re.compile(r"(?i)((?:sk|ek)_(?:live|test|admin)_)[A-Za-z0-9_.%\-]{6,}"), r"\1***"),
    (
        re.compile(
            _BEGINS + r"((?:sk|ek|rk|whsec|whsk)_)(?!(?:live|test|admin)_)[A-Za-z0-9_.%\-]{6,}"
        ),
        r"\1***",
    ),
    (re.compile(rf"(?i)(bearer{_SPACE})[A-Za-z0-9._~+/=%\-]{{16,}}"), r"\1***"),
    (re.compile(r"\beyJ[A-Za-z0-9_\-]+\.[A-Za-z0-9_\-.]+"), "***"),
)
_MASKS = (
    *_CREDENTIALS,
    (re.compile(rf"(?i)(bearer{_SPACE})[A-Za-z0-9._~+/=%\-]+"), r"\1***"),
    (
        re.compile(
            r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]++@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+"
        ),
        "***@***",
    ),
    (  # as it stands in a path
        re.compile(
            r"(?<![A-Za-z0-9._+\-])[A-Za-z0-9._+\-]++%40[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+"
        ),
        "***@***",
    ),
    (re.compile(r"(?<![\w.:-])\+?\d[\d ()\-]{8,}\d(?![\w:-])"), "***"),
)


def mask(line: str) -> str:
    """Return ``line`` without credentials, e-mail addresses and telephone numbers."""
    for pattern, replacement in _MASKS:
        line = pattern.sub(replacement, line)
    return line


def mask_credentials(text: str) -> str:
    """Return ``text`` without credentials: for what goes back to whoever sent one by mistake."""
    for pattern, replacement in _CREDENTIALS:
        text = pattern.sub(replacement, text)
    return text


class JsonFormatter(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the masked line of a record."""
        line: dict[str, Any] = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S") + f".{int(record.msecs):03d}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_extras(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return mask(json.dumps(line, default=str, ensure_ascii=False))


class TextFormatter(logging.Formatter):
    """A short line for people at a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the masked line of a record."""
        extras = " ".join(f"{name}={value}" for name, value in _extras(record).items())
        time = self.formatTime(record, "%H:%M:%S")
        line = f"{time} {record.levelname.lower():7} {record.getMessage()} {extras}".rstrip()
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return mask(line)


def set_up(level: str) -> None:
    """Send every log line of the process to stderr, from ``level`` on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextFormatter() if sys.stderr.isatty() else JsonFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("hypercorn.access", "trio", "quart"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _extras(record: logging.LogRecord) -> dict[str, Any]:
    return {name: value for name, value in record.__dict__.items() if name not in _STANDARD}
