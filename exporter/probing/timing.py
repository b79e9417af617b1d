"""Times of an exchange, from the kernel: the event loop would add its own delays to the provider's latency.

The kernel knows when each byte arrived: `SO_TIMESTAMPNS` for received data, `TCP_INFO` for the rest.
"""

import asyncio
import atexit
import socket
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")

SO_TIMESTAMPNS = 35  # Of <asm-generic/socket.h>, for x86-64 and arm64. Python has no constant for it.

ANCILLARY_BYTES = socket.CMSG_SPACE(16)

MAX_CLOCK_READ_SECONDS = 50e-6  # a reading of two clocks that took longer was interrupted, and is repeated

MAX_CLOCK_STEP_SECONDS = 0.2e-3
"""If wall clock and monotonic clock moved apart by more, the wall clock was set in between."""

MIN_PHASE_SECONDS = 1e-6  # the shortest phase that is reported: 0 would read as one that was not observed
MAX_SPENT_WAITING = 2.0  # times the timeout: how long a probe may last when delays of our own are included

_TIMESTAMP = struct.Struct("qq")
_CLOCK_READINGS = 5


def enable_timestamps(sock: socket.socket) -> None:
    """Ask the kernel for the arrival time of received data; systems that cannot are left alone."""
    if sys.platform == "linux":
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)


@cache
def keep_timestamping_on() -> None:
    """Keep timestamping switched on in the kernel, by an idle socket, for as long as this process lives.

    Otherwise the first socket with the option would switch it on in the middle of a probe.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    enable_timestamps(sock)
    atexit.register(sock.close)


def arrival_timestamp(ancillary: list[tuple[int, int, bytes]]) -> float | None:
    """Return the wall time at which the kernel received the last segment of the data; None if unknown."""
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == SO_TIMESTAMPNS and len(data) == _TIMESTAMP.size:
            seconds, nanoseconds = _TIMESTAMP.unpack(data)
            return float(seconds + nanoseconds * 1e-9)
    return None


def wall_clock_offset(clock: Callable[[], float]) -> float:
    """Return the wall clock minus `clock`, in seconds, from the reading that was least interrupted."""
    best, offset = float("inf"), 0.0
    for _ in range(_CLOCK_READINGS):
        before, wall, after = clock(), time.time(), clock()
        if after - before < best:
            best, offset = after - before, wall - (before + after) / 2
        if best < MAX_CLOCK_READ_SECONDS:
            break
    return offset


class TcpInfo(NamedTuple):
    """What the kernel knows of a connection; the members of `struct tcp_info` in <linux/tcp.h>."""

    retransmits: int  # unanswered retransmissions, and all of them (`tcpi_total_retrans`)
    unacked: int  # segments that were sent and not acknowledged
    last_data_recv: float  # seconds since data arrived
    last_ack_recv: float  # seconds since an acknowledgment arrived
    rtt: float  # round-trip time in seconds; 0 if it was not measured
    data_segs_in: int  # segments with data that arrived
    rcv_ooopack: int  # segments that arrived out of order


_TCP_INFO = struct.Struct("=2xB21xI24xII8xI28xI48xI68xI")
"""Offsets: retransmits 2, unacked 24, last_data_recv 52, last_ack_recv 56, rtt 68, total_retrans 100,
data_segs_in 152, rcv_ooopack 224."""


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """Return what the kernel knows of a connection; None where it reports nothing."""
    if sys.platform != "linux":
        return None
    try:
        raw = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
    except OSError:
        return None
    raw = raw.ljust(_TCP_INFO.size, b"\0")  # an older kernel does not count the last of them
    retransmits, unacked, data_recv, ack_recv, rtt, retransmitted, segments, reordered = _TCP_INFO.unpack(raw)
    return TcpInfo(
        retransmits=retransmits + retransmitted,
        unacked=unacked,
        last_data_recv=data_recv / 1e3,
        last_ack_recv=ack_recv / 1e3,
        rtt=rtt / 1e6,
        data_segs_in=segments,
        rcv_ooopack=reordered,
    )


class DeadlineError(Exception):
    """The timeout of the probe passed."""


class OwnDelayError(Exception):
    """Delays of our own kept the probe from ending within twice its timeout."""


class Deadline:
    """The time that a probe has left: it bounds the sum of the phases, not our own delays between them.

    The peer's time starts and stops at kernel timestamps, where there are any. One timer serves the whole
    probe; it is set again only if delays of our own moved the deadline.
    """

    def __init__(self, timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        self.timeout = timeout
        self.spent = 0.0  # seconds of the peer's time, up to when it was last stopped
        self._since: float | None = now
        self._ended = now
        self._limit = now + MAX_SPENT_WAITING * timeout
        self._waiter: asyncio.Future[Any] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.started = now  # when it was made, by the event loop's clock
        self.own_delay = 0.0  # the longest time between the arrival of data and what we sent next, in seconds

    def start_peer_time(self, at: float) -> None:
        """Let the time of the peer run from `at`."""
        self.own_delay = max(self.own_delay, at - self._ended)
        self._since = at

    def discount_wait(self) -> None:
        """Do not count the wait so far as a delay of our own: no peer waited for us."""
        self._ended = self._loop.time()

    def stop_peer_time(self, at: float) -> float:
        """Stop the time of the peer at `at`; return its seconds, at least `MIN_PHASE_SECONDS`.

        Raises:
            DeadlineError: if the timeout had passed by then.
        """
        if at > self.times_out_at:
            raise DeadlineError
        seconds = max(MIN_PHASE_SECONDS, at - self.peer_since)
        self.spent += seconds
        self._since, self._ended = None, at
        return seconds

    @property
    def peer_since(self) -> float:
        """The time since which the peer's time runs; now if it does not."""
        return self._loop.time() if self._since is None else self._since

    @property
    def times_out_at(self) -> float:
        """The time at which the timeout passes, by the event loop's clock."""
        return self.peer_since + self.timeout - self.spent

    async def wait(self, future: asyncio.Future[T]) -> T:
        """Return the result of `future`.

        Raises:
            DeadlineError: if the timeout passed first.
            OwnDelayError: if delays of our own leave no time to wait.
        """
        self._waiter = future
        if self._timer is None:
            self._set_timer()
        try:
            return await future
        finally:
            self._waiter = None

    def close(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()

    def _set_timer(self) -> None:
        self._timer = self._loop.call_at(min(self.times_out_at, self._limit), self._expire)

    def _expire(self) -> None:
        self._timer = None
        waiter, now = self._waiter, self._loop.time()
        if waiter is None or waiter.done():
            return
        if now >= self.times_out_at:
            waiter.set_exception(DeadlineError())
        elif now >= self._limit:
            waiter.set_exception(OwnDelayError())
        else:
            self._set_timer()
