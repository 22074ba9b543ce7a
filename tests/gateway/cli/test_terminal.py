"""What commands print."""

import pytest

from gateway.cli.terminal import Counter, harmless, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße, 你好 👋", "Grüße, 你好 👋"),
        ("a\r\nb\tc", "a  b c"),
        ("\x1b[2J", "\\x1b[2J"),
        ("\x9b31m", "\\x9b31m"),
        ("\u202eevil", "\\u202eevil"),
        ("\x00\x07\x7f", "\\x00\\x07\\x7f"),
        ("\ud800", "\\ud800"),
    ],
)
def test_a_text_is_shown_on_one_line_and_orders_nothing(text: str, shown: str) -> None:
    assert harmless(text) == shown
    assert harmless(text).isprintable()


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert table([("A", "BB"), ("long", "x"), ("", "")]) == "A     BB\nlong  x\n"


async def test_a_counter_that_cannot_overwrite_tells_the_first_and_the_last(
    capsys: pytest.CaptureFixture[str],
) -> None:
    counter = Counter("messages", quiet=False)
    for done in range(1, 1_001):
        await counter.told(done, 1_000)
    counter.close()
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "1 of 1,000 messages"
    assert lines[-1] == "1,000 of 1,000 messages"
    assert len(lines) < 10


async def test_a_counter_on_a_terminal_counts_on_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    counter = Counter("messages", quiet=False)
    await counter.told(1, 2)
    await counter.told(2, 2)
    counter.close()
    assert capsys.readouterr().err == "\r\x1b[K1 of 2 messages\r\x1b[K2 of 2 messages\n"


async def test_a_quiet_counter_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    counter = Counter("messages", quiet=True)
    await counter.told(1, 2)
    counter.close()
    assert capsys.readouterr().err == ""
