"""PingOne's errors: the error object, and how it is sent. No I/O.

    {"id": …, "code": "INVALID_DATA", "message": …,
     "details": [{"code": "INVALID_VALUE", "target": "redirect_uri", "message": …}]}

The form, the codes and their HTTP statuses are the vendor's own. Which code an authorize request gets for
which error is known for redirect_uri (from third parties) and for a deleted application (from the vendor);
for the other parameters it is inferred from the meaning of the codes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from starlette.responses import JSONResponse, Response

_INCOMPLETE = "The request could not be completed. "
INVALID_DATA = 400, "INVALID_DATA", f"{_INCOMPLETE}One or more validation errors were in the request."
INVALID_REQUEST = 400, "INVALID_REQUEST", f"{_INCOMPLETE}The request was invalid."
NOT_FOUND = 404, "NOT_FOUND", "The requested resource was not found."
TOO_LONG = 413, "INVALID_REQUEST", "The request's body is too long."
WRONG_MEDIA_TYPE = 415, "INVALID_REQUEST", "The request's media type is not one of this flow's actions."
REQUEST_LIMITED = 429, "REQUEST_LIMITED", "You have exceeded the request limit."
UNEXPECTED = "UNEXPECTED_ERROR", "An unexpected error occurred. Please try again later."
"""Status (unless the weather has it), code and message, as `refused` takes them."""


class RefusedError(Exception):
    """A request that is refused, and the JSON that answers it."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        super().__init__(status)
        self.status, self.document, self.to_browser = status, document, False

    def for_browser(self) -> RefusedError:
        """Have the answer sent as a redirect."""
        self.to_browser = True
        return self

    def response(self, sign_on_page: str = "", **headers: str) -> Response:
        """Return the answer; for a browser, a 302 to the sign-on page with the error object in `error`."""
        if self.to_browser:
            return redirect(f"{sign_on_page}?error={quote(json.dumps(self.document), safe='')}")
        return JSONResponse(self.document, self.status, headers)


def redirect(location: str) -> Response:
    """Return a 302 to exactly this URL."""
    return Response(status_code=302, headers={"Location": location})


def refused(status: int, code: str, message: str, /, **detail: object) -> RefusedError:
    """Return one of PingOne's errors, with an id of its own; `detail` has the members of its one detail."""
    details = {"details": [detail]} if detail else {}
    return RefusedError(status, {"id": str(uuid4()), "code": code, "message": message, **details})


def invalid_data(target: str, message: str, code: str = "INVALID_VALUE", **inner: int) -> RefusedError:
    """Return the error for a value that breaks a rule; `inner` has a number for the client."""
    numbers = {"innerError": inner} if inner else {}
    return refused(*INVALID_DATA, code=code, target=target, message=message, **numbers)


def required_value(target: str) -> RefusedError:
    """Return the error for a missing value."""
    return invalid_data(target, f"{target} is required", "REQUIRED_VALUE")


def invalid_request(target: str, message: str) -> RefusedError:
    """Return the error for a request that breaks the protocol rather than a rule about one value."""
    return refused(*INVALID_REQUEST, code="INVALID_PARAMETER", target=target, message=message)
