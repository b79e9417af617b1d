"""Bounds on connections: how many, how long each may wait for its client, how much unread data they hold.

Everything here works on the asyncio protocol around uvicorn's and on the ASGI application inside it, so it
needs nothing of uvicorn's internals.
"""

from __future__ import annotations

import asyncio
import socket
from collections import OrderedDict
from collections.abc import Callable
from email.utils import formatdate
from enum import Enum, auto

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_TIMEOUT_SECONDS = 10.0
"""From the connection, or from the first byte of a later request, to the end of the request's head."""
IDLE_TIMEOUT_SECONDS = 75.0
"""Until the next request begins, and while a client does not read a response. Longer than usual scrape
intervals, so that Prometheus does not have to reconnect for every scrape."""
MAX_UNREAD_BYTES = 64 * 1024 * 1024
"""Responses that clients have yet to read, together; the metrics of 1,000 targets have a tenth of it."""
CHUNK_BYTES = 64 * 1024
"""A response is written in pieces of this size, so that no connection buffers a copy of its response."""
_STATE_KEY = "connection"


class ConnectionLimiter:
    """Bounds open connections; a new one is accepted, and the one that has been idle longest is closed.

    A connection is active while its request is being answered, and idle while it waits for its client: for
    the handshake, for a request, or for the client to read. Active connections are never closed; while all
    are active, one more is accepted, and its request refused.
    """

    def __init__(self, max_connections: int) -> None:
        self.max_connections = max_connections
        self.connections: OrderedDict[Connection, None] = OrderedDict()
        """Open ones; the one that became idle first comes first."""
        self.empty = asyncio.Event()
        self.empty.set()

    def add(self, connection: Connection) -> None:
        """Add a new connection, which is idle; close the one that has been idle longest if necessary."""
        for idle in [each for each in self.connections if not each.active]:
            if len(self.connections) < self.max_connections:
                break
            self._close(idle)
        self.connections[connection] = None
        self.empty.clear()

    def set_active(self, connection: Connection) -> bool:
        """Note that a request is being answered; return False if too many are."""
        if sum(each.active for each in self.connections) >= self.max_connections:
            return False
        connection.active = True
        return True

    def set_idle(self, connection: Connection) -> None:
        """Note that the connection waits for its client; close idle connections with too much unread data."""
        if connection.active and connection in self.connections:
            connection.active = False
            self.connections.move_to_end(connection)
        self.drop_unread()

    def remove(self, connection: Connection) -> None:
        """Forget a closed connection."""
        self.connections.pop(connection, None)
        if not self.connections:
            self.empty.set()

    def drop_unread(self) -> None:
        """Close idle connections while all hold too much unread data together, the longest idle first."""
        for idle in [each for each in self.connections if each.unread and not each.active]:
            # By identity: clients that asked at the same moment share one body.
            sizes = {id(each.unread): len(each.unread) for each in self.connections}
            if sum(sizes.values()) <= MAX_UNREAD_BYTES:
                return
            self._close(idle)

    def _close(self, connection: Connection) -> None:
        self.remove(connection)
        connection.abort()


class _State(Enum):
    AWAITS_HEAD = auto()  # until its end, HEAD_TIMEOUT_SECONDS
    RESPONDING = auto()  # no deadline, except while the client does not read
    IDLE = auto()  # until the first byte of the next request, IDLE_TIMEOUT_SECONDS


