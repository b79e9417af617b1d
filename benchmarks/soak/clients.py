"""The clients of the web port during a soak: one that scrapes, one that reads pages, hostile ones."""

from __future__ import annotations

import asyncio
import base64
import itertools
import math
import random
import socket
import ssl
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import httpx

from benchmarks.processes import SCRAPE_HEADERS, every

USER, PASSWORD = "scraper", "correct horse battery"
_PATIENCE_SECONDS = 120.0
_HALF_A_HANDSHAKE = b"\x16\x03\x01\x02\x00\x01\x00"
_SLOW_HEAD = b"GET /metrics HTTP/1.1\r\nHost: exporter\r\nX-Slow: "
_SLOW_CLIENTS, _HALF_CLIENTS, _UNREAD_CLIENTS, _LOGINS_AT_ONCE = 8, 8, 2, 20
_FLOOD_SECONDS = 5.0
_UNREAD_SECONDS = 20.0
_REST_SECONDS = 0.5
"""Before a hostile client that was ended comes again."""


@dataclass(slots=True)
class Visits:
    """What the clients got.

    Args:
        scrapes_ms: how long each scrape took.
        answers: status codes of visits and scrapes, and names of errors.
        refusals: status codes of wrong logins, and names of errors.
        held: connections that each kind of hostile client has held until one side ended them.
    """

    scrapes_ms: list[float] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)

    @property
    def failed(self) -> int:
        """Number of good requests that did not get 200."""
        return self.answers.total() - self.answers["200"]


def client(address: str, tls: ssl.SSLContext, password: str = PASSWORD) -> httpx.AsyncClient:
    """Return a client of the web port."""
    return httpx.AsyncClient(
        base_url=f"https://{address}",
        verify=tls,
        auth=(USER, password),
        trust_env=False,
        timeout=_PATIENCE_SECONDS,
    )


async def scrape(visits: Visits, address: str, tls: ssl.SSLContext) -> None:
    """Scrape each second, as Prometheus does."""
    async with client(address, tls) as prometheus:
        async for _ in every(1.0, math.inf):
            started = time.monotonic()
            await _count(visits.answers, prometheus.get("/metrics", headers=SCRAPE_HEADERS))
            visits.scrapes_ms.append((time.monotonic() - started) * 1000)


async def visit(visits: Visits, address: str, tls: ssl.SSLContext, targets: Sequence[str]) -> None:
    """Read a page or ask the API, each second."""
    pages = ("/", "/api/v1/targets", "/?q=hub", "/runbooks/", "/targets/{}", "/api/v1/targets/{}")
    async with client(address, tls) as browser:
        choices = zip(itertools.cycle(pages), itertools.cycle(targets), strict=False)
        async for _ in every(1.0, math.inf):
            page, target = next(choices)
            await _count(visits.answers, browser.get(page.format(target)))


async def flood_logins(visits: Visits, address: str, tls: ssl.SSLContext) -> None:
    """Try many wrong passwords at once, again and again."""

    async def guess(number: int) -> None:
        async with client(address, tls, f"guess {number}") as guesser:
            await _count(visits.refusals, guesser.get("/metrics"))

    async for at in every(_FLOOD_SECONDS, math.inf):
        await asyncio.gather(*(guess(int(at) * 100 + number) for number in range(_LOGINS_AT_ONCE)))


async def _count(counts: Counter[str], request: Awaitable[httpx.Response]) -> None:
    try:
        response = await request
    except httpx.HTTPError as error:
        counts[type(error).__name__] += 1
    else:
        counts[str(response.status_code)] += 1


async def attack(visits: Visits, address: str, tls: ssl.SSLContext) -> None:
    """Hold connections open in every way that costs a client nothing."""
    host, port = address.split(":")

    async def connect(*, secure: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        sock = socket.socket()
        sock.setblocking(False)  # noqa: FBT003  the standard library's signature
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
        name = "localhost" if secure else None
        return await asyncio.open_connection(
            sock=sock, ssl=tls if secure else None, server_hostname=name, limit=4096
        )

    clients: Sequence[tuple[str, int, Callable[[], Coroutine[None, None, None]]]] = (
        ("slow headers", _SLOW_CLIENTS, partial(_send_slowly, connect)),
        ("half handshakes", _HALF_CLIENTS, partial(_send_half_a_handshake, connect)),
        ("unread answers", _UNREAD_CLIENTS, partial(_leave_unread, connect)),
    )
    async with asyncio.TaskGroup() as attackers:
        for kind, count, hold in clients:
            for _ in range(count):
                attackers.create_task(_again_and_again(visits, kind, hold))


_Connect = Callable[..., Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]


async def _again_and_again(
    visits: Visits, kind: str, hold: Callable[[], Coroutine[None, None, None]]
) -> None:
    while True:
        await asyncio.sleep(_REST_SECONDS * (1 + random.random()))
        with suppress(OSError, asyncio.IncompleteReadError):
            await hold()
        visits.held[kind] += 1


async def _send_slowly(connect: _Connect) -> None:
    reader, writer = await connect(secure=True)
    try:
        writer.write(_SLOW_HEAD)
        while not reader.at_eof():
            writer.write(b"x")
            await writer.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1024), 1.0)
    finally:
        writer.close()


async def _send_half_a_handshake(connect: _Connect) -> None:
    reader, writer = await connect(secure=False)
    try:
        writer.write(_HALF_A_HANDSHAKE)
        while await reader.read(1024):
            pass
    finally:
        writer.close()


async def _leave_unread(connect: _Connect) -> None:
    reader, writer = await connect(secure=True)
    try:
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        head = f"GET /metrics HTTP/1.1\r\nHost: exporter\r\nAuthorization: Basic {login}\r\n\r\n"
        writer.write(head.encode())
        await reader.readexactly(1)
        # The buffers fill up, so this client would not notice that the exporter ended the connection.
        await asyncio.sleep(_UNREAD_SECONDS)
    finally:
        writer.transport.abort()
