"""The server on real sockets: framing, keep-alive, limits, shutdown."""

import asyncio
import contextlib
import gzip
import logging
import signal

import pytest
from serving.wire import app, connected, local, rendered, run

from exporter.serving import Server, bind, serving
from exporter.serving import server as server_module

UNHURRIED = 3600
"""A grace that no test outlives: what closes within it was not waited for."""


class Patience:
    """An exposition that tells when it has begun and waits to be let go."""

    def __init__(self) -> None:
        self.begun, self.released = asyncio.Event(), asyncio.Event()

    async def __call__(self, _: bool) -> bytes:  # noqa: FBT001  the contract's shape
        self.begun.set()
        await self.released.wait()
        return b"up 1\n"


def test_the_server_accepts_when_its_block_begins_and_refuses_when_it_ends() -> None:
    async def scenario() -> None:
        sockets = local()
        address = sockets[0].getsockname()
        async with serving(app(), sockets), connected(sockets) as client:
            assert (await client.ask(path="/-/ready")).body == b"ready"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*address)

    run(scenario())


def test_every_socket_is_served() -> None:
    async def scenario() -> None:
        sockets = bind([("127.0.0.1", 0), ("127.0.0.2", 0)])
        async with serving(app(), sockets):
            for sock in sockets:
                async with connected([sock]) as client:
                    assert (await client.ask()).status == 200

    run(scenario())


def test_one_connection_serves_one_scrape_after_another() -> None:
    async def scenario() -> None:
        sockets = local()
        async with serving(app(), sockets), connected(sockets) as client:
            for _ in range(3):
                assert (await client.ask()).status == 200

    run(scenario())


def test_head_on_the_wire_has_the_length_of_get_and_no_byte_of_its_body() -> None:
    async def scenario() -> None:
        sockets = local()
        async with serving(app(), sockets), connected(sockets) as client:
            head = await client.ask("HEAD", extra="Accept-Encoding: gzip\r\n")
            get = await client.ask(
                "GET", extra="Accept-Encoding: gzip\r\n"
            )  # a body after HEAD would spoil this
            date = head.headers.pop("date"), get.headers.pop("date")

            assert head == (200, get.headers, b"")
            assert all(moment.endswith(" GMT") for moment in date)
            assert gzip.decompress(get.body) == await rendered(False)  # noqa: FBT003  the contract's shape

    run(scenario())


def test_the_server_does_not_name_its_software() -> None:
    async def scenario() -> None:
        sockets = local()
        async with serving(app(), sockets), connected(sockets) as client:
            assert "server" not in (await client.ask()).headers

    run(scenario())


def test_signals_stay_the_application_s() -> None:
    async def scenario() -> None:
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        async with serving(app(), local()):
            assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before

    run(scenario())


def test_ambient_variables_of_uvicorn_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_CONCURRENCY", "many")

    assert Server(app()).config.workers == 1


def test_serving_and_stopping_log_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    async def scenario() -> None:
        sockets = local()
        async with serving(app(), sockets), connected(sockets) as client:
            await client.ask()

    run(scenario())

    assert [record for record in caplog.records if record.name != "asyncio"] == []


def test_an_idle_connection_does_not_delay_the_end() -> None:
    async def scenario() -> None:
        sockets = local()
        async with contextlib.AsyncExitStack() as clients:
            async with serving(app(), sockets, grace=UNHURRIED):
                used, unused, halfway = [
                    await clients.enter_async_context(connected(sockets)) for _ in range(3)
                ]
                await used.ask()
                halfway.send("GET /metrics HT")
            assert await used.closed()
            assert await unused.closed()
            assert await halfway.closed()

    run(scenario())


def test_a_request_in_flight_is_answered_within_the_grace() -> None:
    async def scenario() -> None:
        patience, sockets, leave = Patience(), local(), asyncio.Event()

        async def served() -> None:
            async with serving(app(patience), sockets, grace=UNHURRIED):
                await leave.wait()

        server = asyncio.create_task(served())
        async with connected(sockets) as client:
            answer = asyncio.create_task(client.ask())
            await patience.begun.wait()
            leave.set()
            while sockets[0].fileno() != -1:  # noqa: ASYNC110  a socket's closing is no event
                await asyncio.sleep(0.01)
            assert not answer.done()
            patience.released.set()

            assert (await answer).body == b"up 1\n"
            assert await client.closed()
        await server

    run(scenario())


def test_a_request_that_outlasts_the_grace_is_told_why_it_is_cut_short() -> None:
    async def scenario() -> None:
        patience, sockets = Patience(), local()
        async with connected(sockets) as client:
            async with serving(app(patience), sockets, grace=0):
                answer = asyncio.create_task(client.ask())
                await patience.begun.wait()

            assert (await answer)[::2] == (503, b"shutting down")
            assert await client.closed()

    run(scenario())


