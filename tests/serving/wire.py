"""The application on a real socket, and a client that reads it by the rules of HTTP framing."""

import asyncio
import contextlib
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import NamedTuple

from serving.examples import web_app
from starlette.applications import Starlette

from exporter.serving import PortSecurity, bind


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
async def connected(
    sockets: list[socket.socket], tls: ssl.SSLContext | None = None, *, receive_buffer: int | None = None
) -> AsyncIterator[Client]:
    """Connect a client, perhaps with a small buffer in the kernel."""
    sock = socket.socket()
    sock.setblocking(False)  # noqa: FBT003  the standard library's signature
    if receive_buffer is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    await asyncio.get_running_loop().sock_connect(sock, sockets[0].getsockname())
    name = "localhost" if tls else None
    reader, writer = await asyncio.open_connection(sock=sock, ssl=tls, server_hostname=name)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def is_refused(sockets: list[socket.socket], tls: ssl.SSLContext) -> bool:
    """Return whether a client is refused; with TLS 1.3 it notices only when it reads."""
    try:
        async with connected(sockets, tls) as client:
            await client.ask()
    except (ssl.SSLError, OSError, asyncio.IncompleteReadError):
        return True
    return False


async def rendered(_: bool) -> Sequence[bytes]:  # noqa: FBT001  the signature of the real one
    return [b"up 1\n"] * 1000


def app(
    metrics: Callable[[bool], Awaitable[Sequence[bytes]]] = rendered, security: PortSecurity | None = None
) -> Starlette:
    return web_app(metrics=metrics, security=security)


def local() -> list[socket.socket]:
    return bind([("127.0.0.1", 0)])


def run(scenario: Coroutine[object, object, None]) -> None:
    """Run a scenario; anything it leaves open becomes a warning, which is an error."""
    asyncio.run(scenario, debug=True)
    gc.collect()
