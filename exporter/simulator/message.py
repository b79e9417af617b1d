"""A request and what becomes of it, as values: the provider and the control API never see a socket."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request that was read to its end.

    Args:
        method: as sent.
        path: as sent, still percent-encoded.
        query: what follows the `?`; holds state and nonce, so it is never printed.
        headers: names in lower case.
        body: whole.
        whole: False when the body was longer than a listener keeps, and `body` is only its beginning.
    """

    method: str
    path: str
    query: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    whole: bool = True

    def header(self, name: str) -> str | None:
        """Return the first header of that name, which is in lower case."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A response; its length is told by whoever sends it."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    def with_headers(self, *headers: tuple[str, str]) -> Reply:
        """Return the same with more headers."""
        return Reply(status=self.status, headers=(*self.headers, *headers), body=self.body)


class Misdeed(StrEnum):
    """What a server can do with a request other than to answer it."""

    SILENCE = "silence"
    RESET = "reset"


def json_reply(status: int, document: object, *headers: tuple[str, str]) -> Reply:
    """Make a reply that carries `document` as JSON."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return Reply(status=status, headers=(("Content-Type", "application/json"), *headers), body=body)


def text_reply(status: int, text: str, *headers: tuple[str, str], kind: str = "plain") -> Reply:
    """Make a reply that carries text; `kind` is `plain` or `html`."""
    content_type = ("Content-Type", f"text/{kind}; charset=utf-8")
    return Reply(status=status, headers=(content_type, *headers), body=text.encode())


def redirect(location: str, *headers: tuple[str, str]) -> Reply:
    """Make a 302."""
    return Reply(status=302, headers=(("Location", location), *headers))


def read_json(body: bytes) -> Any:  # noqa: ANN401  JSON is anything until its reader has looked
    """Decode a body; raises `ValueError` for whatever is no JSON."""
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None
