"""A port that serves an ASGI application and can be closed, opened again, and reset within a request.

uvicorn's HTTP protocol serves the connections; its server is not used, since it can do none of these.
"""

import asyncio
import socket
import ssl
import struct
from functools import partial
from typing import Any

import uvicorn
from starlette.requests import Request
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

BACKLOG = 1024
HANDSHAKE_SECONDS = 10.0
SHUTDOWN_SECONDS = 1.0
IDLE_SECONDS = 75


def reserve(host: str, port: int) -> socket.socket:
    """Return a socket on the first address of `host`, which never listens. Raises `OSError`."""
    info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = info[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock


class Listener:
    """One port and its connections.

    A second socket is bound to the port and never listens: while the port is closed, no other program gets it
    as "any free port", and the kernel answers a SYN with RST. (A program that asks for this very port with
    SO_REUSEADDR can still take it; then opening it again is an error.)

    Args:
        host: an address or a name; its first address is used.
        port: 0 means any free one; the attribute is the one that it got.
        tls: a server's context; its `sni_callback` may choose the certificate of each handshake.

    Raises:
        OSError: the port is in use, or the host is not an address of this machine.
    """

    def __init__(self, host: str, port: int, app: Any, tls: ssl.SSLContext | None = None) -> None:  # noqa: ANN401  ASGI
        self._tls = tls
        self._reserved = reserve(host, port)
        self._address, self.port, *_ = self._reserved.getsockname()
        self._server: asyncio.Server | None = None
        self._state = ServerState()
        self._config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=IDLE_SECONDS,
        )
        self._config.load()

    async def open(self) -> None:
        """Accept connections from now on; `OSError` if another program took the port meanwhile."""
        if self._server is not None:
            return
        self._server = await asyncio.get_running_loop().create_server(
            partial(H11Protocol, self._config, self._state, app_state={}),
            self._address,
            self.port,
            backlog=BACKLOG,
            ssl=self._tls,
            ssl_handshake_timeout=HANDSHAKE_SECONDS if self._tls else None,
            ssl_shutdown_timeout=SHUTDOWN_SECONDS if self._tls else None,
        )

    def close(self) -> None:
        """Close the port; requests that are being answered still are."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self.close_idle_connections()

    def close_idle_connections(self) -> None:
        """End each connection as soon as no request is being answered on it."""
        for connection in list(self._state.connections):
            connection.shutdown()

    def reset(self, request: Request) -> None:
        """Reset the connection of a request."""
        for connection in list(self._state.connections):
            # uvicorn's other protocols are not used here.
            if isinstance(connection, H11Protocol) and request.client == connection.client:
                # A close without lingering makes the kernel send RST instead of FIN.
                sock = connection.transport.get_extra_info("socket")
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.transport.abort()

    async def stop(self) -> None:
        """Close the port and every connection, answered or not."""
        if self._server is not None:
            self._server.close()
        self._reserved.close()
        for connection in list(self._state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # the connections take note
        for task in self._state.tasks:
            task.cancel()
        await asyncio.gather(*self._state.tasks, return_exceptions=True)
