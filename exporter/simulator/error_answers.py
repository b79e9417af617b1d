"""PingOne's errors: the error object, and how it is sent. No I/O.

    {"id": …, "code": "INVALID_DATA", "message": …,
     "details": [{"code": "INVALID_VALUE", "target": "redirect_uri", "message": …}]}

The form, the codes and their HTTP statuses are the vendor's own. Which code an authorize request gets for
which error is known for redirect_uri (from third parties) and for a deleted application (from the vendor);
for the other parameters it is inferred from the meaning of the codes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from starlette.responses import JSONResponse, Response


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """One of PingOne's errors; `detail` is code, target and message of its one detail."""

    status: int
    code: str
    message: str
    detail: tuple[str, str, str] | None = None
    inner: tuple[str, int] | None = None

    def document(self) -> dict[str, Any]:
        """Return PingOne's error object, with an id of its own."""
        document: dict[str, Any] = {"id": str(uuid4()), "code": self.code, "message": self.message}
        if self.detail is not None:
            code, target, message = self.detail
            inner = {} if self.inner is None else {"innerError": dict([self.inner])}
            document["details"] = [{"code": code, "target": target, "message": message, **inner}]
        return document

    def as_json(self, **headers: str) -> Response:
        """Return it for a client that reads JSON."""
        return JSONResponse(self.document(), self.status, headers)

    def as_redirect(self, sign_on_page: str) -> Response:
        """Return it for a browser: a 302 to the sign-on page with the error object in `error`."""
        return redirect(f"{sign_on_page}?error={quote(json.dumps(self.document()), safe='')}")


def redirect(location: str) -> Response:
    """Return a 302 to exactly this URL."""
    return Response(status_code=302, headers={"Location": location})


class RefusedError(Exception):
    """A request that the provider refuses; to a browser, the answer is sent as a redirect."""

    def __init__(self, answer: ErrorAnswer, *, to_browser: bool = False) -> None:
        super().__init__(answer.code)
        self.answer = answer
        self.to_browser = to_browser


def invalid_value(target: str, message: str) -> ErrorAnswer:
    """Return the error for a wrong value."""
    return _invalid_data("INVALID_VALUE", target, message)


def required_value(target: str) -> ErrorAnswer:
    """Return the error for a missing value."""
    return _invalid_data("REQUIRED_VALUE", target, f"{target} is required")


def invalid_request(target: str, message: str) -> ErrorAnswer:
    """Return the error for a request that breaks the protocol rather than a rule about one value."""
    summary = "The request could not be completed. The request was invalid."
    return ErrorAnswer(400, "INVALID_REQUEST", summary, ("INVALID_PARAMETER", target, message))


def wrong_password(remaining: int) -> ErrorAnswer:
    """Return the error for a wrong password that may be followed by so many more."""
    message = "The provided password did not match provisioned password"
    return _invalid_data("INVALID_VALUE", "password", message, ("failuresRemaining", remaining))


def locked_out(seconds: int) -> ErrorAnswer:
    """Return the error for a user who is locked for so many more seconds."""
    message = "Too many unsuccessful sign-on attempts. Your account is locked."
    return _invalid_data("PASSWORD_LOCKED_OUT", "password", message, ("secondsUntilUnlock", seconds))


def _invalid_data(code: str, target: str, message: str, inner: tuple[str, int] | None = None) -> ErrorAnswer:
    summary = "The request could not be completed. One or more validation errors were in the request."
    return ErrorAnswer(400, "INVALID_DATA", summary, (code, target, message), inner)


def unexpected_error(status: int) -> ErrorAnswer:
    """Return the error for a failure of the provider."""
    return ErrorAnswer(status, "UNEXPECTED_ERROR", "An unexpected error occurred. Please try again later.")


UNKNOWN_CLIENT = invalid_value("client_id", "There is no application with this client_id in the environment.")
TOO_LONG = ErrorAnswer(413, "INVALID_REQUEST", "The request's body is too long.")
NOT_FOUND = ErrorAnswer(404, "NOT_FOUND", "The requested resource was not found.")
WRONG_MEDIA_TYPE = ErrorAnswer(
    415, "INVALID_REQUEST", "The request's media type is not one of this flow's actions."
)
REQUEST_LIMITED = ErrorAnswer(429, "REQUEST_LIMITED", "You have exceeded the request limit.")