class Connection(asyncio.Protocol):
    """One client's connection around uvicorn's protocol, with deadlines.

    `make_http` makes that protocol, given the state that requests get in their scope.
    """

    def __init__(self, limiter: ConnectionLimiter, make_http: Callable[..., H11Protocol]) -> None:
        self._limiter, self._http = limiter, make_http(app_state={_STATE_KEY: self})
        self._transport: asyncio.Transport | None = None
        self._handshake: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._deadline: asyncio.TimerHandle | None = None
        self._state = _State.IDLE
        self.active = False
        """Set by the limiter."""
        self.unread = b""
        """The response body that is being sent."""
        self.lost = False
        self.has_body = False
        """Whether the current request has one. No route reads it: what is still to come is dropped."""

    def start(self, connecting: asyncio.Task[None], sock: socket.socket) -> None:
        """Note the task that connects the socket, and does the TLS handshake if there is one."""

        def ended(_: asyncio.Task[None]) -> None:
            if self._transport is None:  # it failed
                sock.close()
                self._limiter.remove(self)

        self._handshake = connecting
        connecting.add_done_callback(ended)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  for mypy
        self._transport = transport
        transport.set_write_buffer_limits(high=CHUNK_BYTES)
        self._http.connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """Pass data to uvicorn; a later request has a deadline from its first byte."""
        if self._state is _State.IDLE:
            self._await_head()
        if not self.has_body:
            self._http.data_received(data)

    def pause_writing(self) -> None:
        """Wait for the client to read."""
        self._http.pause_writing()
        self._writable.clear()
        if self._state is _State.RESPONDING and self._deadline is None:
            self._set_deadline(IDLE_TIMEOUT_SECONDS)
        self._limiter.set_idle(self)

    def resume_writing(self) -> None:
        """Go on writing."""
        self._http.resume_writing()
        self._writable.set()
        if self._state is _State.RESPONDING:
            self._limiter.set_active(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's signature
        """Forget the connection."""
        self.lost = True
        self._set_deadline(None)
        self._limiter.remove(self)
        self._writable.set()
        self._http.connection_lost(None)  # with an exception, uvicorn leaves its keep-alive timer running

    async def begin_response(self) -> bool:
        """Wait until the client has read the previous response, then become active.

        A client may send requests ahead; answered at once, their responses would pile up.

        Returns:
            False if too many requests are in progress.
        """
        await self._writable.wait()
        self._state = _State.RESPONDING
        self._set_deadline(None)
        return self._limiter.set_active(self)

    def is_refused(self) -> bool:
        """Return whether uvicorn has answered with 400, as it does when a body is invalid, and closes."""
        assert self._transport is not None  # noqa: S101  for mypy
        if self._transport.is_closing() and self._transport.get_write_buffer_size():
            self._transport.abort()  # close() would wait for a client that does not read
        return self._transport.is_closing()

    def end_response(self) -> None:
        """Wait for the client to read the rest of the response, and for its next request."""
        self._state = _State.IDLE
        self.unread = b""
        if not self.lost:
            self._limiter.set_idle(self)
            self._set_deadline(IDLE_TIMEOUT_SECONDS)

    async def send_body(self, message: Message, send: Send) -> None:
        """Send a response body in pieces, each after the client has read enough of the one before."""
        self.unread = body = message.get("body", b"")
        self._limiter.drop_unread()
        for start in range(0, len(body) or 1, CHUNK_BYTES):
            last = start + CHUNK_BYTES >= len(body)
            piece = body[start : start + CHUNK_BYTES]
            await send({**message, "body": piece, "more_body": not last or message.get("more_body", False)})
            if self.lost:
                return
            if not last:
                await asyncio.sleep(0)  # many clients may read at once: no one holds the loop for long

    def shutdown(self) -> None:
        """Close the connection, after the response if there is one in progress."""
        if self._transport is None:
            self.abort()
        elif not self._transport.is_closing():
            self._http.shutdown()

    def abort(self) -> None:
        """Close the connection at once."""
        if self._transport is not None:
            self._transport.abort()
        elif self._handshake is not None:
            self._handshake.cancel()

    def _await_head(self) -> None:
        self._state = _State.AWAITS_HEAD
        self._set_deadline(HEAD_TIMEOUT_SECONDS)

    def _set_deadline(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        loop = asyncio.get_running_loop()
        self._deadline = None if seconds is None else loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        transport = self._transport
        assert transport is not None  # noqa: S101  deadlines begin with the connection
        if self._state is _State.AWAITS_HEAD or transport.is_closing() or transport.get_write_buffer_size():
            transport.abort()  # close() would wait for a client that has just missed its deadline
        else:
            transport.close()


def with_connections(app: ASGIApp) -> ASGIApp:
    """Wrap an application, outermost: tie each request to its connection."""
    overloaded = PlainTextResponse(
        "too many requests in progress", status_code=503, headers={"Connection": "close"}
    )

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection = scope["state"][_STATE_KEY]
        connection.has_body = any(
            (name == b"content-length" and value != b"0") or name == b"transfer-encoding"
            for name, value in scope["headers"]
        )

        async def send_response(message: Message) -> None:
            if message["type"] == "http.response.body":
                await connection.send_body(message, send)
                return
            # uvicorn adds a date only in its own accept loop.
            headers = [*message["headers"], (b"date", formatdate(usegmt=True).encode())]
            if connection.has_body:  # a client that keeps sending must not hold the connection
                headers.append((b"connection", b"close"))
            await send({**message, "headers": headers})

        answering = app if await connection.begin_response() else overloaded
        try:
            if connection.is_refused():
                while (await receive())["type"] != "http.disconnect":
                    pass
            else:
                await answering(scope, receive, send_response)
        finally:
            connection.end_response()

    return answer
