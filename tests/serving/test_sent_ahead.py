"""Answers that nobody takes: requests sent ahead of them wait; on a real socket."""

import socket

import pytest
from serving.pairs import Pair
from serving.wire import Client, app, connected, local, run

from exporter.serving import Door, serving
from exporter.tls import WebSecurity

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
