"""The errors form one tree; `transient` says whether another try can succeed.

ClientError                  root
├── UnansweredError          no answer came: no connection, a broken one, or a time-out
├── UnreadableAnswerError    the answer is not what the contract says
├── ProblemError             the API refused the request or failed (RFC 9457)
│   ├── AuthenticationError      401: no token, or one that is not valid any more
│   ├── PermissionDeniedError    403: the token may not do this
│   ├── NotFoundError            404: it does not exist, or belongs to another client
│   ├── ConflictError            409: the state of the resource does not allow this
│   ├── InvalidRequestError      400, 413, 415, 422: `errors` names each fault by JSON Pointer
│   ├── TooManyRequestsError     429: the token has used its quota
│   └── UnavailableError         502, 503, 504: the system cannot do its work now
├── PushFailedError          rows of a push became dead letters; `receipt` tells why
└── ReceiptTimeoutError      a push is still queued after the time that the caller gave
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec
from msgspec import Struct

from client.answers import PushReceipt

_STILL_RUNNING: Final = "urn:spendline:problem:still-running"


class InvalidValue(Struct, frozen=True):
    """A wrong value: `pointer` is a JSON Pointer into the body or query."""

    pointer: str
    detail: str


class ErrorDocument(Struct, frozen=True, kw_only=True):
    """The body of an error; fields that the answer lacks keep their defaults."""

    type: str = "about:blank"
    title: str = ""
    detail: str = ""
    request_id: str = ""
    errors: tuple[InvalidValue, ...] = ()


class ErrorAnswer(ErrorDocument, frozen=True, kw_only=True):
    """An error answer has a document, a status, and the seconds of its `Retry-After`."""

    status: int
    retry_after: float | None

    def __str__(self) -> str:
        faults = [f"{fault.pointer} {fault.detail}" for fault in self.errors[:3]]
        reason = "; ".join(filter(None, (self.detail, *faults)))
        request = f" (request {self.request_id})" if self.request_id else ""
        return ": ".join(filter(None, (f"{self.status} {self.title}", reason))) + request


class ClientError(Exception):
    """ClientError is the root of all errors of this package."""

    transient = False


class UnansweredError(ClientError):
    """No answer came. The API may have acted on the request or not."""

    transient = True


class UnreadableAnswerError(ClientError):
    """An answer came that this client cannot read."""


class ProblemError(ClientError):
    """The API answered with an error; the attributes are those of its problem document."""

    def __init__(self, problem: ErrorAnswer) -> None:
        super().__init__(problem)
        self.status = problem.status
        self.type = problem.type
        self.title = problem.title
        self.detail = problem.detail
        self.request_id = problem.request_id
        self.errors = problem.errors
        self.retry_after = problem.retry_after


class AuthenticationError(ProblemError): ...


class PermissionDeniedError(ProblemError): ...


class NotFoundError(ProblemError): ...


class ConflictError(ProblemError):
    """The conflict is transient while an earlier try with the same Idempotency-Key runs."""

    def __init__(self, problem: ErrorAnswer) -> None:
        super().__init__(problem)
        self.transient = problem.type == _STILL_RUNNING


class InvalidRequestError(ProblemError): ...


class TooManyRequestsError(ProblemError):
    transient = True


class UnavailableError(ProblemError):
    transient = True


class PushFailedError(ClientError):
    """At least one row of a push was not stored; `receipt` has the reason."""

    def __init__(self, receipt: PushReceipt) -> None:
        super().__init__(receipt)
        self.receipt = receipt

    def __str__(self) -> str:
        return f"ingest {self.receipt.ingest_id} failed: {self.receipt.reason}"


class ReceiptTimeoutError(ClientError):
    """A push was accepted but not stored in time; asking for its receipt later is safe."""

    transient = True


_KINDS: Final[dict[int, type[ProblemError]]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: TooManyRequestsError,
    502: UnavailableError,
    503: UnavailableError,
    504: UnavailableError,
}


def build_problem_error(status: int, body: bytes, retry_after: float | None) -> ProblemError:
    """Build the error for a status of 400 or above; `body` need not be a problem document."""
    try:
        document = msgspec.json.decode(body, type=ErrorDocument)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        document = ErrorDocument(title=_name_status(status))
    problem = ErrorAnswer(
        status=status, retry_after=retry_after, **msgspec.structs.asdict(document)
    )
    return _KINDS.get(status, ProblemError)(problem)


def _name_status(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown status"
