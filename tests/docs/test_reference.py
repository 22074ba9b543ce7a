"""docs/reference is what the code says today, and its links lead somewhere."""

import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from gateway.api import APIS
from gateway.http.problem import PROBLEMS
from gateway.metrics.table import METRICS
from gateway.reference import markdown
from gateway.reference.__main__ import write
from gateway.reference.pages import pages

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/reference"
COMMAND = "make docs"
PAGES = pages()
LINK = re.compile(r"\]\(([^)#]*)(?:#([^)]+))?\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def stale(folder: Path) -> list[str]:
    """Return the pages in ``folder`` that are not what the code says, and those that are none."""
    found = {page.name: page.read_text(encoding="utf-8") for page in folder.glob("*.md")}
    names = found.keys() | PAGES.keys()
    return sorted(name for name in names if found.get(name) != PAGES.get(name))


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles(text)}


def titles(text: str) -> Iterable[str]:
    return HEADING.findall(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def test_the_reference_is_what_the_code_says() -> None:
    assert stale(FOLDER) == [], f"these pages of docs/reference are stale: run `{COMMAND}`"


def test_a_stale_a_missing_and_a_foreign_page_are_seen(tmp_path: Path) -> None:
    write(tmp_path)
    assert stale(tmp_path) == []
    with (tmp_path / "routes.md").open("a", encoding="utf-8") as page:
        page.write("one more line\n")
    (tmp_path / "events.md").unlink()
    (tmp_path / "surveys.md").write_text("# Surveys\n", encoding="utf-8")
    assert stale(tmp_path) == ["events.md", "routes.md", "surveys.md"]
    write(tmp_path)
    assert stale(tmp_path) == []


def test_the_same_code_gives_the_same_pages() -> None:
    assert pages() == PAGES


@pytest.mark.parametrize("name", PAGES)
def test_every_link_leads_somewhere(name: str) -> None:
    for target, anchor in LINK.findall(PAGES[name]):
        page = target or name
        if page in PAGES:
            assert not anchor or anchor in anchors(PAGES[page]), f"{page}#{anchor}"
        else:
            assert (FOLDER / page).resolve().is_file(), page


@pytest.mark.parametrize("name", PAGES)
def test_no_two_headings_of_a_page_have_one_anchor(name: str) -> None:
    found = [title.lower() for title in titles(PAGES[name])]
    assert sorted(found) == sorted(set(found))


@pytest.mark.parametrize("name", PAGES)
def test_every_row_of_a_table_has_as_many_cells_as_its_head(name: str) -> None:
    for block in re.findall(r"(?:^\|.*\n)+", PAGES[name], re.MULTILINE):
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(cells) == 1, block


def test_a_bar_or_a_line_break_in_a_cell_does_not_break_its_row() -> None:
    assert markdown.table(("a",), [("x | y\nz",)]).splitlines()[-1] == "| x \\| y z |"


def test_every_route_problem_and_metric_has_its_place() -> None:
    for route in (route for api in APIS for route in api.routes):
        assert f"### {route.name}\n\n`{route.method} {route.path}`" in PAGES["routes.md"]
    for code, problem in PROBLEMS.items():
        assert f"### {code}\n\n{problem.status}: " in PAGES["errors.md"]
    for metric in METRICS:
        assert f"| `{metric.name}` | {metric.kind} |" in PAGES["metrics.md"]
