"""Connections that do nothing: by a clock that is set by hand, and on a real socket."""

import asyncio
import itertools
from collections.abc import Callable, Coroutine
from typing import Any

import h11
import pytest
from serving.wire import app, connected, local, run
from uvicorn.server import ServerState

from exporter.serving import Server, serving
from exporter.serving import connection as connection_module
from exporter.serving.connection import REQUEST_DEADLINE, Connection
from exporter.serving.seats import Seats
from exporter.serving.server import KEEP_ALIVE

ORDER = itertools.count(1.0)


class Clock:
    """The part of an event loop that connections use; its timers fire by hand."""

    def __init__(self) -> None:
        self.timers: list[tuple[float, Callable[[], None], Timer]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> "Timer":
        self.timers.append((delay, callback, Timer()))
        return self.timers[-1][2]

    def create_task(self, coroutine: Coroutine[object, object, None]) -> "Future":
        coroutine.close()
        return Future()

    def time(self) -> float:
        return next(ORDER)

    @property
    def running(self) -> list[float]:
        return [delay for delay, _, timer in self.timers if not timer.cancelled]


class Timer:
    """What a loop returns for one."""

    cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Future:
    """A request's task, which is not run."""

    def add_done_callback(self, _: object) -> None: ...


class Pipe(asyncio.Transport):
    """A transport that remembers how it ended, with bytes that its client has not read."""

    def __init__(self, unsent: int = 0) -> None:
        super().__init__()
        self.unsent, self.end = unsent, ""

    def write(self, data: object) -> None: ...

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return bool(self.end)

    def close(self) -> None:
        self.end = "closed"

    def abort(self) -> None:
        self.end = "aborted"


def connection(pipe: Pipe, state: ServerState | None = None) -> tuple[Connection, Clock]:
    clock = Clock()
    config = Server(app()).config
    config.load()
    made = Connection(config, state or ServerState(), {}, _loop=clock)  # type: ignore[arg-type]  # as much of a loop as is used
    made.seats = Seats(1)
    made.connection_made(pipe)
    return made, clock


def respond(made: Connection) -> None:
    """Answer the request that was received, as the application's task would."""
    messages: list[dict[str, Any]] = [
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]},
        {"type": "http.response.body", "body": b""},
    ]

    async def responding() -> None:
        for message in messages:
            await made.cycle.send(message)  # type: ignore[arg-type]  # a message of ASGI

    asyncio.run(responding())


WHOLE = b"GET / HTTP/1.1\r\nHost: exporter\r\n\r\n"


def test_the_first_request_has_a_deadline_that_its_head_ends() -> None:
    made, clock = connection(Pipe())
    assert clock.running == [REQUEST_DEADLINE]

    made.data_received(WHOLE[:10])
    made.data_received(WHOLE[10:20])
    assert len(clock.timers) == 1  # drops of a request do not put it off

    made.data_received(WHOLE[20:])
    assert clock.running == []


def test_a_request_s_deadline_ends_the_connection_at_once() -> None:
    pipe = Pipe()
    _, clock = connection(pipe)

    clock.timers[0][1]()

    assert pipe.end == "aborted"


def test_a_later_request_has_a_deadline_from_its_first_byte() -> None:
    made, clock = connection(Pipe())
    made.data_received(WHOLE)
    respond(made)
    assert clock.running == [KEEP_ALIVE]

    made.data_received(WHOLE[:1])
    assert clock.running == [REQUEST_DEADLINE]

    made.data_received(WHOLE[1:])
    assert clock.running == []
    assert made.conn.their_state is h11.DONE


def test_a_lost_connection_leaves_no_timer() -> None:
    made, clock = connection(Pipe())

    made.connection_lost(None)

    assert clock.running == []


def test_a_last_answer_that_is_not_read_is_dropped_in_time() -> None:
    pipe = Pipe(unsent=1)
    made, clock = connection(pipe)
    made.data_received(WHOLE.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    respond(made)
    assert (pipe.end, clock.running) == ("closed", [KEEP_ALIVE])

    clock.timers[-1][1]()

    assert pipe.end == "aborted"


@pytest.mark.parametrize("reset", [None, ConnectionResetError()])
def test_a_lost_idle_connection_leaves_no_timer(reset: Exception | None) -> None:
    made, clock = connection(Pipe())
    made.data_received(WHOLE)
    respond(made)

    made.connection_lost(reset)

    assert clock.running == []


def test_answers_that_nobody_takes_are_bounded_together_and_the_oldest_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection_module, "MOST_UNREAD", 250)
    state = ServerState()
    pipes = [Pipe(unsent) for unsent in (100, 0, 100, 100)]
    for pipe in pipes:
        made, _ = connection(pipe, state)
        made.data_received(WHOLE)
        respond(made)

    assert [pipe.end for pipe in pipes] == ["aborted", "", "", ""]


def test_a_connection_that_is_closing_is_not_closed_again() -> None:
    pipe = Pipe()
    made, _ = connection(pipe)
    pipe.abort()

    made.shutdown()

    assert pipe.end == "aborted"


def test_under_tls_what_waits_below_it_is_counted_too() -> None:
    made, _ = connection(Pipe(unsent=1))
    made.below = Pipe(unsent=2)

    assert made.unread == 3


@pytest.mark.parametrize(("unsent", "end"), [(0, "closed"), (1, "aborted")])
def test_an_idle_connection_is_closed_and_one_that_never_read_its_answer_dropped(
    unsent: int, end: str
) -> None:
    pipe = Pipe(unsent)
    made, clock = connection(pipe)
    made.data_received(WHOLE)
    respond(made)

    clock.timers[-1][1]()

    assert pipe.end == end


@pytest.mark.parametrize("sent", ["", "GET /metrics HT"])
def test_a_connection_without_a_whole_request_is_closed_in_time(
    sent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "REQUEST_DEADLINE", 0.01)

    async def scenario() -> None:
        sockets = local()
        async with serving(app(), sockets, grace=3600), connected(sockets) as client:
            client.send(sent)
            assert await client.closed()

    run(scenario())


@pytest.mark.parametrize("path", ["/", "/-/healthy", "/nowhere"])
def test_a_body_that_nobody_wants_keeps_no_connection_open(path: str) -> None:
    async def scenario() -> None:
        sockets = local()
        async with serving(app(), sockets, grace=3600), connected(sockets) as client:
            await client.ask("GET", path, extra="Content-Length: 1000000\r\n")
            assert await client.closed()

    run(scenario())
