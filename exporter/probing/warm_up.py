"""Warm up before the first probe, so that imports and setup are not measured as the provider's time."""

import asyncio
import logging
import sys
from contextlib import suppress

from exporter.probing.probe import Prober
from exporter.target import Journey, JourneyTiming, Target

_log = logging.getLogger(__name__)

SWITCH_INTERVAL_SECONDS = 0.5e-3
"""How long a thread may keep the others waiting, among them those that resolve names and time it."""

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_ROUNDS = 3
_ENVIRONMENT_ID = "00000000-0000-0000-0000-000000000000"


async def warm_up(prober: Prober) -> None:
    """Probe a server of our own on loopback, over http and into a failing handshake; discard the outcomes.

    It also shortens the switch interval of Python's threads. Without a loopback the first probe is slower.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_SECONDS)
    try:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    except OSError as error:
        _log.warning("warm-up skipped: no loopback socket", extra={"errno": error.errno})
        return
    async with server:
        port = server.sockets[0].getsockname()[1]
        for scheme in ("http", "https"):
            target = Target(
                name="warm_up",
                source_environment_id=_ENVIRONMENT_ID,
                destination_environment_id=_ENVIRONMENT_ID,
                client_id="warm-up",
                source_url=f"{scheme}://localhost:{port}",
                redirect_uri="https://localhost/",
                pkce=True,
                authorize=JourneyTiming(interval=60.0, timeout=2.0, latency_objective=2.0),
            )
            for _ in range(_ROUNDS):
                await prober(target, Journey.AUTHORIZE)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Give one answer in plain HTTP, whatever comes: a handshake fails on it at once."""
    with suppress(OSError):  # another program may connect, and reset
        await reader.read(1)
    writer.write(_ANSWER)
    writer.close()
