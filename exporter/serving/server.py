"""uvicorn, run in the loop that is already there, on sockets that already listen.

uvicorn would handle signals, and raise them again when it is done, so that nothing after it runs; the
application owns them, and a server ends when its block does:

    async with serving(app, sockets):
        ...                              # accepting
                                         # closed: idle connections at once, busy ones within the grace
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Generator, Sequence
from typing import TYPE_CHECKING

import uvicorn

from exporter.serving.connection import Connection
from exporter.serving.door import Door
from exporter.serving.gate import only_health
from exporter.serving.handshake import Handshake
from exporter.serving.listening import BACKLOG
from exporter.serving.seats import Seats

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MOST_CONNECTIONS = 500
"""Beyond them the one that is missed least gives way. Half of the usual limit of 1,024 files: probes need
theirs."""
MOST_CHECKING = 50
"""Connections to the port of its own for health checks, likewise; kubelets are few, and both together must
leave files to the probes."""
KEEP_ALIVE = 75
"""Seconds. Longer than usual scrape intervals (15 s to 60 s), so that Prometheus, which keeps idle
connections for five minutes, reuses one; uvicorn's 5 s make it connect anew, and shake hands anew under
TLS, for every scrape. An idle connection costs a few kilobytes."""
LARGEST_HEAD = 16 * 1024
GRACE = 2
"""Seconds for requests in flight at shutdown; a scrape of thousands of targets takes a tenth of that."""
_CLEARING = 1.0
"""Seconds for cancelled requests to end; they only have to answer 503."""


@contextlib.asynccontextmanager
async def serving(
    app: ASGIApp,
    sockets: Sequence[socket.socket],
    *,
    door: Door | None = None,
    checked: Sequence[socket.socket] = (),
    grace: int = GRACE,
    most: int | None = None,
) -> AsyncIterator[None]:
    """Serve an application while the block runs.

    The block begins when connections are accepted. When it ends, the sockets are closed, idle
    connections too; requests in flight have their time, are then cancelled, and nothing is left.

    Args:
        app: the ASGI application; its lifespan is not run.
        sockets: listening sockets, as `bind` makes them; they are closed in any case.
        door: says whether TLS is spoken, and with which certificate; without one it is not.
        checked: sockets where health alone is told, without TLS; likewise closed.
        grace: seconds for requests in flight at the end.
        most: connections; None for `MOST_CONNECTIONS`.

    Raises:
        OSError: a socket cannot be served.
    """
    door = door or Door()
    server = Server(app, door=door, grace=grace, most=most)
    async with contextlib.AsyncExitStack() as beside:
        if checked:
            health = serving(only_health(app), checked, grace=grace, most=MOST_CHECKING)
            await beside.enter_async_context(health)
        running = asyncio.create_task(server.serve(list(sockets)), name="web server")
        try:
            await server.accepting.wait()
            if not server.started:
                await running
            await beside.enter_async_context(door.open(server.hang_up))  # until the last login is answered
            yield
        finally:
            server.should_exit = True
            try:
                await running
            finally:
                for sock in sockets:
                    sock.close()


class Server(uvicorn.Server):
    """uvicorn's server without its signal handlers, that says when it accepts and leaves nothing behind."""

    def __init__(
        self, app: ASGIApp, *, door: Door | None = None, grace: int = GRACE, most: int | None = None
    ) -> None:
        most = MOST_CONNECTIONS if most is None else most
        config = uvicorn.Config(
            app,
            http=Connection,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="error",  # whoever reaches the port could fill the log with warnings
            access_log=False,
            workers=1,  # said here, or it would be read from an ambient variable
            proxy_headers=False,
            server_header=False,
            backlog=BACKLOG,
            # Only while all seats are at work; those that just lost theirs are counted for a moment longer.
            limit_concurrency=most + BACKLOG,
            timeout_keep_alive=KEEP_ALIVE,
            timeout_graceful_shutdown=grace,
            h11_max_incomplete_event_size=LARGEST_HEAD,
        )
        super().__init__(config)
        self.accepting = asyncio.Event()
        self.servers: list[asyncio.Server] = []
        self._door = door or Door()
        self._seats = Seats(most)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave signals to the application."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        loop = asyncio.get_running_loop()
        for sock in sockets or ():
            self.servers.append(await loop.create_server(self._connect, sock=sock, backlog=BACKLOG))
        self.started = True
        self.accepting.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; whoever has not yet asked for anything is not waited for."""
        self._seats.clear()
        await super().shutdown(sockets)

    def hang_up(self) -> None:
        """Let no connection outlive the door that it came in by: idle ones end now, busy ones answered."""
        self._seats.clear()
        for connection in list(self.server_state.connections):
            connection.shutdown()

    def _connect(self) -> asyncio.BaseProtocol:
        connection = Connection(self.config, self.server_state, self.lifespan.state)
        connection.seats = self._seats
        context = self._door.context
        return connection if context is None else Handshake(connection, context, self._seats)

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until `should_exit`; nothing is left when this returns or raises."""
        try:
            await super().serve(sockets)
        finally:
            self.accepting.set()  # nobody must wait for a start that failed
            await self._clear()

    async def _clear(self) -> None:
        """End what outlasted the grace: uvicorn cancels it, but does not wait, nor for slow readers."""
        for server in self.servers:
            server.close()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=_CLEARING)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
