"""Serve an ASGI application on sockets that already listen, in the running event loop.

uvicorn parses HTTP and runs the application. Its own accept loop is not used: it can neither bound TLS
handshakes nor change the certificate, and it raises SIGTERM again at the end.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from exporter.internal_errors import InternalErrors, Part
from exporter.serving.connections import Connection, ConnectionLimiter, with_connections
from exporter.serving.port_security import PortSecurity, only_health

MAX_CONNECTIONS = 500
"""Half of the usual limit of 1,024 open files: probes need theirs."""
MAX_TLS_CONNECTIONS = 125
"""asyncio reserves 256 KiB for each."""
MAX_HEALTH_CONNECTIONS = 50
"""To the separate health port; kubelets are few."""
MAX_HEAD_BYTES = 16 * 1024
SHUTDOWN_GRACE_SECONDS = 2.0
"""For requests in progress; a scrape of thousands of targets takes a tenth of that."""

HANDSHAKE_TIMEOUT_SECONDS = 10.0
_TLS_CLOSE_TIMEOUT_SECONDS = 1.0
"""For the client to confirm the end of TLS; less than the grace period."""
_CANCEL_TIMEOUT_SECONDS = 1.0
"""For cancelled requests, which only have to send 503."""
_ACCEPT_RETRY_SECONDS = 1.0

_log = logging.getLogger("exporter.serving")


@contextlib.asynccontextmanager
async def serve(
    app: ASGIApp,
    sockets: Sequence[socket.socket],
    *,
    security: PortSecurity | None = None,
    health_sockets: Sequence[socket.socket] = (),
    grace: float = SHUTDOWN_GRACE_SECONDS,
    max_connections: int | None = None,
    errors: InternalErrors | None = None,
) -> AsyncIterator[None]:
    """Serve an application while the block runs; then close idle connections, and busy ones within the grace.

    Args:
        app: the ASGI application; its lifespan is not run.
        sockets: listening sockets from `bind`.
        security: TLS of the port; None for plain HTTP.
        health_sockets: listening sockets for health checks alone, without TLS.
        grace: seconds for requests in progress at the end.
        max_connections: None for the default.
        errors: counts and logs our own bugs.
    """
    security, errors = security or PortSecurity(), errors or InternalErrors()
    servers = [_Server(app, sockets, security, max_connections, errors)]
    if health_sockets:
        health = only_health(app)
        servers.append(_Server(health, health_sockets, PortSecurity(), MAX_HEALTH_CONNECTIONS, errors))
    security.on_tls_change = servers[0].close_connections
    try:
        for server in servers:
            server.start()
        yield
    finally:
        security.on_tls_change = None
        await asyncio.gather(*(server.close(grace) for server in servers))
        security.auth.close()


@dataclass
class _Server:
    app: ASGIApp
    sockets: Sequence[socket.socket]
    security: PortSecurity
    max_connections: int | None
    errors: InternalErrors

    def __post_init__(self) -> None:
        self._limiter = ConnectionLimiter(self.max_connections or MAX_CONNECTIONS)
        self._accepting: list[asyncio.Task[None]] = []
        config = uvicorn.Config(
            with_connections(self.app),
            http="h11",
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            log_level="error",  # a client could fill the log with warnings about invalid requests
            access_log=False,
            workers=1,  # otherwise read from the environment variable WEB_CONCURRENCY
            proxy_headers=False,
            timeout_keep_alive=3600,  # Connection has its own deadlines
            h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        )
        config.load()
        self._state = ServerState()
        self._make_http = partial(H11Protocol, config, self._state)

    def start(self) -> None:
        """Begin to accept connections."""
        self._accepting = [asyncio.create_task(self._accept(sock)) for sock in self.sockets]

    async def close(self, grace: float) -> None:
        """Close sockets and connections; cancel requests that are still in progress after `grace` seconds."""
        for task in self._accepting:
            task.cancel()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for sock in self.sockets:
            sock.close()
        self.close_connections()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._limiter.empty.wait(), grace)
        tasks = set(self._state.tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=_CANCEL_TIMEOUT_SECONDS)
        for connection in list(self._limiter.connections):
            connection.abort()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._limiter.empty.wait(), _CANCEL_TIMEOUT_SECONDS)

    def close_connections(self) -> None:
        """Close every connection, active ones after their response."""
        for connection in list(self._limiter.connections):
            connection.shutdown()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, _ = await loop.sock_accept(listener)
                self._start(sock)
                await asyncio.sleep(0)  # a burst of connections must not hold the loop
            except ConnectionAbortedError:
                continue
            except OSError as error:  # such as no file descriptor left
                _log.warning("cannot accept connections: %s", error.strerror)
                await asyncio.sleep(_ACCEPT_RETRY_SECONDS)
            except Exception as error:  # noqa: BLE001  else the port would be dead for good
                self.errors.report(Part.PAGE, "cannot accept a connection", error)
                await asyncio.sleep(_ACCEPT_RETRY_SECONDS)

    def _start(self, sock: socket.socket) -> None:
        """Start a connection that was accepted; close it if that fails."""
        with contextlib.ExitStack() as on_failure:
            on_failure.enter_context(sock)
            default = MAX_TLS_CONNECTIONS if self.security.tls else MAX_CONNECTIONS
            self._limiter.max_connections = self.max_connections or default
            connection = Connection(self._limiter, self._make_http)
            self._limiter.add(connection)
            connection.start(asyncio.create_task(self._connect(connection, sock)), sock)
            on_failure.pop_all()

    async def _connect(self, connection: Connection, sock: socket.socket) -> None:
        """Connect a socket to its protocol; do the TLS handshake. One that fails is the client's problem."""
        tls = self.security.tls
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=tls.context if tls else None,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT_SECONDS if tls else None,
                ssl_shutdown_timeout=_TLS_CLOSE_TIMEOUT_SECONDS if tls else None,
            )
