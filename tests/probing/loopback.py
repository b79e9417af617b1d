"""A provider on a loopback socket, in the same event loop as the probe, and time that can be skipped.

A test of a timeout waits for nothing: the peer tells the loop that an hour has passed when the exchange is
where the test wants it. The deadline is then over, however fast the machine is.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import ssl
import struct
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar, cast

T = TypeVar("T")
HOUR = 3600.0
PATIENCE = 30.0
"""Seconds after which a test is failed rather than left to hang; nothing waits for them to pass."""


class Loop(asyncio.SelectorEventLoop):
    """An event loop whose clock can be put forward.

    Attributes:
        attempts: addresses that a connection was attempted to, in order.
        connected: how many attempts succeeded, by port.
        on_attempt: is called with each of them, before the attempt suspends for the first time.
    """

    _skipped = 0.0

    def __init__(self) -> None:
        super().__init__()
        self.attempts: list[str] = []
        self.connected: Counter[int] = Counter()
        self.on_attempt: Callable[[str], object] = str

    def time(self) -> float:
        """Return the monotonic clock, put forward."""
        return super().time() + self._skipped

    def skip(self, seconds: float = HOUR) -> None:
        """Put the clock forward."""
        self._skipped += seconds

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:  # noqa: ANN401  the base's own
        """Connect, and let the test know."""
        self.attempts.append(address[0])
        self.on_attempt(address[0])
        await super().sock_connect(sock, address)
        self.connected[address[1]] += 1


def loop() -> Loop:
    """Return the running loop."""
    return cast("Loop", asyncio.get_running_loop())


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end; whatever it forgot to close is a ResourceWarning, and so an error."""
    # What was made before is not looked through again: that took most of the time of most tests.
    gc.freeze()
    try:
        with asyncio.Runner(loop_factory=Loop) as runner:
            result = runner.run(main)
        gc.collect()
        return result
    finally:
        gc.unfreeze()


@dataclass(frozen=True, slots=True)
class Talk:
    """One connection, seen from the peer.

    Args:
        reader: what the client sends.
        writer: what the client is sent.
        peer: whose connection it is.
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
    """

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    server_names: list[str | None] = field(default_factory=list)
    talks: list[asyncio.Task[None]] = field(default_factory=list)

    async def left_alone(self) -> None:
        """Return when every client that connected has hung up.

        Raises:
            TimeoutError: one of them left its socket open.
        """
        async with asyncio.timeout(PATIENCE):
            while len(self.talks) < loop().connected[self.port]:  # noqa: ASYNC110  accepted in the next turns
                await asyncio.sleep(0)
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

    def accept(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.setblocking(False)  # noqa: FBT003  the standard library's signature
        talk = asyncio.ensure_future(converse(connection))
        # A task that is cancelled before its first step closes nothing.
        talk.add_done_callback(lambda _: connection.close())
        peer.talks.append(talk)

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        listener.setblocking(False)  # noqa: FBT003  the standard library's signature
        peer.port = listener.getsockname()[1]
        loop().add_reader(listener, accept, listener)
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


@contextmanager
def upon(event: str, act: Callable[[], object]) -> Iterator[None]:
    """Call `act` whenever httpcore logs that `event` happened, such as `start_tls.started`."""

    class Watch(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.getMessage().partition(" ")[0] == event:
                act()

    watch = Watch()
    loggers = [logging.getLogger(f"httpcore.{part}") for part in ("connection", "http11", "proxy")]
    for logger in loggers:
        logger.addHandler(watch)
        logger.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(watch)
            logger.setLevel(logging.NOTSET)
