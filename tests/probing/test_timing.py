"""Times from the kernel, and the deadline of a probe, which counts the peer's time and not our own delays."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from probing.loopback import loop, run, turns

from exporter.probing.timing import (
    MIN_PHASE_SECONDS,
    SO_TIMESTAMPNS,
    Deadline,
    DeadlineError,
    OwnDelayError,
    TcpInfo,
    arrival_timestamp,
    tcp_info,
    wall_clock_offset,
)

STAMP = struct.pack("qq", 1_764_000_000, 250_000_000)
OURS = (socket.SOL_SOCKET, SO_TIMESTAMPNS, STAMP)


@pytest.mark.parametrize(
    ("ancillary", "expected"),
    [
        ([OURS], 1_764_000_000.25),
        ([(socket.IPPROTO_TCP, SO_TIMESTAMPNS, STAMP), OURS], 1_764_000_000.25),
        ([], None),
        ([(socket.IPPROTO_TCP, SO_TIMESTAMPNS, STAMP)], None),
        ([(socket.SOL_SOCKET, SO_TIMESTAMPNS + 1, STAMP)], None),
        ([(socket.SOL_SOCKET, SO_TIMESTAMPNS, STAMP[:8])], None),
    ],
)
def test_the_arrival_of_data_is_what_the_kernel_says_of_it_or_unknown(
    ancillary: list[tuple[int, int, bytes]], expected: float | None
) -> None:
    assert arrival_timestamp(ancillary) == expected


def readings(*durations: float) -> Callable[[], float]:
    """Return a clock: the n-th pair of readings is so far apart."""

    def read() -> Iterator[float]:
        now = 100.0
        for duration in durations:
            yield now
            now += duration
            yield now
            now += 1.0

    return read().__next__


@pytest.mark.parametrize(
    ("durations", "offset"),
    [
        ((0.00001,), 1000.0 - 100.000005),
        ((0.5, 0.00001), 1000.0 - 101.500005),
        ((0.5, 0.2, 0.25, 0.3, 0.4), 1000.0 - 101.6),
    ],
)
def test_clocks_are_compared_by_the_reading_that_was_least_interrupted(
    durations: tuple[float, ...], offset: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.probing.timing.time", SimpleNamespace(time=lambda: 1000.0))
    assert wall_clock_offset(readings(*durations)) == pytest.approx(offset, abs=1e-9)


class Reporting:
    """A socket of which the kernel reports these bytes."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert (level, option) == (socket.IPPROTO_TCP, socket.TCP_INFO)
        assert size == 228
        return self._raw


def reported(size: int = 228, **values: int) -> TcpInfo | None:
    """Return what is read where the kernel reports these members of `struct tcp_info`."""
    offsets = {"unacked": 24, "data": 52, "ack": 56, "rtt": 68, "total_retrans": 100, "segs": 152, "ooo": 224}
    raw = bytearray(228)
    raw[2] = values.pop("retransmits", 0)
    for name, value in values.items():
        struct.pack_into("=I", raw, offsets[name], value)
    return tcp_info(cast("socket.socket", Reporting(bytes(raw[:size]))))


def test_what_the_kernel_knows_of_a_connection_is_read_in_seconds() -> None:
    values = {"unacked": 4, "data": 1500, "ack": 2500, "rtt": 3_500_000, "segs": 6, "ooo": 7}
    assert reported(retransmits=2, total_retrans=3, **values) == TcpInfo(5, 4, 1.5, 2.5, 3.5, 6, 7)


def test_what_an_older_kernel_does_not_count_is_0() -> None:
    assert reported(size=192, segs=6, ooo=7) == TcpInfo(0, 0, 0.0, 0.0, 0.0, 6, 0)


def test_where_nothing_is_reported_nothing_is_known() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        assert tcp_info(sock) is None


# The deadline


def test_the_sum_of_the_peers_times_counts_and_what_lies_between_does_not() -> None:
    async def main() -> None:
        deadline = Deadline(10.0)
        began = deadline.started
        assert deadline.times_out_at == began + 10.0
        assert deadline.own_delay == 0.0
        assert deadline.stop_peer_time(began + 2.0) == pytest.approx(2.0)
        loop().skip(100.0)
        assert deadline.spent == pytest.approx(2.0)  # nothing runs
        deadline.start_peer_time(began + 5.0)
        assert deadline.peer_since == began + 5.0
        assert deadline.own_delay == pytest.approx(3.0)
        assert deadline.times_out_at == pytest.approx(began + 13.0)
        assert deadline.stop_peer_time(began + 13.0) == pytest.approx(8.0)

    run(main())


