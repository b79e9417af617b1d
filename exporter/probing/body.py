"""A response's body, read under a bound that holds for the wire and for what it inflates to."""

import zlib

from exporter.probing.failure import BodyError
from exporter.probing.messages import MAX_BODY_BYTES

_GZIP = frozenset({"gzip", "x-gzip"})
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS

MAX_CHUNKS = 2_000
"""No flow arrives in so many; a larger limit allows one per 256 bytes. Each costs CPU, however small."""


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
