"""HTTP/1.1 on an open connection, by h11: one request at a time, bounded in what is read of an answer."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import h11

from exporter.outcome import TlsFacts
from exporter.probing.messages import MAX_BODY_BYTES
from exporter.probing.stream import TcpStream
from exporter.probing.tls_stream import TlsStream

READ_BYTES = 2 * 1024
"""Bytes read before other tasks run: h11 parses even the smallest chunks of them in less than 10 ms."""

MAX_HEAD_BYTES = 32 * 1024
"""Bytes that may come without completing the head, or without any of the body: informational responses,
header lines, trailers. CloudFront, PingOne's edge, lets through 20 KiB of headers."""

_GZIP = frozenset({"gzip", "x-gzip"})
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS

MAX_CHUNKS = 2_000
"""No flow arrives in so many; a larger limit allows one per 256 bytes. Each costs CPU, however small."""


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

    async def read_body(self, content_encoding: str | None, limit: int) -> Body:
        """Read the body to its end, or until it is too large; see `Body`.

        Raises:
            h11.RemoteProtocolError: if it ends early or is framed wrongly, or MAX_HEAD_BYTES hold none of it.
            BodyError: if its encoding was not asked for, or is broken.
        """
        body, received = Body(content_encoding, limit), 0
        while not body.too_large:
            event = self._protocol.next_event()
            if isinstance(event, h11.Data):
                body.feed(bytes(event.data))
                received = 0
            elif event is h11.NEED_DATA:
                received = await self._read(received)
            else:
                break  # EndOfMessage
        return body

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


class BodyError(Exception):
    """The body was not what its headers announced: an unknown or broken content encoding."""


class Body:
    """Collects the chunks of a body as they arrive, and decodes gzip, the only encoding that was offered.

    The inflater is given the room that is left, so that a small chunk cannot inflate to more.

    Args:
        content_encoding: the `Content-Encoding` header, several joined by commas.
        limit: decoded bytes that are kept, and half of the encoded bytes that are read.

    Attributes:
        too_large: whether the body is longer than that, on the wire, decoded or in chunks.
    """

    def __init__(self, content_encoding: str | None, limit: int = MAX_BODY_BYTES) -> None:
        self.too_large = False
        self._limit = limit
        self._wire_left = 2 * limit
        self._chunks_left = max(MAX_CHUNKS, limit // 256)
        self._content = bytearray()
        codings = [coding.strip().lower() for coding in (content_encoding or "").split(",")]
        codings = [coding for coding in codings if coding not in {"", "identity"}]
        self._is_gzip = len(codings) == 1 and codings[0] in _GZIP
        self._inflater = zlib.decompressobj(_GZIP_WINDOW) if codings else None
        self._held = b""
        self._ended = False

    def feed(self, chunk: bytes) -> None:
        """Take a chunk off the wire.

        Raises:
            BodyError: if its encoding was not asked for, or is broken.
        """
        if not chunk or self.too_large:
            return
        self._wire_left -= len(chunk)
        self._chunks_left -= 1
        if self._inflater is None:
            self._content += chunk[: self._limit + 1 - len(self._content)]
        else:
            self._inflate(chunk)
        if len(self._content) > self._limit or self._wire_left < 0 or self._chunks_left < 0:
            self.too_large = True
            del self._content[self._limit :]

    def content(self) -> bytes:
        """Return the decoded body.

        Raises:
            BodyError: if a gzip stream ended early.
        """
        is_empty = self._wire_left == 2 * self._limit
        if self._inflater is not None and not (is_empty or self._inflater.eof or self.too_large):
            raise BodyError("the gzip stream ended early")
        return bytes(self._content)

    def _inflate(self, chunk: bytes) -> None:
        if not self._is_gzip:
            raise BodyError("the content encoding was not asked for")
        data, self._held = self._held + chunk, b""
        try:
            while data and len(self._content) <= self._limit and not self._ended:
                assert self._inflater is not None  # noqa: S101  feed() calls this only with one
                if self._inflater.eof:
                    # RFC 1952 allows several members; anything else behind one is ignored, as browsers do.
                    if not data.startswith(_GZIP_MAGIC):
                        # A chunk may end within the magic number; the next one shows which it is.
                        self._held = data if data == _GZIP_MAGIC[:1] else b""
                        self._ended = not self._held
                        return
                    self._inflater = zlib.decompressobj(_GZIP_WINDOW)
                self._content += self._inflater.decompress(data, self._limit + 1 - len(self._content))
                data = self._inflater.unused_data if self._inflater.eof else self._inflater.unconsumed_tail
        except zlib.error:
            raise BodyError("the gzip stream is broken") from None
