"""Answers that nobody takes: requests sent ahead of them wait, and they are bounded; on a real socket."""

import asyncio
import contextlib
import socket

import pytest
from serving.pairs import Pair
from serving.wire import Client, app, connected, local, run

from exporter.security import WebSecurity
from exporter.serving import Door, serving
from exporter.serving import server as server_module

LARGE = b"x" * 1_000_000
"""More than the kernel and asyncio take from the server before its client reads."""


class Counting:
    """A large exposition that counts how often it was made."""

    def __init__(self) -> None:
        self.made = 0

    async def __call__(self, _: bool) -> bytes:  # noqa: FBT001  the contract's shape
        self.made += 1
        return LARGE


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair | None:
    return Pair(tmp_path_factory.mktemp("pair")) if request.param else None


def narrow() -> list[socket.socket]:
    """Listen with a small buffer in the kernel, which connections inherit."""
    sockets = local()
    for sock in sockets:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32 * 1024)
    return sockets


def door(pair: Pair | None) -> Door:
    return Door(WebSecurity(tls=pair.tls() if pair else None))


async def head(client: Client) -> bytes:
    """Read an answer's head alone; asyncio's reader then holds its client's bytes back."""
    return await client.reader.readuntil(b"\r\n\r\n")


def test_a_request_sent_ahead_waits_until_the_answer_before_it_is_taken(pair: Pair | None) -> None:
    async def scenario() -> None:
        exposition, sockets = Counting(), narrow()
        tls = pair.client() if pair else None
        async with (
            serving(app(exposition), sockets, door=door(pair)),
            connected(sockets, tls) as client,
            connected(sockets, tls) as other,
        ):
            for _ in range(3):
                client.send("GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n")
            await head(client)
            for _ in range(5):  # what was sent ahead would have had its turn
                assert (await other.ask(path="/-/ready")).status == 200
            assert exposition.made == 1

            assert len(await client.reader.readexactly(len(LARGE))) == len(LARGE)
            for _ in range(2):
                assert (await client.answer()).body == LARGE
            assert exposition.made == 3

    run(scenario())


def test_too_many_answers_that_nobody_takes_cost_the_oldest_connection(
    pair: Pair | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MOST_UNREAD", 1)

    async def scenario() -> None:
        sockets = narrow()
        tls = pair.client() if pair else None
        async with (
            serving(app(Counting()), sockets, door=door(pair)),
            contextlib.AsyncExitStack() as attack,
        ):
            clients = [await attack.enter_async_context(connected(sockets, tls)) for _ in range(6)]
            for client in clients:
                client.send("GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n")
                await head(client)
            for client in clients[: -server_module.FEWEST_UNREAD]:
                with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                    await client.reader.readexactly(len(LARGE))
            for client in clients[-server_module.FEWEST_UNREAD :]:
                assert await client.reader.readexactly(len(LARGE)) == LARGE

    run(scenario())
