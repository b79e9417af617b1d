"""HTTP/1.1 on an open connection, by h11: one request at a time, bounded in what is read of an answer."""

from collections.abc import Sequence

import h11

from exporter.outcome import TlsFacts
from exporter.probing.body import Body
from exporter.probing.stream import TcpStream
from exporter.probing.tls_stream import TlsStream

READ_BYTES = 2 * 1024
"""Bytes read before other tasks run: h11 parses even the smallest chunks of them in less than 10 ms."""

MAX_HEAD_BYTES = 32 * 1024
"""Bytes that may come without completing the head, or without any of the body: informational responses,
header lines, trailers. CloudFront, PingOne's edge, lets through 20 KiB of headers."""


class HttpConnection:
    """An open connection over `stream`, its address, and what the TLS handshake agreed on."""

    def __init__(
        self, stream: TcpStream | TlsStream, address: str | None = None, tls: TlsFacts | None = None
    ) -> None:
        self.stream = stream
        self.tcp = stream.tcp
        self.address = address
        self.tls = tls
        self._protocol = h11.Connection(h11.CLIENT, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def send(
        self, method: str, request_target: str, headers: Sequence[tuple[str, str]], body: bytes = b""
    ) -> None:
        """Send a request, head and body in one piece; for `request_target` see RFC 9112, section 3.2."""
        all_headers = list(headers)
        if body or method not in {"GET", "HEAD", "CONNECT"}:
            all_headers.append(("Content-Length", str(len(body))))
        head = h11.Request(method=method, target=request_target, headers=all_headers)
        events = (head, h11.Data(data=body), h11.EndOfMessage()) if body else (head, h11.EndOfMessage())
        await self.stream.send(b"".join(self._protocol.send(event) or b"" for event in events))

    async def read_head(self) -> h11.Response:
        """Return the response's head, informational responses skipped.

        Raises:
            h11.RemoteProtocolError: if it is not HTTP, or MAX_HEAD_BYTES arrive without a complete head.
        """
        received = 0
        while True:
            event = self._protocol.next_event()
            if isinstance(event, h11.Response):
                return event
            if event is h11.NEED_DATA:
                received = await self._read(received)
            elif not isinstance(event, h11.InformationalResponse):
                raise h11.RemoteProtocolError("no response")

    async def read_body(self, body: Body) -> None:
        """Read the body to its end, or until it is too large.

        Raises:
            h11.RemoteProtocolError: if it ends early or is framed wrongly, or MAX_HEAD_BYTES hold none of it.
        """
        received = 0
        while not body.too_large:
            event = self._protocol.next_event()
            if isinstance(event, h11.Data):
                body.feed(bytes(event.data))
                received = 0
            elif event is h11.NEED_DATA:
                received = await self._read(received)
            else:
                return  # EndOfMessage

    async def _read(self, received: int) -> int:
        data = await self.stream.receive(READ_BYTES)
        if received + len(data) > MAX_HEAD_BYTES:
            raise h11.RemoteProtocolError("neither head nor body within the bytes that a head may have")
        self._protocol.receive_data(data)
        return received + len(data)

    def is_unanswered(self) -> bool:
        """Return True if nothing came in answer to the last request."""
        return not self._protocol.trailing_data[0]

    def prepare_reuse(self) -> bool:
        """Make ready for another request; return False if the connection cannot take one."""
        states = self._protocol.their_state, self._protocol.our_state
        if states != (h11.DONE, h11.DONE) or self._protocol.trailing_data[0]:
            return False  # what is left over would be read as the next answer
        self._protocol.start_next_cycle()
        return True
