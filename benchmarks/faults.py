"""A provider for each way to fail that the soak goes through, each on a port of its own.

Each is given a request that it has read, and what it writes is all that is said; then the connection
is closed. What must be reported of it stands beside it in `FAULTS`.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from benchmarks.bench import answer, flow

Behave = Callable[["asyncio.StreamWriter"], Awaitable[None]]

_LONG = 30.0
"""Seconds; longer than any probe waits."""
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Fault:
    """A way to fail.

    Args:
        name: of its targets.
        reason: what must be reported of each of its probes.
        behave: what its server does; None where nobody listens.
        certificate: `good`, `expired`, or None in the clear.
        host: the name that is asked for.
        scheme: what is spoken, or believed to be.
    """

    name: str
    reason: str
    behave: Behave | None
    certificate: str | None = None
    host: str = "127.0.0.1"
    scheme: str = "http"


async def _healthy(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(flow(_port(writer))))


async def _slow(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(0.2)
    await _healthy(writer)


async def _silent(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(_LONG)


async def _reset(writer: asyncio.StreamWriter) -> None:
    # Linger on, for 0 seconds: closing sends RST at once (socket(7), SO_LINGER).
    connection = writer.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def _garbage(writer: asyncio.StreamWriter) -> None:
    writer.write(bytes(range(256)) * 16)


async def _drip_head(writer: asyncio.StreamWriter) -> None:
    await _drip(writer, answer(flow(_port(writer))))


async def _drip_body(writer: asyncio.StreamWriter) -> None:
    head, end, body = answer(flow(_port(writer))).partition(b"\r\n\r\n")
    writer.write(head + end)
    await _drip(writer, body)


async def _drip(writer: asyncio.StreamWriter, data: bytes) -> None:
    for byte in data:
        writer.write(bytes((byte,)))
        await writer.drain()
        await asyncio.sleep(0.05)


async def _truncated(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(flow(_port(writer)))[:-100])


_BOMB = answer(gzip.compress(bytes(64 << 20), 9), "200 OK", "Content-Encoding: gzip")


async def _bomb(writer: asyncio.StreamWriter) -> None:
    writer.write(_BOMB)
    await writer.drain()


async def _redirect(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(b"", "302 Found", "Location: https://elsewhere.example/"))


async def _unavailable(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(b"{}", "503 Service Unavailable"))


async def _too_many(writer: asyncio.StreamWriter) -> None:
    writer.write(answer(b"{}", "429 Too Many Requests"))


_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


async def _hints(writer: asyncio.StreamWriter) -> None:
    writer.write(_CONTINUE * 100)
    await _healthy(writer)


async def _flood(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(_CONTINUE * 1000)
        await writer.drain()
        await asyncio.sleep(0)


def _port(writer: asyncio.StreamWriter) -> int:
    port: int = writer.get_extra_info("sockname")[1]
    return port


FAULTS: tuple[Fault, ...] = (
    Fault("healthy", "ok", _healthy),
    Fault("healthy_by_name", "ok", _healthy, host="localhost"),
    Fault("healthy_tls", "ok", _healthy, certificate="good", host="localhost", scheme="https"),
    Fault("slow", "ok", _slow),
    Fault("hints", "ok", _hints),
    Fault("flood", "protocol", _flood),
    Fault("unknown_name", "dns", None, host="nowhere.invalid"),
    Fault("refused", "connect", None),
    Fault("mute_tls", "timeout", _silent, scheme="https"),
    Fault("plaintext", "tls", _garbage, scheme="https"),
    Fault("expired", "tls", _healthy, certificate="expired", host="localhost", scheme="https"),
    Fault("silent", "timeout", _silent),
    Fault("reset", "protocol", _reset),
    Fault("garbage", "protocol", _garbage),
    Fault("truncated", "protocol", _truncated),
    Fault("drip_head", "timeout", _drip_head),
    Fault("drip_body", "timeout", _drip_body),
    Fault("bomb", "too_large", _bomb),
    Fault("redirect", "redirected", _redirect),
    Fault("unavailable", "server_error", _unavailable),
    Fault("rate_limited", "rate_limited", _too_many),
)


@asynccontextmanager
async def providers(directory: Path) -> AsyncIterator[dict[str, dict[str, str]]]:
    """Run all of them while the block runs; yield fault name -> the fields of a target of it."""
    authority = trustme.CA()
    ca_file = directory / "ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    contexts = {"good": _issue(authority, 90 * _DAY), "expired": _issue(authority, -_DAY)}
    async with AsyncExitStack() as stack:
        found = {}
        for fault in FAULTS:
            if fault.behave is None:
                reserved = stack.enter_context(socket.socket())
                reserved.bind(("127.0.0.1", 0))  # ours, so that nobody else listens there
                port = reserved.getsockname()[1]
            else:
                context = contexts.get(fault.certificate or "")
                server = await asyncio.start_server(_serve(fault.behave), "127.0.0.1", 0, ssl=context)
                await stack.enter_async_context(server)
                port = server.sockets[0].getsockname()[1]
            found[fault.name] = {
                "auth_url": f"{fault.scheme}://{fault.host}:{port}",
                "ca_file": str(ca_file),
            }
        yield found


def _serve(behave: Behave) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Cancelled is how a connection ends that is still there when the soak does.
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # A client of TLS says hello, without an empty line; whoever behaves badly to it does so at once.
            await reader.read(1) if behave in {_silent, _garbage} else await reader.readuntil(b"\r\n\r\n")
            async with asyncio.timeout(_LONG):
                await _until_gone(reader, behave(writer))
            if writer.can_write_eof():
                writer.write_eof()
            async with asyncio.timeout(1):
                while await reader.read(65536):
                    pass
        writer.close()

    return serve


async def _until_gone(reader: asyncio.StreamReader, behaving: Awaitable[None]) -> None:
    """Behave until done, or until the client hangs up."""
    doing = asyncio.ensure_future(behaving)
    gone = asyncio.ensure_future(_drained(reader))
    try:
        await asyncio.wait({doing, gone}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (doing, gone):
            task.cancel()
        await asyncio.gather(doing, gone, return_exceptions=True)


async def _drained(reader: asyncio.StreamReader) -> None:
    while await reader.read(65536):
        pass


def _issue(authority: trustme.CA, ends_in: timedelta) -> ssl.SSLContext:
    now = datetime.now(UTC)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf = authority.issue_cert("localhost", not_before=now - 90 * _DAY, not_after=now + ends_in)
    leaf.configure_cert(context)
    return context


def reasons() -> Iterator[tuple[str, str]]:
    """Yield fault name and expected reason of each."""
    return ((fault.name, fault.reason) for fault in FAULTS)
