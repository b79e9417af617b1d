"""HTTP/1.1 as values and on a port that can be opened, closed and given another certificate at any time.

Not uvicorn: a drill needs a server that reads a request and then stays silent or resets the connection, that
closes its port and opens it again, and that changes its certificate between two handshakes. ASGI can express
none of these. h11 parses, asyncio's streams carry.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from http import HTTPStatus
from typing import Any, TypeAlias

import h11

IDLE_SECONDS = 75.0
"""How long a client may take from the end of one request to the end of the next."""

MAX_BODY_BYTES = 64 * 1024
MAX_DISCARDED_BYTES = 1024 * 1024
MAX_HEAD_BYTES = 16 * 1024
READ_BYTES = 64 * 1024
BACKLOG = 1024
HANDSHAKE_SECONDS = 10.0
SHUTDOWN_SECONDS = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpRequest:
    """A request that was read to its end.

    Args:
        method: as sent.
        path: as sent, still percent-encoded.
        query: what follows the `?`; holds state and nonce, so it is never printed.
        headers: names in lower case.
        body: at most `MAX_BODY_BYTES`.
        complete: False when the body was longer, and `body` is only its beginning.
    """

    method: str
    path: str
    query: str = field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    complete: bool = True

    def header(self, name: str) -> str | None:
        """Return the first header of that name, which is in lower case."""
        return next((value for key, value in self.headers if key == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A response; its length is added when it is sent."""

    status: int
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)

    def with_headers(self, *headers: tuple[str, str]) -> HttpResponse:
        """Return the same with more headers."""
        return replace(self, headers=(*self.headers, *headers))


class ConnectionFault(StrEnum):
    """What a server can do with a request other than to answer it."""

    SILENCE = "silence"
    RESET = "reset"


Respond: TypeAlias = Callable[[HttpRequest], Awaitable[HttpResponse | ConnectionFault]]
"""Decides what becomes of a request."""


def json_response(status: int, document: object, *headers: tuple[str, str]) -> HttpResponse:
    """Return a response that carries `document` as JSON."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return HttpResponse(status=status, headers=(("Content-Type", "application/json"), *headers), body=body)


def text_response(status: int, text: str, *headers: tuple[str, str], kind: str = "plain") -> HttpResponse:
    """Return a response that carries text; `kind` is `plain` or `html`."""
    content_type = ("Content-Type", f"text/{kind}; charset=utf-8")
    return HttpResponse(status=status, headers=(content_type, *headers), body=text.encode())


def redirect(location: str, *headers: tuple[str, str]) -> HttpResponse:
    """Return a 302."""
    return HttpResponse(status=302, headers=(("Location", location), *headers))


def parse_json(body: bytes) -> Any:  # noqa: ANN401  any JSON
    """Decode a body; raises `ValueError` for anything that is not JSON."""
    try:
        return json.loads(body)
    except RecursionError:
        raise ValueError("nested too deeply") from None


class HttpConnection:
    """The requests and responses of one connection.

    Args:
        reader: of the connection.
        writer: of the connection.
        respond: decides what becomes of a request.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, respond: Respond) -> None:
        self._reader = reader
        self._writer = writer
        self._respond = respond
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)
        self._idle = True
        self._closing = False

    def close_when_idle(self) -> None:
        """End the connection as soon as no request is being answered."""
        self._closing = True
        if self._idle:
            self._writer.close()

    async def serve(self) -> None:
        """Answer requests until either side ends the connection; `OSError` when it breaks."""
        try:
            while await self._serve_one():
                self._http.start_next_cycle()
                self._idle = True
        except TimeoutError:
            return
        except h11.RemoteProtocolError as error:
            phrase = HTTPStatus(error.error_status_hint).phrase
            await self._send(text_response(error.error_status_hint, f"{phrase}\n"), "GET")

    async def _serve_one(self) -> bool:
        """Answer one request; return whether another one may follow."""
        async with asyncio.timeout(IDLE_SECONDS):
            request = await self._read()
        if request is None:
            return False
        response = await self._respond(request)
        if response is ConnectionFault.RESET:
            # A close without lingering makes the kernel send RST instead of FIN.
            sock = self._writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._writer.transport.abort()
            return False
        if isinstance(response, ConnectionFault):
            while await self._reader.read(READ_BYTES):
                pass
            return False
        await self._send(response, request.method)
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def _read(self) -> HttpRequest | None:
        head: h11.Request | None = None
        body = bytearray()
        length = 0
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                await self._receive()
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                length += len(event.data)
                body += event.data[: MAX_BODY_BYTES - len(body)]
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _request(head, bytes(body), complete=length <= MAX_BODY_BYTES)
            else:
                return None
            if length > MAX_DISCARDED_BYTES and head is not None:
                return _request(head, bytes(body), complete=False)

    async def _receive(self) -> None:
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason="Continue")
            self._writer.write(self._http.send(go_on) or b"")
        data = await self._reader.read(READ_BYTES)
        self._idle = self._idle and not data
        self._http.receive_data(data)

    async def _send(self, response: HttpResponse, method: str) -> None:
        headers = [*response.headers, ("Content-Length", str(len(response.body)))]
        if self._closing:
            headers.append(("Connection", "close"))
        known = response.status in set(HTTPStatus)
        reason = HTTPStatus(response.status).phrase if known else "Unknown"
        events: list[h11.Event] = [h11.Response(status_code=response.status, headers=headers, reason=reason)]
        if response.body and method != "HEAD":
            events.append(h11.Data(data=response.body))
        events.append(h11.EndOfMessage())
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        await self._writer.drain()


