"""Servers that break the rules below HTTP: what a firewall, a dying process or a wrong port looks like.

A behaviour is an `async` callable that is given the connected, non-blocking socket; when it returns, the
socket is closed. `FullBacklog` is apart, as its point is that no connection ever comes to be.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Self, TypeAlias

from harness.listener import Listener

Behaviour: TypeAlias = Callable[[socket.socket], Awaitable[None]]

READ_SIZE = 64 * 1024
FILLERS = 8
"""One connection fills a backlog of 0; the others keep it full should the kernel have rounded up."""

HANDSHAKE_FAILURE = b"\x15\x03\x03\x00\x02\x02\x28"
"""A TLS record with the fatal alert 40 (RFC 8446, section 6.2)."""


class RawServer(Listener):
    """Does to every connection what `behaviour` says; it may be changed while the server runs."""

    def __init__(self, behaviour: Behaviour, *, host: str = "127.0.0.1") -> None:
        super().__init__(self._behave, host=host)
        self.behaviour = behaviour

    async def _behave(self, connection: socket.socket, _: int) -> None:
        await self.behaviour(connection)


async def close_at_once(_: socket.socket) -> None:
    """Accept and close (FIN)."""


async def reset_at_once(connection: socket.socket) -> None:
    """Accept and reset (RST)."""
    _lingerless(connection)


async def close_after_request(connection: socket.socket) -> None:
    """Read what the client sends first, a request or a TLS hello, then close."""
    await _receive(connection)


async def reset_after_request(connection: socket.socket) -> None:
    """Read what the client sends first, a request or a TLS hello, then reset."""
    await _receive(connection)
    _lingerless(connection)


async def silent(_: socket.socket) -> None:
    """Neither read nor write nor close."""
    await asyncio.Event().wait()


async def mute(connection: socket.socket) -> None:
    """Read all that comes and never answer; to a TLS client, a handshake without end."""
    while await _receive(connection):
        pass


def says(raw: bytes, *, after_request: bool = True) -> Behaviour:
    """Return a behaviour that sends `raw` and closes.

    To a TLS client, an HTTP answer is the plaintext of a wrong port, `HANDSHAKE_FAILURE` a refusal, and
    anything else garbage.
    """

    async def behave(connection: socket.socket) -> None:
        if after_request:
            await _receive(connection)
        await asyncio.get_running_loop().sock_sendall(connection, raw)
        # Closing with unread input resets the connection, and the client might lose what it was sent.
        connection.shutdown(socket.SHUT_WR)
        while await _receive(connection):
            pass

    return behave


class FullBacklog:
    """Listens and never accepts, with its backlog full: a connection attempt is neither made nor refused.

    Linux only: there, a full backlog drops the SYN.
    """

    def __init__(self, *, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = 0
        self._sockets: list[socket.socket] = []

    def start(self) -> None:
        """Listen, and fill the backlog."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listening = socket.create_server((self.host, 0), family=family, backlog=0)
        self._sockets.append(listening)
        self.port = listening.getsockname()[1]
        for _ in range(FILLERS):
            filler = socket.socket(family)
            self._sockets.append(filler)
            filler.setblocking(False)  # noqa: FBT003  the standard library's signature
            filler.connect_ex((self.host, self.port))

    def stop(self) -> None:
        """Close the port; connection attempts under way are refused when they try next."""
        while self._sockets:
            self._sockets.pop().close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()


async def _receive(connection: socket.socket) -> bytes:
    return await asyncio.get_running_loop().sock_recv(connection, READ_SIZE)


def _lingerless(connection: socket.socket) -> None:
    """Make closing send RST at once: linger on, for 0 seconds (socket(7), SO_LINGER)."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
