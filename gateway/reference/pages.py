"""Every page of the reference, by its file name."""

from gateway.reference import errors, events, markdown, metrics, routes, settings, shapes

_CONTENTS = (
    ("routes.md", "every route: what it takes, answers and refuses", routes.text),
    ("shapes.md", "what bodies, answers and events are made of, by name", shapes.text),
    ("events.md", "every type of event and its members", events.text),
    ("errors.md", "every problem code and what to do about it", errors.text),
    ("settings.md", "every setting: flag, variable, default", settings.text),
    ("metrics.md", "every metric, and how Prometheus reads them", metrics.text),
)


def pages() -> dict[str, str]:
    """Return file name → text; the same code gives the same bytes."""
    return {"README.md": _index(), **{name: text() for name, _, text in _CONTENTS}}


def _index() -> str:
    rows = [(f"[{name}]({name})", what) for name, what, _ in _CONTENTS]
    introduction = "These pages are written from the tables of the code, so they say what it does."
    return markdown.page("Reference", introduction, markdown.table(("page", "what"), rows))
