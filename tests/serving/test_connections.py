"""Bounds on connections: deadlines, unread data, requests sent ahead, on real sockets."""

import asyncio
import contextlib
import socket
from collections.abc import Sequence
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from serving.pairs import Pair
from serving.wire import Client, app, connected, local, run

from exporter.serving import PortSecurity, connections, serve
from exporter.serving.connections import ConnectionLimiter
from exporter.tls import WebSecurity

UNHURRIED = 3600
REQUEST = "GET /metrics HTTP/1.1\r\nHost: exporter\r\n\r\n"
NARROW = 32 * 1024
"""Bytes of a buffer in the kernel."""
LARGE = 2_000_000
"""Bytes; more than kernel and asyncio take before the client reads."""


class LargeMetrics:
    """Renders a large body, a different object each time, and counts."""

    def __init__(self) -> None:
        self.rendered = 0

    async def __call__(self, _: bool) -> Sequence[bytes]:  # noqa: FBT001  the signature of the real one
        self.rendered += 1
        return [bytes(LARGE)]


@pytest.fixture(params=[False, True], ids=["plain", "TLS"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair | None:
    return Pair(tmp_path_factory.mktemp("pair")) if request.param else None


def narrow() -> list[socket.socket]:
    """Listen with a small buffer in the kernel, which connections inherit."""
    sockets = local()
    for sock in sockets:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, NARROW)
    return sockets


def security_of(pair: Pair | None) -> PortSecurity:
    return PortSecurity(WebSecurity(tls=pair.tls() if pair else None))


async def head(client: Client) -> bytes:
    """Read the head of a response alone; asyncio's reader then stops reading."""
    return await client.reader.readuntil(b"\r\n\r\n")


async def is_cut_off(client: Client) -> bool:
    """Return whether the rest of a large response is missing."""
    try:
        await client.reader.readexactly(LARGE)
    except (ConnectionError, asyncio.IncompleteReadError):
        return True
    return False


# Deadlines


@pytest.mark.parametrize("sent", ["", "GET /metrics HT"])
def test_a_connection_without_a_whole_request_is_closed(sent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_SECONDS", 0.01)

    async def scenario() -> None:
        sockets = local()
        async with serve(app(), sockets, grace=UNHURRIED), connected(sockets) as client:
            client.send(sent)
            assert await client.closed()

    run(scenario())


def test_further_bytes_of_a_request_do_not_extend_its_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_TIMEOUT_SECONDS", 0.05)

    async def scenario() -> None:
        sockets = local()
        async with serve(app(), sockets, grace=UNHURRIED), connected(sockets) as client:
            closed = asyncio.ensure_future(client.closed())
            for letter in count():
                if closed.done():
                    break
                client.send("GET /"[letter] if letter < 5 else "x")
                await asyncio.sleep(0.001)
            assert await closed

    run(scenario())


def test_a_later_request_has_a_deadline_from_its_first_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_TIMEOUT_SECONDS", UNHURRIED)

    async def scenario() -> None:
        sockets = local()
        async with serve(app(), sockets, grace=UNHURRIED), connected(sockets) as client:
            for _ in range(2):
                await client.ask()
            monkeypatch.setattr(connections, "HEAD_TIMEOUT_SECONDS", 0.01)
            client.send("G")
            assert await client.closed()

    run(scenario())


def test_an_idle_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "IDLE_TIMEOUT_SECONDS", 0.01)

    async def scenario() -> None:
        sockets = local()
        async with serve(app(), sockets, grace=UNHURRIED), connected(sockets) as client:
            assert (await client.ask()).status == 200
            assert await client.closed()

    run(scenario())


def test_an_idle_connection_outlives_usual_scrape_intervals() -> None:
    assert connections.IDLE_TIMEOUT_SECONDS > 60


def test_a_response_that_is_not_read_is_dropped_in_time(
    pair: Pair | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "IDLE_TIMEOUT_SECONDS", 0.05)

    async def scenario() -> None:
        sockets, tls = narrow(), pair.client() if pair else None
        async with contextlib.AsyncExitStack() as clients:
            async with serve(app(LargeMetrics()), sockets, security=security_of(pair), grace=UNHURRIED):
                client = await clients.enter_async_context(connected(sockets, tls, receive_buffer=NARROW))
                client.send(REQUEST)
                await head(client)
            # Shutdown waits for the client, but the deadline does not.
            assert await is_cut_off(client)

    run(scenario())


@pytest.mark.parametrize("path", ["/", "/-/healthy", "/unknown"])
def test_a_request_body_that_never_ends_does_not_keep_the_connection_open(path: str) -> None:
    async def scenario() -> None:
        sockets = local()
        async with serve(app(), sockets, grace=UNHURRIED), connected(sockets) as client:
            answer = await client.ask("GET", path, extra="Content-Length: 1000000\r\n")
            assert answer.headers["connection"] == "close"
            assert await client.closed()

    run(scenario())


# Unread responses


def test_unread_responses_are_bounded_together(pair: Pair | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_UNREAD_BYTES", LARGE * 3 // 2)

    async def scenario() -> None:
        sockets, tls = narrow(), pair.client() if pair else None
        async with (
            serve(app(LargeMetrics()), sockets, security=security_of(pair), grace=0),
            connected(sockets, tls, receive_buffer=NARROW) as first,
            connected(sockets, tls, receive_buffer=NARROW) as second,
        ):
            for client in (first, second):
                client.send(REQUEST)
                await head(client)
            assert sorted([await is_cut_off(client) for client in (first, second)]) == [False, True]

    run(scenario())


def test_clients_that_share_a_body_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MAX_UNREAD_BYTES", LARGE * 3 // 2)
    body = bytes(LARGE)

    async def metrics(_: bool) -> Sequence[bytes]:  # noqa: FBT001  the signature of the real one
        return [body]

    async def scenario() -> None:
        sockets = narrow()
        async with (
            serve(app(metrics), sockets),
            connected(sockets, receive_buffer=NARROW) as first,
            connected(sockets, receive_buffer=NARROW) as second,
        ):
            for client in (first, second):
                client.send(REQUEST)
                await head(client)
            assert [await is_cut_off(client) for client in (first, second)] == [False, False]

    run(scenario())


def test_a_request_sent_ahead_waits_until_the_response_before_it_is_read(pair: Pair | None) -> None:
    async def scenario() -> None:
        metrics, sockets = LargeMetrics(), narrow()
        tls = pair.client() if pair else None
        async with (
            serve(app(metrics), sockets, security=security_of(pair)),
            connected(sockets, tls, receive_buffer=NARROW) as client,
            connected(sockets, tls) as other,
        ):
            client.send(REQUEST * 3)
            await head(client)
            for _ in range(5):  # by then, a request that did not wait would be answered
                assert (await other.ask(path="/-/ready")).status == 200
            assert metrics.rendered == 1

            assert not await is_cut_off(client)
            for _ in range(2):
                assert len((await client.answer()).body) == LARGE
            assert metrics.rendered == 3

    run(scenario())


def test_a_client_that_does_not_read_makes_room_for_a_scrape(pair: Pair | None) -> None:
    async def scenario() -> None:
        sockets, tls = narrow(), pair.client() if pair else None
        async with (
            serve(
                app(LargeMetrics()), sockets, security=security_of(pair), grace=UNHURRIED, max_connections=1
            ),
            connected(sockets, tls, receive_buffer=NARROW) as slow,
        ):
            slow.send(REQUEST)
            await head(slow)
            async with contextlib.AsyncExitStack() as scrapers:
                answered = 0
                while answered < 2:  # refused until the kernel's buffers are full and the response waits
                    scraper = await scrapers.enter_async_context(connected(sockets, tls))
                    answer = await scraper.ask(path="/-/ready")
                    assert answer.status in {200, 503}
                    answered += answer.status == 200
                assert await is_cut_off(slow)

    run(scenario())


# The limiter


class FakeConnection:
    """Knows whether it was closed."""

    active, unread, aborted = False, b"", False

    def abort(self) -> None:
        self.aborted = True


MAX = 3


@given(st.lists(st.tuples(st.sampled_from(["add", "set_active", "set_idle", "remove"]), st.integers(0, 9))))
def test_connections_are_bounded_and_active_ones_never_closed(steps: list[tuple[str, int]]) -> None:
    limiter, fakes = ConnectionLimiter(MAX), [FakeConnection() for _ in range(10)]
    active, known = set[int](), list[int]()  # known: in the order in which they became idle
    for step, number in steps:
        fake = fakes[number]
        if fake.aborted or (step == "add") == (number in known):
            continue
        if step == "set_active" and len(active - {number}) >= MAX:
            continue
        getattr(limiter, step)(fake)
        if step in {"add", "set_active", "remove"}:
            active.discard(number)
        if step == "set_active":
            active.add(number)
        if step == "remove" or (step == "set_idle" and number in active):
            known.remove(number)
            active.discard(number)
            known += [number] if step == "set_idle" else []
            if step == "remove":  # a closed connection does not come back
                fakes[number] = FakeConnection()
        elif step == "add":
            known.append(number)
        closed = [one for one in known if fakes[one].aborted]
        assert not active & set(closed)
        assert closed == [one for one in known if one not in active][: len(closed)]  # longest idle first
        known = [one for one in known if one not in closed]
        assert len(limiter.connections) == len(known) <= max(MAX, len(active) + 1)
    assert limiter.empty.is_set() is (not known)
