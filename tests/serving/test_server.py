"""The server on real sockets: framing, keep-alive, limits, shutdown."""

import asyncio
import contextlib
import gzip
import logging
import socket
from collections.abc import Sequence
from typing import Any

import pytest
from serving.wire import app, connected, local, rendered, run

from exporter.internal_errors import InternalErrors, Part
from exporter.serving import serve
from exporter.serving import server as server_module
from exporter.serving.connections import Connection

UNHURRIED = 3600
"""A grace period that no test outlives: what closes within it was not waited for."""


class WaitingMetrics:
    """Metrics that report when rendering has started, and wait to be released."""

    def __init__(self) -> None:
        self.begun, self.released = asyncio.Event(), asyncio.Event()

    async def __call__(self, _: bool) -> Sequence[bytes]:  # noqa: FBT001  the signature of the real one
        self.begun.set()
        await self.released.wait()
        return [b"up 1\n"]


def test_connections_are_accepted_while_the_block_runs() -> None:
    async def scenario() -> None:
        sockets = local()
        address = sockets[0].getsockname()
        async with serve(app(), sockets), connected(sockets) as client:
            assert (await client.ask(path="/-/ready")).body == b"ready"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)

    run(scenario())


def test_head_has_the_length_of_get_and_no_body() -> None:
    async def scenario() -> None:
        sockets = local()
        async with serve(app(), sockets), connected(sockets) as client:
            head = await client.ask("HEAD", extra="Accept-Encoding: gzip\r\n")
            get = await client.ask(
                "GET", extra="Accept-Encoding: gzip\r\n"
            )  # a body after HEAD would spoil this
            date = head.headers.pop("date"), get.headers.pop("date")

            assert head == (200, get.headers, b"")
            assert all(moment.endswith(" GMT") for moment in date)
            assert gzip.decompress(get.body) == b"".join(await rendered(False))  # noqa: FBT003  the signature of the real one

    run(scenario())


def test_the_server_does_not_name_its_software() -> None:
    async def scenario() -> None:
        sockets = local()
        async with serve(app(), sockets), connected(sockets) as client:
            assert "server" not in (await client.ask()).headers

    run(scenario())


def test_serving_and_stopping_log_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def scenario() -> None:
        sockets = local()
        async with serve(app(), sockets), connected(sockets) as client:
            await client.ask()

    run(scenario())

    assert [record for record in caplog.records if record.name != "asyncio"] == []


def test_idle_connections_do_not_delay_shutdown() -> None:
    async def scenario() -> None:
        sockets = local()
        async with contextlib.AsyncExitStack() as clients:
            async with serve(app(), sockets, grace=UNHURRIED):
                used, unused, halfway = [
                    await clients.enter_async_context(connected(sockets)) for _ in range(3)
                ]
                await used.ask()
                halfway.send("GET /metrics HT")
            assert await used.closed()
            assert await unused.closed()
            assert await halfway.closed()

    run(scenario())


def test_a_request_in_progress_is_answered_within_the_grace_period() -> None:
    async def scenario() -> None:
        metrics, sockets, leave = WaitingMetrics(), local(), asyncio.Event()

        async def served() -> None:
            async with serve(app(metrics), sockets, grace=UNHURRIED):
                await leave.wait()

        server = asyncio.create_task(served())
        async with connected(sockets) as client:
            answer = asyncio.create_task(client.ask())
            await metrics.begun.wait()
            leave.set()
            while sockets[0].fileno() != -1:  # noqa: ASYNC110  a socket's closing is no event
                await asyncio.sleep(0.01)
            assert not answer.done()
            metrics.released.set()

            assert (await answer).body == b"up 1\n"
            assert await client.closed()
        await server

    run(scenario())


def test_a_request_that_outlasts_the_grace_period_gets_503() -> None:
    async def scenario() -> None:
        metrics, sockets = WaitingMetrics(), local()
        async with connected(sockets) as client:
            async with serve(app(metrics), sockets, grace=0):
                answer = asyncio.create_task(client.ask())
                await metrics.begun.wait()

            assert (await answer)[::2] == (503, b"shutting down")
            assert await client.closed()

    run(scenario())


def test_a_client_that_does_not_read_its_response_is_cut_off_at_shutdown() -> None:
    async def scenario() -> None:
        begun, size = asyncio.Event(), 64 * 1024 * 1024  # more than socket buffers hold

        async def metrics(_: bool) -> Sequence[bytes]:  # noqa: FBT001  the signature of the real one
            begun.set()
            return [bytes(size)]

        sockets = local()
        async with connected(sockets) as client:
            async with serve(app(metrics), sockets, grace=0):
                client.send("GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n")
                await begun.wait()
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await client.reader.readexactly(size)

    run(scenario())


