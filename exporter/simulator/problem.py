"""How PingOne says no: its error object, and where it is sent.

    {"id": …, "code": "INVALID_DATA", "message": …,
     "details": [{"code": "INVALID_VALUE", "target": "redirect_uri", "message": …}]}

The form, the codes and their HTTP statuses are the vendor's own. Which code an authorize request gets for
which mistake is known for redirect_uri (from third parties) and for a deleted application (from the
vendor); for the other parameters it is inferred from the meaning of the codes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from exporter.simulator.message import Reply, json_reply, redirect


@dataclass(frozen=True, slots=True)
class Problem:
    """One of PingOne's errors.

    Args:
        status: the HTTP status it is sent with.
        code: the error's code.
        message: for people.
        detail: code, target and message of the one detail, if there is one.
    """

    status: int
    code: str
    message: str
    detail: tuple[str, str, str] | None = None

    def document(self) -> dict[str, Any]:
        """Return PingOne's error object, with an id of its own."""
        document: dict[str, Any] = {"id": str(uuid4()), "code": self.code, "message": self.message}
        if self.detail is not None:
            code, target, message = self.detail
            document["details"] = [{"code": code, "target": target, "message": message}]
        return document

    def as_json(self, *headers: tuple[str, str]) -> Reply:
        """Say it to a client that reads JSON."""
        return json_reply(self.status, self.document(), *headers)

    def as_redirect(self, sign_on_page: str) -> Reply:
        """Say it to a browser: a 302 to the sign-on page with the error object in `error`."""
        return redirect(f"{sign_on_page}?error={quote(json.dumps(self.document()), safe='')}")


class RefusedError(Exception):
    """A request that the provider does not grant; carries the problem to tell."""

    def __init__(self, problem: Problem, *, to_browser: bool = False) -> None:
        super().__init__(problem.code)
        self.problem = problem
        self.to_browser = to_browser


def invalid_value(target: str, message: str) -> Problem:
    """A value that is there and wrong."""
    return _invalid_data("INVALID_VALUE", target, message)


def required_value(target: str) -> Problem:
    """A value that is not there."""
    return _invalid_data("REQUIRED_VALUE", target, f"{target} is required")


def invalid_request(target: str, message: str) -> Problem:
    """A request that breaks the protocol rather than a rule about one value."""
    summary = "The request could not be completed. The request was invalid."
    return Problem(400, "INVALID_REQUEST", summary, ("INVALID_PARAMETER", target, message))


def _invalid_data(code: str, target: str, message: str) -> Problem:
    summary = "The request could not be completed. One or more validation errors were in the request."
    return Problem(400, "INVALID_DATA", summary, (code, target, message))


UNKNOWN_CLIENT = invalid_value("client_id", "There is no application with this client_id in the environment.")
NOT_FOUND = Problem(404, "NOT_FOUND", "The requested resource was not found.")
WRONG_MEDIA_TYPE = Problem(
    415, "INVALID_REQUEST", "The request's media type is not one of this flow's actions."
)
LIMITED = Problem(429, "REQUEST_LIMITED", "You have exceeded the request limit.")


def unexpected(status: int) -> Problem:
    """Something on the provider's side."""
    return Problem(status, "UNEXPECTED_ERROR", "An unexpected error occurred. Please try again later.")


def unrouted() -> Reply:
    """What the edge says to a path or method that nobody serves."""
    return json_reply(403, {"message": "Missing Authentication Token"})
