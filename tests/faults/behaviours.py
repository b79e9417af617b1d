"""What no server does that is in its right mind: resets on the way, handshakes that go wrong, tunnels."""

from __future__ import annotations

import asyncio
import socket
import ssl
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from harness.http_messages import READ_BYTES

if TYPE_CHECKING:
    from faults.stage import Scene, Stage
    from harness.certificates import Authority
    from harness.http_messages import Connection, Request, Script


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

        async def behave(connection: Connection) -> None:
            await _shake(connection, tls, abort=abort)

        return stage.raw(behave, "https")

    return scene


async def _shake(connection: Connection, tls: ssl.SSLContext, *, abort: bool) -> None:
    """Shake hands by hand: asyncio closes before it has sent the alert with the cause."""
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
            await connection.send(flight[: len(flight) // 2] if abort else flight)
            over = over or abort
        if not over:
            data = await connection.reader.read(READ_BYTES)
            if not data:
                return
            incoming.write(data)
    # Closing with unread input resets the connection, and the client might lose the alert.
    connection.writer.write_eof()
    await connection.read_to_end()


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
    """Return a context that accepts every client."""
    return authority.good().tls


async def tunnels(connection: Connection) -> None:
    """Be a proxy that does what CONNECT asks for; a `Behavior`."""
    request = await connection.read_request()
    if request is None:
        return
    host, _, port = request.target.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        await connection.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        ways = [
            asyncio.create_task(_pump(*way))
            for way in ((connection.reader, writer), (reader, connection.writer))
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
    finally:
        writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(READ_BYTES):
            writer.write(data)
            await writer.drain()