def test_a_phase_that_ends_after_the_timeout_is_one() -> None:
    async def main() -> None:
        deadline = Deadline(10.0)
        with pytest.raises(DeadlineError):
            deadline.stop_peer_time(deadline.started + 10.001)

    run(main())


@pytest.mark.parametrize("seconds", [0.0, -5.0])
def test_a_phase_lasts_at_least_a_microsecond_whatever_the_clocks_say(seconds: float) -> None:
    async def main() -> None:
        deadline = Deadline(10.0)
        assert deadline.stop_peer_time(deadline.started + seconds) == MIN_PHASE_SECONDS
        assert deadline.spent == pytest.approx(MIN_PHASE_SECONDS)

    run(main())


def test_the_longest_of_our_own_delays_is_kept_and_a_wait_that_kept_no_peer_waiting_is_none() -> None:
    async def main() -> None:
        deadline = Deadline(10.0)
        at = deadline.started
        for begins, ends in ((1.0, 2.0), (5.0, 6.0), (7.0, 8.0)):
            deadline.start_peer_time(at + begins)
            deadline.stop_peer_time(at + ends)
        assert deadline.own_delay == pytest.approx(3.0)
        loop().skip(50.0)
        deadline.discount_wait()
        deadline.start_peer_time(loop().time())
        assert deadline.own_delay == pytest.approx(3.0)

    run(main())


def waits(prepare: Callable[[Deadline], object], skip: float) -> type[BaseException] | None:
    """Return what a wait raises that begins after `prepare`, once so much time has passed."""

    async def main() -> type[BaseException] | None:
        deadline: Any = Deadline(10.0)
        prepare(deadline)
        waiting = asyncio.ensure_future(deadline.wait(loop().create_future()))
        await asyncio.sleep(0)
        loop().skip(skip)
        await turns()
        deadline.close()
        error = waiting.exception() if waiting.done() else None
        waiting.cancel()
        return None if error is None else type(error)

    return run(main())


def test_a_wait_ends_with_the_timeout_of_the_peer_or_with_twice_that_of_our_own() -> None:
    assert waits(lambda _: None, 5.0) is None
    assert waits(lambda _: None, 10.0) is DeadlineError
    assert waits(lambda deadline: deadline.start_peer_time(loop().time() + 15.0), 15.0) is None
    assert waits(lambda deadline: deadline.start_peer_time(loop().time() + 15.0), 20.0) is OwnDelayError


def test_a_wait_that_begins_later_by_a_delay_of_our_own_ends_later() -> None:
    async def main() -> None:
        deadline = Deadline(10.0)
        first: asyncio.Future[None] = loop().create_future()
        first.set_result(None)
        await deadline.wait(first)  # sets the timer
        deadline.stop_peer_time(deadline.started + 1.0)
        deadline.start_peer_time(deadline.started + 6.0)
        waiting = asyncio.ensure_future(deadline.wait(loop().create_future()))
        await turns()
        loop().skip(12.0)  # the timer fires
        await turns()
        assert not waiting.done()
        loop().skip(3.0)
        await turns()
        assert isinstance(waiting.exception(), DeadlineError)

    run(main(), frozen=True)


def test_nothing_ends_a_wait_once_the_deadline_is_closed() -> None:
    async def main() -> None:
        deadline = Deadline(10.0)
        waiting = asyncio.ensure_future(deadline.wait(loop().create_future()))
        await turns()
        deadline.close()
        loop().skip(60.0)
        await turns()
        assert not waiting.done()
        waiting.cancel()

    run(main())


def test_a_result_in_time_is_returned_and_the_timer_does_no_harm(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        deadline = Deadline(10.0)
        future: asyncio.Future[int] = loop().create_future()
        loop().call_soon(future.set_result, 7)
        assert await deadline.wait(future) == 7
        loop().skip(60.0)
        await turns()  # the timer fires while nothing waits
        deadline.close()

    run(main())
    assert caplog.records == []  # nor a bug in a callback, which asyncio would log
