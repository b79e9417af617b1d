"""A TCP connection that knows when the kernel received its data, and how to make one (RFC 8305)."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import NamedTuple

from exporter.probing.timing import (
    ANCILLARY_BYTES,
    MAX_CLOCK_STEP_SECONDS,
    Deadline,
    DeadlineError,
    TcpInfo,
    arrival_timestamp,
    enable_timestamps,
    tcp_info,
    wall_clock_offset,
)

CONNECTION_ATTEMPT_DELAY_SECONDS = 0.25
"""RFC 8305, section 5: the next address is tried when the last one has not connected for so long."""

EXHAUSTION = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS, errno.EADDRINUSE})
"""This machine ran out of descriptors, memory or local ports."""

_DISCARD_PORT = 9

_MSG_MORE = getattr(socket, "MSG_MORE", 0)  # Linux only; elsewhere FIN takes a segment of its own


class TcpStream:
    """A connected, non-blocking socket, which `close` closes.

    Only one coroutine uses it, and every wait is bounded by the probe's deadline. `connected_at` is by the
    event loop's clock; None if the kernel did not report it.
    """

    def __init__(self, sock: socket.socket, deadline: Deadline, connected_at: float | None) -> None:
        self._socket = sock
        self._fd = sock.fileno()  # for a socket object, asyncio formats an error text with each new one
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[bytes | OSError] | None = None
        self._max_bytes = 0
        self._watching = False
        self._offset = wall_clock_offset(self._loop.time)
        self._latest_timestamp = 0.0
        self._reordered = 0
        self.arrived = self._loop.time() if connected_at is None else connected_at
        """When the last data, or at first the connection, reached this machine, by the loop's clock."""
        self.timed_by_loop = connected_at is None
        """Whether the event loop took a time that the kernel did not report."""
        self.has_timestamps = False  # whether the kernel reported the time of any data
        self.ended = False  # whether the peer closed or reset the connection
        self.received = 0  # bytes so far

    async def send(self, data: bytes) -> None:
        """Send all of `data`. The peer's time begins immediately before its last byte is sent."""
        self._offset, info = wall_clock_offset(self._loop.time), self.info()
        self._latest_timestamp, self._reordered = 0.0, 0 if info is None else info.rcv_ooopack
        while True:
            self._deadline.start_peer_time(self._loop.time())
            try:
                sent = self._socket.send(data)
            except BlockingIOError:
                sent = 0
            if sent == len(data):
                return
            data = data[sent:]
            await self._writable()

    async def receive(self, max_bytes: int) -> bytes:
        """Return what arrived next; b"" at the end of the stream.

        Each call lets other tasks run first, however much data is waiting.

        Raises:
            DeadlineError: if nothing arrived before the timeout passed. Data that did arrive before counts,
                however late it is read.
            OSError: if the connection broke.
        """
        self._max_bytes = max_bytes
        waiter: asyncio.Future[bytes | OSError] = self._loop.create_future()
        self._waiter = waiter
        if not self._watching:
            self._loop.add_reader(self._fd, self._on_readable)
            self._watching = True
        try:
            data = await self._deadline.wait(waiter)
        except DeadlineError:
            if (late := self._read(max_bytes)) is None:
                raise
            data = late
        finally:
            self._waiter = None
        if isinstance(data, OSError):
            raise data
        self.received += len(data)
        if self.arrived > self._deadline.times_out_at:
            raise DeadlineError
        return data

    def info(self) -> TcpInfo | None:
        """Return what the kernel knows of the connection."""
        return tcp_info(self._socket)

    @property
    def tcp(self) -> TcpStream:
        """Itself; a `TlsStream` has one beneath."""
        return self

    def is_open(self) -> bool:
        """Return False if the peer closed the connection, or sent data unasked."""
        return self.receive_now(1) is None

    def receive_now(self, max_bytes: int) -> bytes | None:
        """Return what is there without waiting; None if there is nothing, b"" if the connection ended."""
        data = self._read(max_bytes)
        return b"" if isinstance(data, OSError) else data

    def send_now(self, data: bytes, flags: int = 0) -> None:
        """Send what can be sent without waiting; failures are ignored."""
        with suppress(OSError):
            self._socket.send(data, flags)

    def close(self, last: bytes = b"") -> None:
        """Send what can be sent of `last`, in one segment with FIN, and close the connection."""
        if last:
            self.send_now(last, _MSG_MORE)
        if self._watching:
            self._loop.remove_reader(self._fd)
            self._watching = False
        self._socket.close()

    def _on_readable(self) -> None:
        if self._waiter is None or self._waiter.done():
            self._loop.remove_reader(self._fd)
            self._watching = False
            return
        data = self._read(self._max_bytes)
        if data is not None:
            self._waiter.set_result(data)

    def _read(self, max_bytes: int) -> bytes | OSError | None:
        """Read without waiting, and note when it arrived; None if there is nothing."""
        try:
            data, ancillary, _, _ = self._socket.recvmsg(max_bytes, ANCILLARY_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            self.ended = True
            return error
        self.ended = not data
        self.arrived = self._arrival(arrival_timestamp(ancillary), at_end=not data)
        return data

    def _arrival(self, timestamp: float | None, *, at_end: bool) -> float:
        """Return when the data reached this machine, by the event loop's clock.

        A read carries the timestamp of its last segment. It is not the time of the last arrival if segments
        came out of order, in this read or waiting since an earlier one, and the end of a stream has none.
        """
        now, info = self._loop.time(), self.info()
        if at_end:
            # The acknowledgment that comes with FIN has its time.
            return now if info is None else max(self.arrived, now - info.last_ack_recv)
        offset = wall_clock_offset(self._loop.time)
        self.has_timestamps |= timestamp is not None
        if timestamp is None or abs(offset - self._offset) > MAX_CLOCK_STEP_SECONDS:
            self.timed_by_loop = True
            return now
        reordered = 0 if info is None else info.rcv_ooopack
        in_order = reordered == self._reordered and timestamp >= self._latest_timestamp
        self._latest_timestamp = max(timestamp, self._latest_timestamp)
        if info is not None and not in_order:
            return now - info.last_data_recv
        return min(now, timestamp - offset)

    async def _writable(self) -> None:
        waiter = self._loop.create_future()
        self._loop.add_writer(self._fd, _wake, waiter)
        try:
            await self._deadline.wait(waiter)
        finally:
            self._loop.remove_writer(self._fd)


class Dialer:
    """Connects to one of several addresses.

    The next one starts 250 ms after the last that has not connected yet, or at once when it failed.
    """

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._loop = asyncio.get_running_loop()
        self._pending: list[_Attempt] = []
        self._error = OSError("the name resolved to no address")
        self._waiter: asyncio.Future[None] | None = None
        self.tried: list[str] = []  # addresses that a connection was attempted to, in order
        self.address: str | None = None  # connected to, or tried last

    async def connect(self, addresses: Sequence[str], port: int) -> TcpStream:
        """Return a connection.

        Raises:
            OSError: if no address can be connected to.
            DeadlineError: if the timeout passed.
        """
        waiting = _interleaved(addresses)
        try:
            while True:
                if waiting:
                    self._start(waiting.pop(0), port)
                if self._pending:
                    await self._next_event(more=bool(waiting))
                connected = self._connected()
                if connected is not None:
                    return connected
                if not waiting and not self._pending:
                    raise self._error
        finally:
            for attempt in self._pending:
                self._abandon(attempt)

    def _start(self, address: str, port: int) -> None:
        self.tried.append(address)
        self.address = address
        started = self._loop.time()
        try:
            sock = _begin_connecting(address, port)
        except OSError as error:
            self._failed(error)
            return
        self._pending.append(_Attempt(address, sock, started))
        self._loop.add_writer(sock.fileno(), self._wake)

    async def _next_event(self, *, more: bool) -> None:
        """Wait until an attempt succeeds or fails, or until it is time for the next address."""
        self._waiter = self._loop.create_future()
        timer = self._loop.call_later(CONNECTION_ATTEMPT_DELAY_SECONDS, self._wake) if more else None
        try:
            await self._deadline.wait(self._waiter)
        except DeadlineError:
            if not any(_is_connected(attempt.sock) for attempt in self._pending):
                raise
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def _wake(self) -> None:
        if self._waiter is not None:
            _wake(self._waiter)

    def _connected(self) -> TcpStream | None:
        """Return the connection of the first attempt that succeeded; drop those that failed."""
        for attempt in tuple(self._pending):
            code = attempt.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code:
                self._pending.remove(attempt)
                self._abandon(attempt)
                self._failed(OSError(code, os.strerror(code), attempt.address))
            elif _is_connected(attempt.sock):
                self._pending.remove(attempt)
                self._loop.remove_writer(attempt.sock.fileno())
                self.address = attempt.address
                return TcpStream(attempt.sock, self._deadline, self._connected_at(attempt))
        return None

    def _connected_at(self, attempt: _Attempt) -> float | None:
        now, info = self._loop.time(), tcp_info(attempt.sock)
        if info is None:
            return None
        if info.rtt and not info.retransmits:
            return min(now, attempt.started + info.rtt)
        return max(attempt.started, now - info.last_ack_recv)

    def _abandon(self, attempt: _Attempt) -> None:
        self._loop.remove_writer(attempt.sock.fileno())
        attempt.sock.close()

    def _failed(self, error: OSError) -> None:
        # What this machine lacks explains more than what another address answered.
        if self._error.errno not in EXHAUSTION:
            self._error = error


class _Attempt(NamedTuple):
    address: str
    sock: socket.socket
    started: float


def _begin_connecting(address: str, port: int) -> socket.socket:
    """Return a non-blocking socket that connects to `address`.

    Raises:
        OSError: if that fails at once; its `filename` is the address. `EADDRNOTAVAIL` means that this
            machine has no address of that family; if it has none of its local ports left, the error is
            `EADDRINUSE`.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)  # noqa: FBT003  the standard library's signature
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        enable_timestamps(sock)
        code = sock.connect_ex((address, port))
        if code == errno.EADDRNOTAVAIL and _has_source_address(family, address):
            code = errno.EADDRINUSE
    except BaseException:
        sock.close()
        raise
    if code in {0, errno.EINPROGRESS}:
        return sock
    sock.close()
    raise OSError(code, os.strerror(code), address)


def _has_source_address(family: socket.AddressFamily, address: str) -> bool:
    """Return True if this machine could send to `address`: UDP needs the same route, but no port of TCP."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex((address, _DISCARD_PORT)) == 0


def _is_connected(sock: socket.socket) -> bool:
    with suppress(OSError):
        sock.getpeername()
        return True
    return False


def _interleaved(addresses: Sequence[str]) -> list[str]:
    """Return the addresses with their families alternating (RFC 8305, section 4)."""
    first = [address for address in addresses if (":" in address) == (":" in addresses[0])]
    second = [address for address in addresses if (":" in address) != (":" in addresses[0])]
    pairs = zip_longest(first, second)
    return [address for pair in pairs for address in pair if address is not None]


def _wake(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
