"""Bodies, compressed for those who ask."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from starlette.responses import Response

from exporter.serving.negotiation import wants_gzip

if TYPE_CHECKING:
    from starlette.requests import Request

LEAST_COMPRESSED = 1024
"""Bytes below which compression saves no packet."""
LEAST_THREADED = 64 * 1024
"""Bytes from which compression would hold the event loop for longer than handing it to a thread costs."""
LEVEL = 1
"""Metrics text shrinks about tenfold at level 1; level 9 costs five times as much for little more."""


async def answer(request: Request, body: bytes, headers: Mapping[str, str]) -> Response:
    """Answer with a body, compressed if it is worth it and the client would rather have it so.

    Args:
        request: what is answered.
        body: uncompressed.
        headers: others than those of compression, `Content-Type` among them.
    """
    return packed(await pack(body, small=wants_small(request)), headers)


class Packed(NamedTuple):
    """A body as it is sent.

    Args:
        content: its bytes.
        small: whether they are compressed.
    """

    content: bytes
    small: bool


def wants_small(request: Request) -> bool:
    """Tell whether the client would rather have it compressed."""
    return wants_gzip(joined(request, "accept-encoding"))


async def pack(body: bytes, *, small: bool) -> Packed:
    """Compress a body if that is wished for and worth it."""
    if small and len(body) >= LEAST_COMPRESSED:
        return Packed(await _compressed(body), small=True)
    return Packed(body, small=False)


def packed(body: Packed, headers: Mapping[str, str]) -> Response:
    """Answer with what is packed; `headers` as for `answer`."""
    told = {**headers, "Vary": ", ".join(filter(None, (headers.get("Vary"), "Accept-Encoding")))}
    if body.small:
        told["Content-Encoding"] = "gzip"
    return Response(body.content, headers=told)


def joined(request: Request, name: str) -> str | None:
    """Return a header that may be sent on several lines; None when it was not sent (RFC 9110, 5.2)."""
    return ", ".join(request.headers.getlist(name)) or None


async def _compressed(body: bytes) -> bytes:
    if len(body) > LEAST_THREADED:
        return await asyncio.to_thread(_gzip, body)
    return _gzip(body)


def _gzip(body: bytes) -> bytes:
    # without a time in it, equal bodies have equal lengths, and HEAD agrees with GET
    return gzip.compress(body, compresslevel=LEVEL, mtime=0)
