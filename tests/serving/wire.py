"""The room's application on a real socket, and a client that reads it by the rules of HTTP framing."""

import asyncio
import contextlib
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import NamedTuple

from serving.examples import views
from starlette.applications import Starlette

from exporter.serving import Door, bind, site


class Answer(NamedTuple):
    """Status code, headers with lower-case names, body."""

    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """One connection, read by the rules of HTTP framing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def send(self, text: str) -> None:
        self.writer.write(text.encode())

    async def ask(self, method: str = "GET", path: str = "/metrics", extra: str = "") -> Answer:
        self.send(f"{method} {path} HTTP/1.1\r\nHost: exporter\r\n{extra}\r\n")
        return await self.answer(body=method != "HEAD")

    async def answer(self, *, body: bool = True) -> Answer:
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        status, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        content = await self.reader.readexactly(int(headers["content-length"])) if body else b""
        return Answer(int(status.split()[1]), headers, content)

    async def closed(self) -> bool:
        """Wait for the server to close, having sent nothing more."""
        try:
            return await self.reader.read() == b""
        except ConnectionResetError:
            return True


@contextlib.asynccontextmanager
async def connected(sockets: list[socket.socket], tls: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    name = "localhost" if tls else None
    reader, writer = await asyncio.open_connection(*sockets[0].getsockname(), ssl=tls, server_hostname=name)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def rendered(_: bool) -> bytes:  # noqa: FBT001  the contract's shape
    return b"up 1\n" * 1000


async def reloaded() -> tuple[bool, str]:
    return True, "reloaded"


def app(exposition: Callable[[bool], Awaitable[bytes]] = rendered, door: Door | None = None) -> Starlette:
    return site(
        exposition=exposition,
        healthy=lambda: True,
        ready=lambda: True,
        views=views(),
        reload=reloaded,
        door=door,
    )


def local() -> list[socket.socket]:
    return bind([("127.0.0.1", 0)])


def run(scenario: Coroutine[object, object, None]) -> None:
    """Run a scenario; anything it leaves open becomes a warning, which is an error."""
    asyncio.run(scenario, debug=True)
    gc.collect()