def test_cancellation_closes_everything() -> None:
    async def scenario() -> None:
        sockets, begun = local(), asyncio.Event()

        async def served() -> None:
            async with serve(app(), sockets, grace=UNHURRIED):
                begun.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(served())
        await begun.wait()
        async with connected(sockets) as client:
            await client.ask()
            task.cancel()
            await asyncio.wait([task])
            assert await client.closed()
        assert task.cancelled()
        assert sockets[0].fileno() == -1

    run(scenario())


def test_idle_connections_make_room_for_a_new_one() -> None:
    async def scenario() -> None:
        sockets = local()
        async with (
            serve(app(), sockets, grace=UNHURRIED, max_connections=2),
            connected(sockets) as silent,
            connected(sockets) as halfway,
        ):
            halfway.send("GET /metrics HT")
            async with contextlib.AsyncExitStack() as scrapers:  # one that has left would make room itself
                for gone in (silent, halfway):
                    scraper = await scrapers.enter_async_context(connected(sockets))
                    assert (await scraper.ask()).status == 200
                    assert await gone.closed()

    run(scenario())


def test_more_requests_at_once_than_connections_get_503() -> None:
    async def scenario() -> None:
        metrics, sockets = WaitingMetrics(), local()
        async with (
            serve(app(metrics), sockets, grace=UNHURRIED, max_connections=1),
            connected(sockets) as first,
        ):
            answer = asyncio.create_task(first.ask())
            await metrics.begun.wait()
            async with connected(sockets) as second:
                assert (await second.ask())[::2] == (503, b"too many requests in progress")
                assert await second.closed()
            metrics.released.set()
            assert (await answer).status == 200

    run(scenario())


def test_a_failing_accept_is_logged_and_tried_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_ACCEPT_RETRY_SECONDS", 0)

    async def scenario() -> None:
        loop, sockets = asyncio.get_running_loop(), local()
        accept, errors = loop.sock_accept, [OSError(24, "Too many open files"), ConnectionAbortedError()]

        async def failing(sock: socket.socket) -> object:
            if errors:
                raise errors.pop()
            return await accept(sock)

        monkeypatch.setattr(loop, "sock_accept", failing)
        async with serve(app(), sockets), connected(sockets) as client:
            assert (await client.ask()).status == 200

    run(scenario())
    assert "cannot accept connections: Too many open files" in caplog.messages


def test_a_bug_in_accepting_a_connection_costs_only_that_one(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "_ACCEPT_RETRY_SECONDS", 0)
    usual, bugs = Connection, [ValueError("a bug"), MemoryError()]
    errors = InternalErrors()

    def failing(*given: Any) -> object:  # noqa: ANN401  stands in for the class
        if bugs:
            raise bugs.pop()
        return usual(*given)

    monkeypatch.setattr(server_module, "Connection", failing)

    async def scenario() -> None:
        sockets = local()
        async with serve(app(), sockets, errors=errors):
            for _ in range(2):
                async with connected(sockets) as stranger:
                    assert await stranger.closed()
            async with connected(sockets) as client:
                assert (await client.ask()).status == 200

    run(scenario())
    assert errors.counts[Part.PAGE] == 2
    assert [record.exc_info[0] for record in caplog.records if record.exc_info] == [MemoryError, ValueError]


def test_the_health_port_serves_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        sockets, health = local(), local()
        async with serve(app(), sockets, health_sockets=health), connected(health) as client:
            assert (await client.ask(path="/-/healthy"))[::2] == (200, b"healthy")
            assert (await client.ask(path="/-/ready"))[::2] == (200, b"ready")
            for path in ("/", "/metrics", "/-/reload", "/-/healthy/"):
                assert (await client.ask(path=path))[::2] == (404, b"not found")
        assert [sock.fileno() for sock in (*sockets, *health)] == [-1, -1]

    run(scenario())
    assert [record for record in caplog.records if record.name != "asyncio"] == []


def test_the_health_port_has_few_connections_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many as the main port, both could use up the limit of open files."""
    monkeypatch.setattr(server_module, "MAX_HEALTH_CONNECTIONS", 2)

    async def scenario() -> None:
        sockets, health = local(), local()
        async with (
            serve(app(), sockets, health_sockets=health, grace=UNHURRIED),
            connected(health) as first,
            connected(health),
            connected(health) as last,
        ):
            assert (await last.ask(path="/-/healthy")).status == 200
            assert await first.closed()

    run(scenario())


@pytest.mark.parametrize("request_head", ["nonsense\r\n\r\n", f"GET / HTTP/1.1\r\nX: {'x' * 32_768}"])
def test_an_invalid_request_gets_400(request_head: str) -> None:
    async def scenario() -> None:
        sockets = local()
        async with serve(app(), sockets), connected(sockets) as client:
            client.send(request_head)
            head = await client.reader.readuntil(b"\r\n")
            assert head == b"HTTP/1.1 400 Bad Request\r\n"

    run(scenario())
