"""What a scripted HTTP server is asked and what it answers.

A script is any `async` callable that is given the request and the stream to answer on. `Answer` is the usual
one; `drip` and `flood` misbehave. The stream writes exactly the bytes it is told.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it came over the wire.

    Args:
        method: as sent.
        target: the request target as sent, with its query.
        headers: names and values as sent, in order, duplicates included.
        body: as many bytes as `Content-Length` said.
        connection: the number of its connection, counted from 1.
        received_at: `time.monotonic()` when head and body were complete.
        answered_at: `time.monotonic()` when the script had written its last byte; None while it has not, or
            when the client hung up before.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int
    received_at: float
    answered_at: float | None = None

    @property
    def path(self) -> str:
        """The target without its query, percent-encoding kept."""
        return urlsplit(self.target).path

    @property
    def query(self) -> tuple[tuple[str, str], ...]:
        """Decoded parameters in order; a tuple, so that a duplicate is not overlooked."""
        return tuple(parse_qsl(urlsplit(self.target).query, keep_blank_values=True, strict_parsing=True))

    def header(self, name: str) -> str | None:
        """Return the only value of a header, or None.

        Raises:
            LookupError: it was sent more than once.
        """
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        if len(values) > 1:
            raise LookupError(f"{name} was sent {len(values)} times")
        return values[0] if values else None


Script: TypeAlias = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]
"""Answers one request. The connection stays open for the next one unless the script closes the stream."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A canned answer; nothing is added to it, no length, no date.

    Args:
        status: status code; its usual phrase is put after it.
        headers: names and values in order.
        body: bytes after the head.
        raw: sent instead of status line, headers and body.
        delay: seconds before the first byte.
        pause: seconds between head and body.
        close: whether the connection is closed after it.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    raw: bytes | None = None
    delay: float = 0.0
    pause: float = 0.0
    close: bool = False

    def head(self) -> bytes:
        """Return status line and headers, with the empty line that ends them."""
        phrase = HTTPStatus(self.status).phrase if self.status in set(HTTPStatus) else "Unknown"
        lines = [f"HTTP/1.1 {self.status} {phrase}", *(f"{name}: {value}" for name, value in self.headers)]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    async def __call__(self, _: Request, writer: asyncio.StreamWriter) -> None:
        """Write the answer; the signature of a `Script`."""
        await asyncio.sleep(self.delay)
        if self.raw is not None:
            writer.write(self.raw)
        elif self.pause:
            writer.write(self.head())
            await writer.drain()
            await asyncio.sleep(self.pause)
            writer.write(self.body)
        else:
            writer.write(self.head() + self.body)
        await writer.drain()
        if self.close:
            writer.close()


def body_answer(
    body: bytes, *, content_type: str, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> Answer:
    """Return a well-framed answer: content type and length, then the given headers."""
    framing = (("Content-Type", content_type), ("Content-Length", str(len(body))))
    return Answer(status=status, headers=(*framing, *headers), body=body)


def json_answer(document: Any, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:  # noqa: ANN401  any JSON
    """Return a well-framed answer whose body is `document` as JSON."""
    body = json.dumps(document).encode()
    return body_answer(body, content_type="application/json;charset=UTF-8", status=status, headers=headers)


def drip(raw: bytes, *, every: float, at_once: int = 0) -> Script:
    """Return a script that sends the first `at_once` bytes together, then one byte every `every` seconds.

    Each byte resets a timeout that counts from the last one, so only a deadline over the whole ends this.
    """

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(raw[:at_once])
        for byte in raw[at_once:]:
            await asyncio.sleep(every)
            writer.write(bytes([byte]))
            await writer.drain()

    return script


def flood(raw: bytes, *, first: bytes = b"", every: float = 0.0) -> Script:
    """Return a script that sends `first`, then `raw` again and again until the client hangs up.

    A flood of `HTTP/1.1 103 …` is an endless head; one of body bytes after a `first` without a length is an
    endless body. With `every` = 0 it is as fast as the client reads.
    """

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(raw)
            await writer.drain()
            await asyncio.sleep(every)

    return script
