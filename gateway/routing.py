"""From a method and a raw path to a route of the table. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from engine.errors import NotFoundError
from gateway.api.contract import Api, Route
from gateway.http.problem import MethodNotAllowedError

PATH_CHARACTERS_MAX = 2_048


@dataclass(frozen=True, slots=True)
class _Path:
    """One path of the table."""

    variables: tuple[tuple[int, str], ...]
    """Place and name of each variable segment."""
    methods: dict[str, Route] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Shape:
    """The paths of one length whose fixed segments stand at the same places: found by those."""

    fixed: tuple[int, ...]
    paths: dict[tuple[str, ...], _Path] = field(default_factory=dict)


class RouteTable:
    """Every route of every API, found by path."""

    def __init__(self, apis: Iterable[Api]) -> None:
        """Index the routes; two of one method and path are a mistake."""
        self.apis = tuple(apis)
        self.routes = tuple(route for api in self.apis for route in api.routes)
        self._by_length: dict[int, list[_Shape]] = {}
        for route in self.routes:
            self._add(route)

    def find(self, method: str, raw_path: str) -> tuple[Route, dict[str, str]]:
        """Return the route and the variable parts of the path, percent-decoded.

        Raises:
            NotFoundError: no route has this path.
            MethodNotAllowedError: it has other methods.
        """
        parts = _parts(raw_path)
        for shape in self._by_length.get(len(parts), ()):
            path = shape.paths.get(tuple([parts[at] for at in shape.fixed]))
            if path is not None:
                parameters = {name: parts[at] for at, name in path.variables}
                if all(parameters.values()):
                    if method not in path.methods:
                        raise MethodNotAllowedError(path.methods)
                    return path.methods[method], parameters
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
        parts = route.path.strip("/").split("/")
        variables = tuple([(at, one[1:-1]) for at, one in enumerate(parts) if one[:1] == "{"])
        fixed = tuple([at for at, one in enumerate(parts) if one[:1] != "{"])
        paths = self._shape(len(parts), fixed).paths
        path = paths.setdefault(tuple([parts[at] for at in fixed]), _Path(variables))
        if route.method in path.methods:
            detail = f"two routes are {route.method} {route.path}"
            raise ValueError(detail)
        if path.variables != variables:
            detail = f"{route.path} calls a variable otherwise than the same path does elsewhere"
            raise ValueError(detail)
        path.methods[route.method] = route

    def _shape(self, length: int, fixed: tuple[int, ...]) -> _Shape:
        """Return the shape, made if need be; the one with fewer variables is looked at first."""
        shapes = self._by_length.setdefault(length, [])
        for shape in shapes:
            if shape.fixed == fixed:
                return shape
        shapes.append(_Shape(fixed))
        shapes.sort(key=lambda shape: -len(shape.fixed))
        return self._shape(length, fixed)


def _parts(raw_path: str) -> list[str]:
    """Return the decoded segments; anything that is not plainly one path is no path of ours."""
    if len(raw_path) > PATH_CHARACTERS_MAX or not raw_path.isprintable():
        return []
    parts = raw_path.removeprefix("/").split("/")
    if "%" in raw_path:
        try:
            parts = [unquote(part, errors="strict") for part in parts]
        except UnicodeDecodeError:
            return []
        if not all("/" not in part and part.isprintable() for part in parts):
            return []
    return [] if "." in parts or ".." in parts else parts