def test_a_client_that_does_not_read_its_answer_is_cut_off_at_the_end() -> None:
    async def scenario() -> None:
        begun, size = asyncio.Event(), 64 * 1024 * 1024  # more than socket buffers hold

        async def exposition(_: bool) -> bytes:  # noqa: FBT001  the contract's shape
            begun.set()
            return bytes(size)

        sockets = local()
        async with connected(sockets) as client:
            async with serving(app(exposition), sockets, grace=0):
                client.send("GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n")
                await begun.wait()
            with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
                await client.reader.readexactly(size)

    run(scenario())


def test_a_failure_within_the_block_stops_the_server_and_is_passed_on() -> None:
    async def scenario() -> None:
        sockets = local()
        with pytest.raises(LookupError):
            async with serving(app(), sockets):
                raise LookupError
        assert sockets[0].fileno() == -1

    run(scenario())


def test_a_server_that_cannot_start_says_so_and_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        sockets = [*local(), *local(), *local()]
        sockets[1].close()
        begun = False
        with pytest.raises(OSError, match="Bad file descriptor"):
            async with serving(app(), sockets):
                begun = True
        assert not begun
        assert [sock.fileno() for sock in sockets] == [-1, -1, -1]
        # the loop would still watch the first one's number, which the next socket gets
        async with serving(app(), again := local()), connected(again) as client:
            assert (await client.ask()).status == 200

    run(scenario())


def test_cancellation_closes_everything() -> None:
    async def scenario() -> None:
        sockets, begun = local(), asyncio.Event()

        async def served() -> None:
            async with serving(app(), sockets, grace=UNHURRIED):
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


def test_idle_connections_give_way_to_a_new_one_that_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 2)

    async def scenario() -> None:
        sockets = local()
        async with (
            serving(app(), sockets, grace=UNHURRIED),
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


def test_a_kept_connection_outstays_silent_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 2)

    async def scenario() -> None:
        sockets = local()
        async with serving(app(), sockets, grace=UNHURRIED), connected(sockets) as scraper:
            assert (await scraper.ask()).status == 200
            async with contextlib.AsyncExitStack() as attack:
                silent = [await attack.enter_async_context(connected(sockets)) for _ in range(5)]
                for client in silent[:-1]:
                    assert await client.closed()
                assert (await scraper.ask()).status == 200

    run(scenario())


def test_a_kept_connection_that_rests_gives_way_when_no_other_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 1)

    async def scenario() -> None:
        sockets = local()
        async with serving(app(), sockets, grace=UNHURRIED), connected(sockets) as resting:
            assert (await resting.ask()).status == 200
            async with connected(sockets) as scraper:
                assert (await scraper.ask()).status == 200
                assert await resting.closed()

    run(scenario())


def test_more_requests_at_once_than_there_are_seats_are_refused_in_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 1)
    monkeypatch.setattr(server_module, "BACKLOG", 1)

    async def scenario() -> None:
        patience, sockets = Patience(), local()
        async with serving(app(patience), sockets, grace=UNHURRIED), connected(sockets) as first:
            answer = asyncio.create_task(first.ask())
            await patience.begun.wait()
            async with connected(sockets) as second:
                assert (await second.ask())[::2] == (503, b"Service Unavailable")
                assert await second.closed()
            patience.released.set()
            assert (await answer).status == 200

    run(scenario())


def test_health_has_a_port_of_its_own_where_nothing_else_is(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        sockets, checked = local(), local()
        async with serving(app(), sockets, checked=checked), connected(checked) as client:
            assert (await client.ask(path="/-/healthy"))[::2] == (200, b"healthy")
            assert (await client.ask(path="/-/ready"))[::2] == (200, b"ready")
            for path in ("/", "/metrics", "/-/reload", "/-/healthy/"):
                assert (await client.ask(path=path))[::2] == (404, b"not found")
        assert [sock.fileno() for sock in (*sockets, *checked)] == [-1, -1]

    run(scenario())
    assert [record for record in caplog.records if record.name != "asyncio"] == []


def test_the_port_for_health_has_few_seats_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """With as many as the other one the two would take every file that a process may usually open."""
    monkeypatch.setattr(server_module, "MOST_CHECKING", 2)

    async def scenario() -> None:
        sockets, checked = local(), local()
        async with (
            serving(app(), sockets, checked=checked, grace=UNHURRIED),
            connected(checked) as first,
            connected(checked),
            connected(checked) as last,
        ):
            assert (await last.ask(path="/-/healthy")).status == 200
            assert await first.closed()

    run(scenario())


@pytest.mark.parametrize("request_head", ["nonsense\r\n\r\n", f"GET / HTTP/1.1\r\nX: {'x' * 32_768}"])
def test_what_is_no_request_is_refused_and_closed(request_head: str) -> None:
    async def scenario() -> None:
        sockets = local()
        async with serving(app(), sockets), connected(sockets) as client:
            client.send(request_head)
            head = await client.reader.readuntil(b"\r\n")
            assert head == b"HTTP/1.1 400 Bad Request\r\n"

    run(scenario())


def test_connections_outlive_usual_scrape_intervals() -> None:
    assert Server(app()).config.timeout_keep_alive > 60
