"""Every error has a status, a page and one meaning."""

import ast
from collections.abc import Iterator
from functools import cache

import pytest

from engine import errors
from engine.auth import tokens
from engine.errors import FieldError, IdempotencyInProgressError, ParleyError, VersionConflictError
from gateway.api import APIS
from gateway.http.problem import (
    PROBLEMS,
    HttpError,
    headers_of,
    page,
    problem_bytes,
    problem_of,
    status_of,
)
from gateway.routing import RouteTable
from tests.architecture.source import repository


def classes(kind: type[ParleyError] = ParleyError) -> Iterator[type[ParleyError]]:
    for found in kind.__subclasses__():
        yield found
        yield from classes(found)


REFUSALS = {"HttpError", "RefusedHandshakeError", "RefusedRequestError"}
ENGINE_ERRORS = [kind for kind in classes() if kind.__module__ == errors.__name__]


@cache
def used_codes() -> frozenset[str]:
    """Return every code that the source of the gateway refuses with."""
    found: set[str] = set()
    for source in repository():
        if source.path.parts[0] != "gateway":
            continue
        for node in ast.walk(source.tree):
            if isinstance(node, ast.Call) and node.args and refuses(node):
                code = node.args[0]
                assert isinstance(code, ast.Constant), source.at(node.lineno, "a code is a literal")
                found.add(str(code.value))
    return frozenset(found)


def refuses(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    is_subclass = name == "super().__init__" and isinstance(call.args[0], ast.Constant)
    return name.rsplit(".", 1)[-1] in REFUSALS or is_subclass


def test_the_engine_has_errors() -> None:
    assert len(ENGINE_ERRORS) > 20


def test_every_code_of_the_engine_has_its_problem() -> None:
    assert {kind.code for kind in ENGINE_ERRORS} | {ParleyError.code} <= PROBLEMS.keys()


def test_every_code_of_the_gateway_has_its_problem() -> None:
    used = used_codes()
    assert {"too_deep", "bad_parameter", "not_acceptable", "bad_frame"} <= used
    assert used <= PROBLEMS.keys()


def test_every_code_a_route_names_has_its_problem() -> None:
    named = {code for route in RouteTable(APIS).routes for code in route.errors}
    assert named
    assert named <= PROBLEMS.keys()


def test_two_errors_never_share_a_code() -> None:
    codes = [kind.code for kind in ENGINE_ERRORS]
    assert sorted(codes) == sorted(set(codes))


def test_no_problem_is_left_over() -> None:
    known = {kind.code for kind in ENGINE_ERRORS} | {ParleyError.code} | used_codes()
    assert PROBLEMS.keys() - known == set()


@pytest.mark.parametrize("code", sorted(PROBLEMS))
def test_every_problem_says_what_to_do(code: str) -> None:
    problem = PROBLEMS[code]
    assert 400 <= problem.status <= 599
    assert problem.title
    assert not problem.title.endswith(".")
    assert problem.advice.endswith(".")
    assert code in page(code)
    assert str(problem.status) in page(code)


@pytest.mark.parametrize("kind", ENGINE_ERRORS, ids=lambda kind: kind.__name__)
def test_a_status_fits_its_class(kind: type[ParleyError]) -> None:
    error = kind("d", seen=1, current=2) if kind is VersionConflictError else kind("d")
    status = status_of(error)
    if isinstance(error, errors.InvalidError):
        assert status == 422
    if isinstance(error, errors.BusyError | errors.OutcomeUnknownError):
        assert status == 503
        assert ("Retry-After", "1") in headers_of(error) or error.retry_after_s != 1
    if isinstance(error, errors.ForbiddenError):
        assert status == 403
    if isinstance(error, errors.ConflictError):
        assert status in {409, 412, 422}


def test_a_problem_document_has_the_members_of_the_rfc() -> None:
    error = HttpError("too_deep", "why", errors=[FieldError("a", "b", "c")], members={"more": 1})
    assert problem_of(error, request_id="req_1", instance="/v1/x") == {
        "type": "/problems/too_deep",
        "title": PROBLEMS["too_deep"].title,
        "status": 400,
        "detail": "why",
        "code": "too_deep",
        "request_id": "req_1",
        "instance": "/v1/x",
        "errors": [{"field": "a", "code": "b", "detail": "c"}],
        "more": 1,
    }


def test_a_problem_gives_no_credential_back_and_people_as_they_were_sent() -> None:
    secret = tokens.secret_key("live", b"s" * 32)
    error = HttpError(
        "bad_parameter",
        f"there is no {secret}",
        errors=[FieldError(f"attributes.{secret}", "unknown_field", f"{secret} of dev@acme.co")],
    )
    instance = f"/v1/conversations/{secret}/dev@acme.co"
    document = problem_of(error, request_id="req_1", instance=instance)
    assert document["detail"] == "there is no sk_live_***"
    assert document["instance"] == "/v1/conversations/sk_live_***/dev@acme.co"
    assert document["errors"] == [
        {
            "field": "attributes.sk_live_***",
            "code": "unknown_field",
            "detail": "sk_live_*** of dev@acme.co",
        }
    ]
    assert secret.encode() not in problem_bytes(error, request_id="req_1", instance=instance)


def test_a_conflict_names_the_current_version() -> None:
    document = problem_of(VersionConflictError("d", seen=1, current=2), request_id="r")
    assert (document["status"], document["current_version"]) == (412, 2)


def test_errors_bring_the_headers_that_belong_to_them() -> None:
    assert ("Retry-After", "1") in headers_of(IdempotencyInProgressError("d"))
    assert ("Retry-After", "5") in headers_of(errors.StorageError("d"))
    names = [name for name, _ in headers_of(errors.UnauthenticatedError("d"))]
    assert "WWW-Authenticate" in names
    assert headers_of(errors.NotFoundError("d")) == [("Cache-Control", "no-store")]
