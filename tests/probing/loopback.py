"""A provider on a loopback socket, in the same event loop as the probe, and time that can be skipped.

A test of a timeout waits for nothing: the peer puts the loop's clock forward by an hour when the exchange is
where the test wants it. The deadline is then over, however fast the machine is.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast

from exporter.probing.resolver import ResolutionError, Resolve, ResolvedName
from exporter.target import IpFamily, Target

T = TypeVar("T")
HOUR = 3600.0
PATIENCE = 30.0
"""Seconds after which a test is failed rather than left to hang; nothing waits for them to pass."""


class Loop(asyncio.SelectorEventLoop):
    """An event loop with a clock that can be put forward, and that can stall.

    Args:
        frozen: whether its clock moves only when it is put forward, so that no timer fires by itself.

    Attributes:
        stalls: begin and end of each time that it stood still.
    """

    _skipped = 0.0

    def __init__(self, *, frozen: bool = False) -> None:
        super().__init__()
        self._frozen_at = super().time() if frozen else None
        self.stalls: list[tuple[float, float]] = []

    def time(self) -> float:
        """Return the monotonic clock, put forward."""
        return (super().time() if self._frozen_at is None else self._frozen_at) + self._skipped

    def skip(self, seconds: float = HOUR) -> None:
        """Put the clock forward; the wall clock stays, so that the kernel's timestamps no longer fit."""
        self._skipped += seconds

    def stand_still(self, seconds: float = HOUR) -> None:
        """Let time pass without a turn of the loop; what arrived before has its timestamp of before."""
        begun = self.time()
        self._skipped += seconds
        self.stalls.append((begun, self.time()))

    def stalls_since(self, since: float) -> list[tuple[float, float]]:
        """Return those that ended after `since`."""
        return [(max(begun, since), ended) for begun, ended in self.stalls if ended > since]

    def wall(self) -> float:
        """Return the wall clock, put forward by the time that the loop stood still."""
        return time.time() + sum(ended - begun for begun, ended in self.stalls)


def loop() -> Loop:
    """Return the running loop."""
    return cast("Loop", asyncio.get_running_loop())


def run(main: Coroutine[Any, Any, T], *, frozen: bool = False) -> T:
    """Run `main` in a `Loop` to its end; what it forgot to close is a ResourceWarning, and so an error."""
    with asyncio.Runner(loop_factory=lambda: Loop(frozen=frozen)) as runner:
        result = runner.run(main)
    gc.collect()
    return result


@dataclass(frozen=True, slots=True)
class Talk:
    """One connection, seen from the peer.

    Args:
        reader: what the client sends.
        writer: what the client is sent.
        peer: the server of the connection.
    """

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    peer: Peer

    async def hear(self) -> None:
        """Read the head of a request and take note of it."""
        with suppress(asyncio.IncompleteReadError):
            self.peer.heads.append(await self.reader.readuntil(b"\r\n\r\n"))

    async def say(self, raw: bytes) -> None:
        """Send bytes at once."""
        self.writer.write(raw)
        await self.writer.drain()

    def reset(self) -> None:
        """Close with RST instead of FIN (socket(7), SO_LINGER)."""
        connection = self.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass(slots=True)
class Peer:
    """What a provider heard.

    Args:
        port: where it listens.
        heads: heads of requests, in order of arrival.
        server_names: names that TLS clients asked for.
        talks: one per connection that was accepted.
        accept: accepts what waits for it.
    """

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)
    talks: list[asyncio.Task[None]] = field(default_factory=list)
    accept: Callable[[], None] = lambda: None

    async def left_alone(self) -> None:
        """Wait until every client has closed its connection, and so until none is left open."""
        async with asyncio.timeout(PATIENCE):
            self.accept()
            await asyncio.gather(*self.talks)


Behaviour: TypeAlias = Callable[[Talk], Awaitable[None]]
"""What a peer does to one connection."""


@asynccontextmanager
async def listening(
    behave: Behaviour, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[Peer]:
    """Listen, and do to every connection what `behave` says; then read until the client hangs up."""
    peer = Peer()
    if tls is not None:
        tls.sni_callback = lambda _, name, __: peer.server_names.append(name)

    async def converse(connection: socket.socket) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        with suppress(OSError):  # the client hung up first, or refused the certificate
            transport, _ = await loop().connect_accepted_socket(lambda: protocol, connection, ssl=tls)
            writer = asyncio.StreamWriter(transport, protocol, reader, loop())
            try:
                await behave(Talk(reader, writer, peer))
                while await reader.read(65536):
                    pass
            finally:
                transport.abort()
                await asyncio.sleep(0)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except BlockingIOError:
                return
            connection.setblocking(False)  # noqa: FBT003  the standard library's signature
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            talk = asyncio.ensure_future(converse(connection))
            # A task that is cancelled before its first step closes nothing.
            talk.add_done_callback(lambda _, connection=connection: connection.close())  # type: ignore[misc]
            peer.talks.append(talk)

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        listener.setblocking(False)  # noqa: FBT003  the standard library's signature
        peer.port = listener.getsockname()[1]
        peer.accept = accept
        loop().add_reader(listener, accept)
        try:
            yield peer
        finally:
            loop().remove_reader(listener)
            for talk in peer.talks:
                talk.cancel()
            await asyncio.gather(*peer.talks, return_exceptions=True)


def answer(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    """Return a well-framed answer with more headers, each as `Name: value`."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def says(raw: bytes, *, then: str = "wait") -> Behaviour:
    """Return a behaviour that hears a request and sends `raw`; then it may `close` or `reset`."""

    async def behave(talk: Talk) -> None:
        await talk.hear()
        await talk.say(raw)
        if then == "close":
            talk.writer.close()
        elif then == "reset":
            talk.reset()

    return behave


async def turns(number: int = 20) -> None:
    """Let the loop turn, so that all that can be read is read."""
    for _ in range(number):
        await asyncio.sleep(0)


async def nothing(_: Talk) -> None:
    """Accept, and no more."""


def then_an_hour_passes(behave: Behaviour) -> Behaviour:
    """Return a behaviour that lets the deadline pass once the client has read all that `behave` sent."""

    async def behaving(talk: Talk) -> None:
        await behave(talk)
        await turns()
        loop().skip()

    return behaving


def no_tls(_: Target | None = None) -> ssl.SSLContext:
    """Return a context that trusts no authority."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def resolving(*addresses: str, resolved: list[str] | None = None) -> Resolve:
    """Return a resolver that knows one answer, and notes the names that it is asked for."""

    def resolve(name: str, _family: IpFamily) -> asyncio.Future[ResolvedName]:
        if resolved is not None:
            resolved.append(name)
        future = loop().create_future()
        future.set_result(ResolvedName(addresses))
        return future

    return resolve


def not_resolving(name: str, _family: IpFamily) -> asyncio.Future[ResolvedName]:
    """Fail to resolve."""
    future: asyncio.Future[ResolvedName] = loop().create_future()
    future.set_exception(ResolutionError(name))
    return future