def _request(head: h11.Request, body: bytes, *, complete: bool) -> HttpRequest:
    target = head.target.decode("ascii")
    if not target.startswith("/"):  # absolute form, RFC 9112, 3.2.2
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("?")
    return HttpRequest(
        method=head.method.decode("ascii"),
        path=path,
        query=query,
        headers=tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers),
        body=body,
        complete=complete,
    )


def bind(host: str, port: int) -> socket.socket:
    """Return a socket on the first address of `host`; it does not listen yet. Raises `OSError`."""
    info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = info[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


class Listener:
    """One port and its connections.

    While the port is closed, it stays bound to a socket that does not listen: no other program gets it as
    "any free port", and the kernel answers a SYN with RST. (A program that asks for this very port with
    SO_REUSEADDR can still take it; then opening it again is an error.)

    Args:
        host: an address or a name; its first address is used.
        port: 0 means any free one.
        respond: decides what becomes of a request.
        tls: a server's context; its `sni_callback` may choose the certificate of each handshake.

    Attributes:
        port: the port, also while it is closed.
        connections: how many there were so far, TLS handshake included.

    Raises:
        OSError: the port is in use, or the host is not an address of this machine.
    """

    def __init__(self, host: str, port: int, respond: Respond, tls: ssl.SSLContext | None = None) -> None:
        self._respond = respond
        self._tls = tls
        self._socket = bind(host, port)
        self._address = self._socket.getsockname()
        self.port = int(self._address[1])
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._open: dict[asyncio.Task[None], HttpConnection] = {}

    async def open(self) -> None:
        """Accept connections from now on; `OSError` if another program took the port meanwhile."""
        if self._server is not None:
            return
        if self._socket.fileno() == -1:
            self._socket = bind(*self._address[:2])
        self._server = await asyncio.start_server(
            self._accept,
            sock=self._socket,
            backlog=BACKLOG,
            ssl=self._tls,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if self._tls else None,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS if self._tls else None,
        )

    def close(self) -> None:
        """Close the port; requests that are being answered still are."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._socket = bind(*self._address[:2])
            self.close_idle_connections()

    def close_idle_connections(self) -> None:
        """End each connection as soon as no request is being answered on it."""
        for connection in self._open.values():
            connection.close_when_idle()

    async def stop(self) -> None:
        """Close the port and every connection, answered or not."""
        if self._server is not None:
            self._server.close()
        self._socket.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = HttpConnection(reader, writer, self._respond)
        task = asyncio.ensure_future(self._serve(connection, writer))
        self._open[task] = connection
        task.add_done_callback(self._open.pop)
        # Here, since a task that is cancelled before its first step runs nothing.
        task.add_done_callback(lambda _: writer.transport.abort())
        if self._socket.fileno() == -1:  # stopped meanwhile
            task.cancel()

    async def _serve(self, connection: HttpConnection, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # clients may disconnect at any time
            await connection.serve()
            writer.close()
            await writer.wait_closed()
