"""The pace at which a provider is listened to, so that none can take the event loop from the others.

httpcore and h11 work through all that a read returned before anybody else has a turn, and a head may be as
long as its sender likes. Measured without these bounds, on loopback: informational responses sent without
pause held the loop for 130 ms at a time, chunks of one byte for 260 ms, until the deadline.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import httpcore

if TYPE_CHECKING:
    import httpx

READ_SIZE = 2 * 1024
"""Bytes taken at once: a usual answer in one or two, and the worst of chunks in less than 10 ms."""

LONGEST_WAIT = 32 * 1024
"""Bytes that may come without completing the head, or without any of the body: informational responses,
header lines, trailers. CloudFront, PingOne's edge, lets through 20 KiB of headers; of the shortest lines this
is 20 ms of work."""


class Pace(httpcore.AsyncNetworkStream):
    """A connection that is read in small pieces, with a turn for everybody else after each full one.

    Args:
        stream: the connection.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._waited = 0

    def went_on(self) -> None:
        """Take note that the head was completed, or some of the body came."""
        self._waited = 0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  httpcore's signature
        """Read a little.

        Raises:
            httpcore.RemoteProtocolError: if too much came that is no answer.
        """
        data = await self._stream.read(min(max_bytes, READ_SIZE), timeout)
        self._waited += len(data)
        if self._waited > LONGEST_WAIT:
            raise httpcore.RemoteProtocolError(f"{LONGEST_WAIT} bytes came without an answer")
        if len(data) == READ_SIZE:
            # There may be more at hand, and TLS hands that out without letting anybody else run.
            await asyncio.sleep(0)
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  likewise
        """Write all of it."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  likewise
    ) -> Pace:
        """Shake hands, and keep the pace."""
        return Pace(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401  likewise
        """Return what httpcore knows of the connection."""
        return self._stream.get_extra_info(info)


class _Backend(httpcore.AsyncNetworkBackend):
    """Connects as `backend` does, and keeps the pace."""

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        self._backend = backend

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> Pace:
        """Connect."""
        return Pace(await self._backend.connect_tcp(host, port, timeout, local_address, socket_options))


def paced(transport: httpx.AsyncHTTPTransport) -> httpx.AsyncHTTPTransport:
    """Let every connection that `transport` makes keep the pace; returns it."""
    pool = transport._pool  # noqa: SLF001  httpx has no argument for the backend of httpcore, where this is public
    pool._network_backend = _Backend(pool._network_backend)  # noqa: SLF001  likewise
    return transport
