"""``/docs``: Swagger UI from this server alone."""

import re
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

import pytest

from gateway.api.answering import API_VERSION
from gateway.api_docs.files import FILES
from tests.support.answers import PROBLEM, exchange, problem
from tests.support.servers import Server

JAVASCRIPT = "text/javascript; charset=utf-8"
CSS = "text/css; charset=utf-8"
KINDS = {".js": JAVASCRIPT, ".css": CSS, ".json": "application/json"}
ABSOLUTE = re.compile(r"""(?:https?:)?//[a-z0-9]""", re.IGNORECASE)


class References(HTMLParser):
    """What a page asks for, and the scripts that stand inside it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []
        self._script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.found += [value for name in ("src", "href") if (value := given.get(name))]
        self.inline += [name for name in given if name.startswith("on") or name == "style"]
        self._script = tag in {"script", "style"}

    def handle_data(self, data: str) -> None:
        if self._script and data.strip():
            self.inline.append(data)

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002 - the parser gives it
        self._script = False


async def page_of(server: Server) -> References:
    async with server.client() as client:
        answer = await client.get("/docs", headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return References(answer.text)


async def test_everything_the_page_asks_for_is_served(server: Server) -> None:
    page = await page_of(server)
    paths = [urljoin("/docs", ref) for ref in page.found if not ref.startswith("data:")]
    assert {path.removeprefix("/docs/") for path in paths} == {*FILES, "/openapi.json"}
    async with server.client() as client:
        for path in paths:
            answer = await client.get(path)
            assert answer.status_code == 200, path
            assert answer.headers["Content-Type"] == KINDS[re.findall(r"\.\w+$", path)[0]]
            assert answer.content, path


async def test_the_page_asks_no_other_host_and_has_no_script_of_its_own(server: Server) -> None:
    page = await page_of(server)
    assert page.inline == []
    assert not [ref for ref in page.found if urlsplit(ref).netloc or ABSOLUTE.match(ref)]
    async with server.client() as client:
        start = (await client.get("/docs/start.js")).text
        css = (await client.get("/docs/swagger-ui.css")).text
    code = "\n".join(line for line in start.splitlines() if not line.startswith("//"))
    assert not ABSOLUTE.search(code)
    assert 'url: "openapi.json"' in code
    assert "validatorUrl: null" in code, "else the UI would show the contract to another host"
    assert all(url.lstrip("\"'").startswith("data:") for url in re.findall(r"url\(([^)]{6})", css))
    assert "@import" not in css


@pytest.mark.parametrize("path", ["/docs", *(f"/docs/{name}" for name in FILES)])
async def test_a_browser_is_told_to_ask_nobody_else_and_to_guess_nothing(
    server: Server, path: str
) -> None:
    async with server.client() as client:
        answer = await client.get(path)
    policy = dict(
        rule.strip().split(" ", 1) for rule in answer.headers["Content-Security-Policy"].split(";")
    )
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("path", ["/docs", *(f"/docs/{name}" for name in FILES)])
async def test_a_file_that_is_known_is_not_sent_again(server: Server, path: str) -> None:
    async with server.client() as client:
        whole = await client.get(path)
        tag = whole.headers["ETag"]
        assert whole.headers["Cache-Control"] == "no-cache"
        for known in (tag, f"W/{tag}", f'"other", {tag}'):
            again = await client.get(path, headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["ETag"] == tag
            assert again.headers.get("Content-Length") != "0", "it would be that of the file"
        other = await client.get(path, headers={"If-None-Match": '"other"'})
        assert (other.status_code, other.content) == (200, whole.content)


@pytest.mark.parametrize(
    "name",
    [
        *("index.html", "files.py", "__init__.py", "swagger-ui-bundle.js.map", "LICENSE"),
        *("oauth2-redirect.html", "%2e%2e", "..%2ffiles.py", "start.js%00", "START.JS"),
    ],
)
async def test_no_other_file_is_to_be_had(server: Server, name: str) -> None:
    async with server.client() as client:
        problem(await client.get(f"/docs/{name}"), 404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        *("/docs/", "//docs", "///docs", "/docs//start.js", "/docs%2fstart.js", "/docs%2Fstart.js"),
        *("/docs/start.js/", "/docs/./start.js", "/docs/x/../start.js", "/DOCS", "/docs;a=b"),
    ],
)
async def test_a_path_beside_is_none(server: Server, path: str) -> None:
    answer = await exchange(server.url, f"GET {path} HTTP/1.1\r\nHost: parley\r\n\r\n".encode())
    problem(answer, 404, "not_found")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/docs", "/docs/start.js"])
async def test_the_documentation_is_only_read(server: Server, path: str, method: str) -> None:
    async with server.client() as client:
        answer = await client.request(method, path)
    problem(answer, 405, "method_not_allowed")
    assert answer.headers["Allow"] == "GET, HEAD"


async def test_a_parameter_that_means_nothing_is_refused(server: Server) -> None:
    async with server.client() as client:
        for path in ("/docs?url=https://example.org/openapi.json", "/docs/start.js?v=1"):
            problem(await client.get(path), 422, "bad_parameter")


@pytest.mark.parametrize("path", ["/docs", "/docs/swagger-ui-bundle.js"])
async def test_a_head_has_the_headers_alone(server: Server, path: str) -> None:
    own = {"date", "request-id"}
    async with server.client() as client:
        whole, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert {k: v for k, v in head.headers.items() if k not in own} == {
        k: v for k, v in whole.headers.items() if k not in own
    }


async def test_a_head_of_nothing_is_refused_without_a_body(server: Server) -> None:
    async with server.client() as client:
        for path in ("/docs/nothing", "/docs/start.js"):
            answer = await client.head(path, headers={"Accept": "image/png"})
            assert answer.status_code == (404 if path == "/docs/nothing" else 406)
            assert (answer.content, answer.headers["Content-Type"]) == (b"", PROBLEM)


async def test_a_page_says_which_answer_it_is(server: Server) -> None:
    async with server.client() as client:
        ids = set()
        for path in ("/docs", "/docs/start.js", "/docs"):
            answer = await client.get(path)
            assert answer.headers["Parley-Version"] == API_VERSION
            ids.add(answer.headers["Request-Id"])
    assert len(ids) == 3


async def test_the_documentation_is_no_part_of_the_contract(server: Server) -> None:
    async with server.client() as client:
        paths = (await client.get("/openapi.json")).json()["paths"]
    assert not [path for path in paths if path.startswith("/docs")]


async def test_a_file_is_not_given_as_what_it_is_not(server: Server) -> None:
    async with server.client() as client:
        answer = await client.get("/docs/start.js", headers={"Accept": "text/css"})
        problem(answer, 406, "not_acceptable")
        answer = await client.get("/docs/swagger-ui.css", headers={"Accept": "text/css,*/*;q=0.1"})
        assert answer.headers["Content-Type"] == CSS
