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
    summary = "The request could not be completed. One or more validation errors were in the request."
    numbers = {"innerError": inner} if inner else {}
    return refused(400, "INVALID_DATA", summary, code=code, target=target, message=message, **numbers)


def required_value(target: str) -> RefusedError:
    """Return the error for a missing value."""
    return invalid_data(target, f"{target} is required", "REQUIRED_VALUE")


def invalid_request(target: str, message: str) -> RefusedError:
    """Return the error for a request that breaks the protocol rather than a rule about one value."""
    summary = "The request could not be completed. The request was invalid."
    return refused(400, "INVALID_REQUEST", summary, code="INVALID_PARAMETER", target=target, message=message)


def unexpected_error(status: int) -> RefusedError:
    """Return the error for a failure of the provider."""
    return refused(status, "UNEXPECTED_ERROR", "An unexpected error occurred. Please try again later.")


def not_found() -> RefusedError:
    """Return the error for an unknown id."""
    return refused(404, "NOT_FOUND", "The requested resource was not found.")


def wrong_media_type() -> RefusedError:
    """Return the error for a body of another type, or an action that a flow does not offer."""
    return refused(415, "INVALID_REQUEST", "The request's media type is not one of this flow's actions.")
