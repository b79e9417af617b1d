"""Requests as the scripted server receives them, and what a script answers: exactly the bytes that it names.

A *script* answers one request; a *behavior* handles a whole connection, below HTTP if it wants to. Both are
`async` callables. `Answer`, `json_answer`, `body_answer`, `drip` and `flood` are scripts; `sends`,
`close_after_request`, `mute` and the like are behaviors.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, TypeAlias, cast
from urllib.parse import parse_qsl, urlsplit

READ_BYTES = 64 * 1024

HANDSHAKE_FAILURE = b"\x15\x03\x03\x00\x02\x02\x28"
"""A TLS record with the fatal alert 40 (RFC 8446, section 6.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it came over the wire.

    Args:
        head: request line and headers, with the empty line that ends them.
        method: as sent.
        target: the request target as sent, with its query.
        headers: names and values as sent, in order, duplicates included.
        body: as many bytes as `Content-Length` announced.
        connection: the number of its connection, counted from 1.
        received_at: `time.monotonic()` when head and body were complete.
        answered_at: `time.monotonic()` when the script had written its last byte; None before, or when the
            client disconnected first.
    """

    head: bytes
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
        """Decoded parameters in order; a tuple, so that duplicates show."""
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


@dataclass(frozen=True, slots=True)
class Connection:
    """An accepted connection, after the TLS handshake if there is one.

    Args:
        reader: what the client sends.
        writer: what the client receives.
        number: counted from 1.
        record: called with each request that was read.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    number: int
    record: Callable[[Request], object]

    async def read_request(self) -> Request | None:
        """Read and record the next request; None if the client disconnected before its end.

        Raises:
            ValueError: the client sent something other than HTTP.
        """
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
            method, target, _ = first.split(" ")
            pairs = [line.partition(":") for line in lines]
            headers = tuple((name, value.strip(" \t")) for name, _, value in pairs)
            length = next((value for name, value in headers if name.lower() == "content-length"), "0")
            body = await self.reader.readexactly(int(length))
        except asyncio.IncompleteReadError:
            return None
        request = Request(
            head=head,
            method=method,
            target=target,
            headers=headers,
            body=body,
            connection=self.number,
            received_at=time.monotonic(),
        )
        self.record(request)
        return request

    async def send(self, raw: bytes) -> None:
        """Send bytes at once."""
        self.writer.write(raw)
        await self.writer.drain()

    async def read_to_end(self) -> None:
        """Read and discard until the client disconnects."""
        while await self.reader.read(READ_BYTES):
            pass

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        reset(self.writer)


Script: TypeAlias = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]
"""Answers one request. The connection stays open for the next one unless the script closes the stream."""

Behavior: TypeAlias = Callable[[Connection], Awaitable[None]]
"""Handles one connection, which is closed when it returns."""


def reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN: linger on, for 0 seconds (socket(7), SO_LINGER)."""
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


# Scripts


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A canned answer; nothing is added to it, no length, no date.

    Args:
        status: status code; its usual phrase follows it.
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
    """Return a well-framed response with `document` as its JSON body."""
    body = json.dumps(document).encode()
    return body_answer(body, content_type="application/json;charset=UTF-8", status=status, headers=headers)


def drip(raw: bytes, *, every: float, at_once: int = 0) -> Script:
    """Return a script that sends the first `at_once` bytes together, then one byte every `every` seconds.

    Each byte restarts a timeout that counts from the last one, so only a deadline over the whole ends this.
    """

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(raw[:at_once])
        for byte in raw[at_once:]:
            await asyncio.sleep(every)
            writer.write(bytes([byte]))
            await writer.drain()

    return script


def flood(raw: bytes, *, first: bytes = b"", every: float = 0.0) -> Script:
    """Return a script that sends `first`, then `raw` again and again until the client disconnects.

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


def resets(raw: bytes) -> Script:
    """Return a script that sends `raw`, and resets once the client's machine has it."""

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        reset(writer)

    return script


# Behaviors


def answers(script: Script) -> Behavior:
    """Return the behavior of an HTTP server that answers every request by `script`."""

    async def behave(connection: Connection) -> None:
        while not connection.writer.is_closing() and (request := await connection.read_request()):
            await script(request, connection.writer)

    return behave


def sends(raw: bytes, *, after_request: bool = True) -> Behavior:
    """Return a behavior that sends `raw` and closes, whatever the client sends.

    To a TLS client, an HTTP answer is the plaintext of a wrong port, `HANDSHAKE_FAILURE` a refusal, and
    anything else garbage. With `after_request` the client sends first, a request or a TLS hello.
    """

    async def behave(connection: Connection) -> None:
        if after_request:
            await connection.reader.read(READ_BYTES)
        await connection.send(raw)
        if connection.writer.can_write_eof():
            # Closing with unread input resets the connection, and the client might lose what was sent.
            connection.writer.write_eof()
            await connection.read_to_end()

    return behave


async def close_after_request(connection: Connection) -> None:
    """Read what the client sends first, a request or a TLS hello, then close."""
    await connection.reader.read(READ_BYTES)


async def reset_after_request(connection: Connection) -> None:
    """Read what the client sends first, a request or a TLS hello, then reset."""
    await connection.reader.read(READ_BYTES)
    connection.reset()


async def silent(connection: Connection) -> None:
    """Neither read nor write nor close."""
    cast("asyncio.Transport", connection.writer.transport).pause_reading()
    await asyncio.Event().wait()


async def mute(connection: Connection) -> None:
    """Read everything and never answer; to a TLS client, an endless handshake."""
    await connection.read_to_end()
