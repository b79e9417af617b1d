"""A listener over a real socket, and a client that speaks to it in bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from simulator.desk import exchange

from exporter.simulator.listener import Listener
from exporter.simulator.message import Misdeed, Reply, Request, text_reply

GET = b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSE = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Recorder:
    """Answers each request with its method and path, and keeps the requests."""

    def __init__(self, *misdeeds: Misdeed) -> None:
        self.requests: list[Request] = []
        self.asked = asyncio.Event()
        self.misdeeds = list(misdeeds)

    async def __call__(self, request: Request) -> Reply | Misdeed:
        """Take note and answer."""
        self.requests.append(request)
        self.asked.set()
        await asyncio.sleep(0)
        return self.misdeeds.pop(0) if self.misdeeds else text_reply(200, f"{request.method} {request.path}")


@asynccontextmanager
async def listening(
    respond: Callable[[Request], Awaitable[Reply | Misdeed]], port: int = 0
) -> AsyncIterator[Listener]:
    listener = Listener("127.0.0.1", port, respond)
    listener.listen()
    try:
        yield listener
    finally:
        await listener.stop()


def talk(
    respond: Callable[[Request], Awaitable[Reply | Misdeed]], *parts: bytes, half_close: bool = False
) -> bytes:
    """Send the parts on one connection and return all that came back."""

    async def scenario() -> bytes:
        async with listening(respond) as listener:
            return await exchange(listener.port, *parts, half_close=half_close)

    return asyncio.run(scenario())
