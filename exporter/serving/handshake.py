"""TLS below one connection, by asyncio's own protocol, with the two things that asyncio keeps to itself.

It is begun by us and not by `create_server(ssl=…)`, so that every connection gets the context of its own
moment (certificates change while the port is open), and so that a connection has its seat from its first
byte: asyncio's servers tell nobody of those that never end their handshake.

A handshake that fails is the client's affair: asyncio closes the connection, and logs nothing outside its
debug mode.
"""

from __future__ import annotations

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol

from exporter.serving.connection import Connection
from exporter.serving.seats import Seats

HANDSHAKE_DEADLINE = 10
"""Seconds. As long as for a request's head; asyncio's own 60 would keep six times as many waiting."""
FAREWELL_DEADLINE = 1.0
"""Seconds for the client to confirm the end of TLS; less than shutdown waits for requests, or one client that
does not would look like one."""
LARGEST_READ = 16 * 1024
"""Bytes, a record of TLS. asyncio's protocol has room for so many from the start, 256 KiB if left alone: five
hundred clients that never end their handshake would have 160 MB."""


class Handshake(SSLProtocol):
    """TLS for one connection.

    Args:
        connection: what goes on inside once the handshake is done.
        context: its certificate, and whom it lets in.
        seats: where the connection sits from now on.
    """

    max_size = LARGEST_READ

    def __init__(self, connection: Connection, context: ssl.SSLContext, seats: Seats) -> None:
        super().__init__(
            asyncio.get_running_loop(),
            connection,
            context,
            None,  # type: ignore[arg-type]  # nobody waits; a future would complain that its failure was not seen
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_DEADLINE,
            ssl_shutdown_timeout=FAREWELL_DEADLINE,
        )
        self._connection = connection
        self._seats = seats
        self._below: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a seat and begin the handshake."""
        if isinstance(transport, asyncio.Transport):  # of bytes, as all that a server accepts
            self._below = self._connection.below = transport
            self._seats.take(transport)
        super().connection_made(transport)

    def pause_writing(self) -> None:
        """Tell the connection too: asyncio would, but only when as much again waits above TLS."""
        super().pause_writing()
        if self._has_begun:
            self._connection.pause_writing()

    def resume_writing(self) -> None:
        """Tell the connection too."""
        super().resume_writing()
        if self._has_begun:
            self._connection.resume_writing()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Leave, whether the handshake was done or not."""
        if isinstance(self._below, asyncio.Transport):
            self._seats.leave(self._below)
        super().connection_lost(exc)

    @property
    def _has_begun(self) -> bool:
        """Whether the connection knows of its transport; not before the handshake is done."""
        return getattr(self._connection, "transport", None) is not None
