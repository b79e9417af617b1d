"""What no server does that is in its right mind: resets on the way, handshakes that go wrong, tunnels."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faults.stage import Scene, Stage
    from harness.certificates import Authority
    from harness.http_messages import Request, Script

READ_SIZE = 64 * 1024


def says_and_resets(raw: bytes) -> Script:
    """Return a script that sends `raw`, and resets once the client's machine has it."""

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        connection = writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return script


def says_and_falls_silent(raw: bytes) -> Script:
    """Return a script that sends `raw` and closes below TLS, without the alert that TLS wants."""

    async def script(_: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(raw)
        await writer.drain()
        writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        with suppress(OSError):
            await writer.wait_closed()

    return script


def shakes(context: Callable[[Authority], ssl.SSLContext], *, abort: bool = False) -> Scene:
    """Shake hands, and close without a word of HTTP.

    Args:
        context: of the server, given the authority that the exporter trusts.
        abort: whether it closes behind half of the first that it has to say.
    """

    def scene(stage: Stage) -> str:
        tls = context(stage.authority)

        async def behave(connection: socket.socket) -> None:
            await _shake(connection, tls, abort=abort)

        return stage.raw(behave, "https")

    return scene


async def _shake(connection: socket.socket, tls: ssl.SSLContext, *, abort: bool) -> None:
    """Shake hands by hand: asyncio closes before the alert that says why it does is sent."""
    loop = asyncio.get_running_loop()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = tls.wrap_bio(incoming, outgoing, server_side=True)
    over = False
    while not over:
        try:
            server.do_handshake()
            over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            over = True
        if outgoing.pending:
            flight = outgoing.read()
            await loop.sock_sendall(connection, flight[: len(flight) // 2] if abort else flight)
            over = over or abort
        if not over:
            data = await loop.sock_recv(connection, READ_SIZE)
            if not data:
                return
            incoming.write(data)
    # Closing with unread input resets the connection, and the client might lose the alert.
    connection.shutdown(socket.SHUT_WR)
    while await loop.sock_recv(connection, READ_SIZE):
        pass


def old_protocol(authority: Authority) -> ssl.SSLContext:
    """Return a context that speaks TLS 1.1 at most."""
    tls = authority.good().tls
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that it is deprecated is the point
        tls.minimum_version = ssl.TLSVersion.TLSv1
        tls.maximum_version = ssl.TLSVersion.TLSv1_1
    return tls


def demands_certificate(version: ssl.TLSVersion) -> Callable[[Authority], ssl.SSLContext]:
    """Return a maker of contexts that want a certificate of the client, by this version of TLS."""

    def make(authority: Authority) -> ssl.SSLContext:
        tls = authority.good().tls
        tls.minimum_version = tls.maximum_version = version
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_verify_locations(authority.ca_file)
        return tls

    return make


def good(authority: Authority) -> ssl.SSLContext:
    """Return a context that anybody may shake hands with."""
    return authority.good().tls


async def tunnels(connection: socket.socket) -> None:
    """Be a proxy that does what CONNECT asks for; a `Behaviour`."""
    loop = asyncio.get_running_loop()
    asked = b""
    while not asked.endswith(b"\r\n\r\n"):
        more = await loop.sock_recv(connection, READ_SIZE)
        if not more:  # given up; to ask again would hold the loop for ever
            return
        asked += more
    host, _, port = asked.split(b" ")[1].decode().rpartition(":")
    with socket.socket() as further:
        further.setblocking(False)  # noqa: FBT003  the standard library's signature
        await loop.sock_connect(further, (host, int(port)))
        await loop.sock_sendall(connection, b"HTTP/1.1 200 Connection established\r\n\r\n")
        ways = [asyncio.create_task(_pump(*way)) for way in ((connection, further), (further, connection))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _pump(one: socket.socket, other: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while data := await loop.sock_recv(one, READ_SIZE):
            await loop.sock_sendall(other, data)
