"""From a method and a raw path to a route of the table. Pure."""

from collections.abc import Collection, Iterable
from urllib.parse import unquote

from engine.errors import NotFoundError
from gateway.api.contract import Api, Route
from gateway.http.problem import HttpError

PATH_CHARACTERS_MAX = 2_048


class MethodNotAllowedError(HttpError):
    """The path exists, the method does not. ``allow`` names the ones that do."""

    def __init__(self, allow: Collection[str]) -> None:
        """Keep the methods the path takes; what answers GET answers HEAD."""
        self.allow = ", ".join(sorted({*allow, *(["HEAD"] if "GET" in allow else [])}))
        super().__init__("method_not_allowed", f"this path takes {self.allow}")


class RouteTable:
    """Every route of every API, found by path."""

    def __init__(self, apis: Iterable[Api]) -> None:
        """Index the routes; two of one method and path are a mistake."""
        self.apis = tuple(apis)
        self.routes = tuple(route for api in self.apis for route in api.routes)
        self._by_shape: dict[int, list[tuple[tuple[str, ...], dict[str, Route]]]] = {}
        for route in self.routes:
            self._add(route)

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]]:
        """Return the route and the variable parts of the path, percent-decoded.

        Raises:
            NotFoundError: no route has this path.
            MethodNotAllowedError: it has other methods.
        """
        parts = _parts(raw_path)
        for shape, methods in self._by_shape.get(len(parts), ()):
            parameters = _match(shape, parts)
            if parameters is not None:
                if method not in methods:
                    raise MethodNotAllowedError(methods)
                return methods[method], parameters
        raise NotFoundError("there is no such path; see /openapi.json for those there are")

    def has(self, raw_path: str) -> bool:
        """Say whether any route has this path."""
        try:
            self.find("", raw_path)
        except NotFoundError:
            return False
        except MethodNotAllowedError:
            return True
        return True

    def _add(self, route: Route) -> None:
        shape = tuple(route.path.strip("/").split("/"))
        shapes = self._by_shape.setdefault(len(shape), [])
        for known, methods in shapes:
            if known == shape:
                if route.method in methods:
                    detail = f"two routes are {route.method} {route.path}"
                    raise ValueError(detail)
                methods[route.method] = route
                return
        shapes.append((shape, {route.method: route}))
        shapes.sort(key=lambda entry: sum(part.startswith("{") for part in entry[0]))


def _parts(raw_path: str) -> tuple[str, ...]:
    """Return the decoded segments; anything that is not plainly one path is no path of ours."""
    if len(raw_path) > PATH_CHARACTERS_MAX:
        return ()
    parts = []
    for raw in raw_path.removeprefix("/").split("/"):
        try:
            part = unquote(raw, errors="strict")
        except UnicodeDecodeError:
            return ()
        if "/" in part or part in {".", ".."} or not part.isprintable():
            return ()
        parts.append(part)
    return tuple(parts)


def _match(shape: tuple[str, ...], parts: tuple[str, ...]) -> dict[str, str] | None:
    found: dict[str, str] = {}
    for wanted, part in zip(shape, parts, strict=True):
        if wanted.startswith("{"):
            if not part:
                return None
            found[wanted[1:-1]] = part
        elif wanted != part:
            return None
    return found
