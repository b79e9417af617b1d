"""A port that can be opened, closed and given another certificate while the simulator runs.

    bound        the port is ours, connections are refused
    listening    connections are accepted, each with the certificate of that moment

While it refuses, the port stays bound to a socket that does not listen: it is nobody's "any free port", and
the kernel answers a SYN with RST as for any closed one. (Who asks for this very port with SO_REUSEADDR can
still take it; then opening it again is an error.)
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial

from exporter.simulator.message import Misdeed, Reply, Request
from exporter.simulator.wire import Conversation

logger = logging.getLogger(__name__)

_BACKLOG = 1024
_BATCH = 64
_PAUSE = 1.0
_TURNS = 3
_HANDSHAKE_SECONDS = 10.0
_SHUTDOWN_SECONDS = 1.0


class Listener:
    """One port and the connections that came in by it.

    Args:
        host: an address or a name; its first address is used.
        port: 0 means any free one.
        respond: says what becomes of a request.

    Raises:
        OSError: the port is in use, or the host is none of this machine's.
    """

    def __init__(
        self, host: str, port: int, respond: Callable[[Request], Awaitable[Reply | Misdeed]]
    ) -> None:
        self._respond = respond
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        self._family = family
        self._socket = _bound(family, address)
        self._address = self._socket.getsockname()
        self._context: ssl.SSLContext | None = None
        self._listening = False
        self._resumption: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._conversations: set[Conversation] = set()
        self.accepted = 0
        """Connections so far."""

    @property
    def port(self) -> int:
        """The port, also while it refuses."""
        return int(self._address[1])

    def listen(self) -> None:
        """Accept connections from now on."""
        if not self._listening:
            if self._socket.fileno() == -1:  # somebody took the port in the moment between close and bind
                self._socket = _bound(self._family, self._address)
            self._socket.listen(_BACKLOG)
            self._listening = True
            self._watch()

    def refuse(self) -> None:
        """Close the port; requests that are being answered still are."""
        if self._listening:
            self._close()
            self._socket = _bound(self._family, self._address)
            self._retire()

    def present(self, context: ssl.SSLContext | None) -> None:
        """Speak TLS with `context`, or none, on every connection from now on; idle ones are ended."""
        if context is not self._context:
            self._context = context
            self._retire()

    async def stop(self) -> None:
        """Close the port and every connection, answered or not."""
        self._close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _close(self) -> None:
        if self._resumption is not None:
            self._resumption.cancel()
            self._resumption = None
        if self._listening:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._listening = False
        self._socket.close()

    def _retire(self) -> None:
        for conversation in self._conversations:
            conversation.retire()

    # Accepting: by hand, since asyncio's own server has one certificate for life

    def _watch(self) -> None:
        self._resumption = None
        asyncio.get_running_loop().add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(_BATCH):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:  # out of descriptors: wait for some to come back, as asyncio does
                logger.warning("simulator: no connection accepted on port %d: %s", self.port, error)
                loop.remove_reader(self._socket)
                self._resumption = loop.call_later(_PAUSE, self._watch)
                return
            self.accepted += 1
            task = loop.create_task(self._serve(connection, self._context))
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, connection))

    def _ended(self, connection: socket.socket, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        connection.close()  # still open only when the task was cancelled before its first step
        if not task.cancelled() and task.exception() is not None:
            logger.error("simulator: a connection ended in a bug", exc_info=task.exception())

    async def _serve(self, connection: socket.socket, context: ssl.SSLContext | None) -> None:
        try:
            connection.setblocking(False)  # noqa: FBT003  the standard library's signature
            with suppress(
                OSError
            ):  # a client that breaks off is no news, nor is one that trusts no such certificate
                reader, writer = await _streams(connection, context)
                await self._converse(reader, writer)
        finally:
            # The transport closes the socket one turn of the loop after it is told to; wait for that.
            for _ in range(_TURNS):
                await asyncio.sleep(0)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        conversation = Conversation(reader, writer, self._respond)
        self._conversations.add(conversation)
        try:
            await conversation.hold()
            writer.close()
            await writer.wait_closed()
        finally:
            self._conversations.discard(conversation)
            writer.transport.abort()


async def _streams(
    connection: socket.socket, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    transport, _ = await loop.connect_accepted_socket(
        lambda: protocol,
        connection,
        ssl=context,
        ssl_handshake_timeout=None if context is None else _HANDSHAKE_SECONDS,
        ssl_shutdown_timeout=None if context is None else _SHUTDOWN_SECONDS,
    )
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


def _bound(family: int, address: tuple[object, ...] | tuple[str, int]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)  # noqa: FBT003  the standard library's signature
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
