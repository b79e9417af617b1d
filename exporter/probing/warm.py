"""Warm-up: what is lazily imported or built is built before the first probe is timed.

httpcore imports its back-end, h11 its grammar and ssl its machinery with the first request; together
that costs the first probe of a process some 60 ms, which would be reported as the provider's.
"""

from __future__ import annotations

import asyncio
import logging
from typing import cast

from exporter.probing.probe import Prober
from exporter.target import Journey, Target

_log = logging.getLogger(__name__)

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_ROUNDS = 3
_NOBODY = "00000000-0000-0000-0000-000000000000"


async def warm(prober: Prober) -> None:
    """Walk a journey against a server of our own on loopback, in the clear and into a failing handshake.

    Nothing of it is observed. Where loopback is closed to us the first probe is merely slower.
    """
    try:
        server = await asyncio.get_running_loop().create_server(_Canned, "127.0.0.1", 0)
    except OSError as error:
        _log.warning("not warmed up: no loopback socket", extra={"errno": error.errno})
        return
    async with server:
        port = server.sockets[0].getsockname()[1]
        for scheme in ("http", "https"):
            target = Target(
                name="warm_up",
                source_environment_id=_NOBODY,
                destination_environment_id=_NOBODY,
                client_id="warm-up",
                source_url=f"{scheme}://localhost:{port}",
                redirect_uri="https://localhost/",
                pkce=True,
                timeout=2.0,
            )
            for _ in range(_ROUNDS):
                await prober(target, Journey.AUTHORIZE)


class _Canned(asyncio.Protocol):
    """Gives one answer in the clear, whatever was said: a handshake fails on it at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, _data: bytes) -> None:
        self._transport.write(_ANSWER)
        self._transport.close()
