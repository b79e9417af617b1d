"""HTTP/1.1 over one accepted connection: read a request, hand it on, send the reply or misbehave.

Why not uvicorn: a drill needs a server that reads a request and then falls silent or resets the
connection, that closes its port and opens it again, and that changes its certificate between two
handshakes. ASGI has no word for any of these. h11 is the parser that uvicorn itself may use, keeps no
socket of its own, and leaves all of them to us.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from http import HTTPStatus

import h11

from exporter.simulator.message import Misdeed, Reply, Request, text_reply

IDLE_SECONDS = 75.0
"""How long a client may take from one request's end to the next one's."""

BODY_LIMIT = 64 * 1024
"""Bytes of a request's body that are kept."""

_HEAD_LIMIT = 16 * 1024
_DISCARDED = 1024 * 1024
_CHUNK = 64 * 1024


class Conversation:
    """The requests and replies of one connection.

    Args:
        reader: of the connection.
        writer: of the connection.
        respond: says what becomes of a request.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        respond: Callable[[Request], Awaitable[Reply | Misdeed]],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._respond = respond
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_LIMIT)
        self._idle = True
        self._retired = False

    def retire(self) -> None:
        """End the connection as soon as no request is being answered."""
        self._retired = True
        if self._idle:
            self._writer.close()

    async def hold(self) -> None:
        """Answer request after request until either side has enough; `OSError` when the line breaks."""
        try:
            await self._take_turns()
        except TimeoutError:
            return
        except h11.RemoteProtocolError as error:
            phrase = HTTPStatus(error.error_status_hint).phrase
            await self._send(text_reply(error.error_status_hint, f"{phrase}\n"), "GET")

    async def _take_turns(self) -> None:
        while True:
            async with asyncio.timeout(IDLE_SECONDS):
                request = await self._read()
            if request is None:
                return
            reply = await self._respond(request)
            if reply is Misdeed.RESET:
                self._reset()
                return
            if isinstance(reply, Misdeed):
                await self._stay_silent()
                return
            await self._send(reply, request.method)
            if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
                return
            self._http.start_next_cycle()
            self._idle = True

    # Reading

    async def _read(self) -> Request | None:
        head: h11.Request | None = None
        body = bytearray()
        length = 0
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                await self._more()
            elif isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                length += len(event.data)
                body += event.data[: BODY_LIMIT - len(body)]
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _request(head, bytes(body), whole=length <= BODY_LIMIT)
            else:
                return None
            if length > _DISCARDED and head is not None:
                return _request(head, bytes(body), whole=False)

    async def _more(self) -> None:
        if self._http.they_are_waiting_for_100_continue:
            go_on = h11.InformationalResponse(status_code=100, headers=[], reason="Continue")
            self._writer.write(self._http.send(go_on) or b"")
        data = await self._reader.read(_CHUNK)
        self._idle = self._idle and not data
        self._http.receive_data(data)

    # Writing

    async def _send(self, reply: Reply, method: str) -> None:
        headers = [*reply.headers, ("Content-Length", str(len(reply.body)))]
        if self._retired:
            headers.append(("Connection", "close"))
        try:
            reason = HTTPStatus(reply.status).phrase
        except ValueError:  # 5xx codes that nobody has registered
            reason = "Unknown"
        events: list[h11.Event] = [h11.Response(status_code=reply.status, headers=headers, reason=reason)]
        if reply.body and method != "HEAD":
            events.append(h11.Data(data=reply.body))
        events.append(h11.EndOfMessage())
        self._writer.write(b"".join(self._http.send(event) or b"" for event in events))
        await self._writer.drain()

    # Misbehaving

    async def _stay_silent(self) -> None:
        while await self._reader.read(_CHUNK):
            pass

    def _reset(self) -> None:
        # A close without lingering is what makes the kernel send RST instead of FIN.
        sock = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


def _request(head: h11.Request, body: bytes, *, whole: bool) -> Request:
    target = head.target.decode("ascii")
    if not target.startswith("/"):  # absolute form, RFC 9112, 3.2.2
        target = "/" + target.partition("://")[2].partition("/")[2]
    path, _, query = target.partition("?")
    return Request(
        method=head.method.decode("ascii"),
        path=path,
        query=query,
        headers=tuple((name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers),
        body=body,
        whole=whole,
    )
