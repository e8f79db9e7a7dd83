"""Errors and their HTTP statuses, in one table.

A handler raises an error; the middleware answers with `application/problem+json` (RFC 9457).

Problem                  refused by the API itself
├── Malformed            the body is not of the type that it names
├── Unauthenticated      no token, or one that is not valid (any more)
├── Forbidden            the token may not do this
├── NotFound             it does not exist, or belongs to somebody else
├── Conflict             the same request is being worked on
├── Gone                 carried out before, but its answer is lost
├── TooSlow              the body did not arrive in time
├── TooLarge             more than a request may carry
├── Unsupported          the API does not read this content type or coding
├── Invalid              a value is wrong; `faults` has the JSON Pointer of each
├── TooMany              the token has used its quota
├── NotReady             the process cannot serve; `faults` names the parts that fail
└── Overloaded           the memory for waiting work is used up
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from pipeline.errors import (
    BrokerUnavailable,
    NoPartition,
    SpendlineError,
    StoreUnavailable,
    Transient,
)

T = TypeVar("T")


class Fault(msgspec.Struct, frozen=True):
    """One wrong value, by its JSON Pointer and the reason. The value itself is never quoted."""

    pointer: str
    detail: str


class ProblemDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """Every error has this body."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[Fault] | msgspec.UnsetType = msgspec.UNSET


class Problem(SpendlineError):
    """Root of all refusals; the message becomes the `detail`."""

    faults: Sequence[Fault] = ()


class Malformed(Problem): ...


class Unauthenticated(Problem): ...


class Forbidden(Problem): ...


class NotFound(Problem): ...


class Conflict(Problem): ...


class Gone(Problem): ...


class TooSlow(Problem): ...


class TooLarge(Problem): ...


class Unsupported(Problem): ...


class TooMany(Problem): ...


class Overloaded(Problem): ...


class Invalid(Problem):
    """At least one value of the request is wrong, and nothing of it was taken."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(f"{len(faults)} invalid value{'s' * (len(faults) > 1)}; nothing was taken")
        self.faults = faults


class NotReady(Problem):
    """At least one part of the system cannot do its work."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__(", ".join(fault.pointer.rpartition("/")[2] for fault in faults))
        self.faults = faults


_STATUSES: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (Malformed, 400, "Malformed request"),
    (HttpProcessingError, 400, "Malformed request"),
    (Unauthenticated, 401, "Not authenticated"),
    (Forbidden, 403, "Not allowed"),
    (NotFound, 404, "Not found"),
    (Conflict, 409, "Still running"),
    (Gone, 410, "Answer gone"),
    (TooSlow, 408, "Too slow"),
    (TooLarge, 413, "Too large"),
    (Unsupported, 415, "Unsupported"),
    (Invalid, 422, "Invalid values"),
    (TooMany, 429, "Too many requests"),
    (NotReady, 503, "Not ready"),
    (Overloaded, 503, "Overloaded"),
    (BrokerUnavailable, 503, "Queue unavailable"),
    (StoreUnavailable, 503, "Database unavailable"),
    (NoPartition, 503, "No partition"),
    (Transient, 503, "Unavailable"),
)
ERRORS: Final = {status: title for _, status, title in _STATUSES} | {
    405: "Method not allowed",
    500: "Internal error",
}
_RETRY_SECONDS: Final = "1"


def require_found(value: T | None) -> T:
    """Return the value. Raises NotFound for None."""
    if value is None:
        raise NotFound("there is nothing under this id")
    return value


def render_problem(error: Exception, request_id: str) -> web.Response:
    """Return the problem document of an error; an error outside the table has status 500."""
    if isinstance(error, web.HTTPException):
        return _render_http_error(error, request_id)
    for kind, status, title in _STATUSES:
        if isinstance(error, kind):
            faults = error.faults if isinstance(error, Problem) else ()
            return _build_response(status, title, _describe_error(error), request_id, faults)
    return _build_response(500, ERRORS[500], "The failure was logged under request_id.", request_id)


def _describe_error(error: Exception) -> str:
    if isinstance(error, HttpProcessingError):
        return "the body does not follow HTTP's framing"
    return str(error)


def _render_http_error(error: web.HTTPException, request_id: str) -> web.Response:
    """Render a refusal of aiohttp: an unknown route or method, or too large a body."""
    title = ERRORS.get(error.status) or HTTPStatus(error.status).phrase
    response = _build_response(error.status, title, title, request_id)
    if "Allow" in error.headers:
        response.headers["Allow"] = error.headers["Allow"]
    return response


def _build_response(
    status: int, title: str, detail: str, request_id: str, faults: Sequence[Fault] = ()
) -> web.Response:
    document = ProblemDocument(
        type=f"urn:spendline:problem:{title.lower().replace(' ', '-')}",
        title=title,
        status=status,
        detail=detail,
        request_id=request_id,
        errors=list(faults) or msgspec.UNSET,
    )
    return web.Response(
        status=status,
        body=msgspec.json.encode(document),
        content_type="application/problem+json",
        headers=_choose_headers(status),
    )


def _choose_headers(status: int) -> Mapping[str, Any]:
    match status:
        case 401:
            return {"WWW-Authenticate": "Bearer"}
        case 409 | 503:
            return {"Retry-After": _RETRY_SECONDS}
    return {}
