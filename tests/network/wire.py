"""A network that the test controls segment by segment: a namespace with a TUN device as its only way out.

The test reads what the kernel of the prober sends, and writes what the prober's kernel receives. A capture in
the same namespace has the kernel's own time of each segment.
"""

from __future__ import annotations

import json
import os
import random
import select
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from harness.daemon import COMMAND
from harness.process import clean_environment
from harness.variables import target_variables
from harness.waiting import PATIENCE
from network.namespaces import Captured, arrivals, inside, open_tun, packet_socket, run
from network.segments import ACK, FIN, PSH, RST, SYN, Segment, unpack

PEER = "10.99.0.1"
OTHER_PEER = "10.99.0.5"
PROBER = "10.99.0.2"
NAME = "provider.example"
"""Resolves to `PEER` and `OTHER_PEER` inside the namespace."""

TICK = 0.02
"""Seconds: the kernel counts some times in ticks, of 10 ms at most; others are cut off to a millisecond."""
SLACK = 0.15
"""Seconds by which a right time may be off on a busy machine: the clock is read just before each send."""

_MAX_SEGMENT_BYTES = 1400
_WRAP = 1 << 32
_QUIET = 0.3
_numbers = count()


@dataclass(slots=True)
class Wire:
    """The namespace, its device, and the capture."""

    namespace: str
    device: int
    _capture: socket.socket
    captured: list[Captured] = field(default_factory=list)

    def probe(self, url: str = f"http://{PEER}:8080", **fields: str) -> Probe:
        """Start `probe --json` inside the namespace."""
        times = {"interval": "90s", "timeout": "60s"}
        environment = clean_environment(Path("/"), target_variables("wired", url, **times | fields))
        command = ["ip", "netns", "exec", self.namespace, *COMMAND, "probe", "--json"]
        process = subprocess.Popen(
            command, env=environment, cwd="/", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        return Probe(process)

    def receive(self, timeout: float = PATIENCE) -> Segment | None:
        """Return the next segment that the prober sent; None if there was none in time."""
        until = time.monotonic() + timeout
        while (left := until - time.monotonic()) > 0:
            if select.select([self.device], [], [], left)[0]:
                segment = unpack(os.read(self.device, 65536))
                if segment is not None:
                    return segment
        return None

    def expect(self, matches: Callable[[Segment], object], timeout: float = PATIENCE) -> Segment:
        """Return the next segment for which `matches` holds; leave the others out."""
        until = time.monotonic() + timeout
        while (segment := self.receive(max(0.0, until - time.monotonic()))) is not None:
            if matches(segment):
                return segment
        raise AssertionError("the prober sent no such segment")

    def accept(self, delay: float = 0.0) -> Connection:
        """Wait for a SYN and answer it after `delay` seconds."""
        return Connection(self, self.expect(is_syn)).answer(delay)

    def connection(self, syn: Segment) -> Connection:
        """Answer a SYN that was received."""
        return Connection(self, syn).answer()

    def write(self, segment: Segment) -> None:
        """Deliver a segment to the prober's side."""
        os.write(self.device, segment.pack())

    def capture(self) -> list[Captured]:
        """Return all segments so far, in the order of time, with the kernel's time of each."""
        self.captured += arrivals(self._capture)
        return self.captured

    def seconds(self, start: Callable[[Captured], object], end: Callable[[Captured], object]) -> float:
        """Return the seconds from the first captured segment that is `start` to the first that is `end`."""
        starts = [captured.at for captured in self.capture() if start(captured)]
        ends = [captured.at for captured in self.captured if end(captured)]
        assert starts, "no such start was captured"
        assert ends, "no such end was captured"
        return ends[0] - starts[0]


@dataclass(slots=True)
class Connection:
    """A connection as the test plays its peer: nothing is sent unless the test says so."""

    wire: Wire
    syn: Segment
    _sequence: int = field(default_factory=lambda: random.randrange(1 << 31))
    _expected: int = 0
    _acknowledged: int = 0
    _window: int = 0

    def answer(self, delay: float = 0.0) -> Connection:
        """Send SYN and ACK after `delay` seconds."""
        time.sleep(delay)
        self._expected = (self.syn.sequence + 1) % _WRAP
        self._send(self._sequence, SYN | ACK)
        self._sequence += 1
        self._acknowledged = self._sequence
        self._window = self.syn.window
        return self

    def receive(self, timeout: float = PATIENCE, *, acknowledge: bool = True) -> bytes:
        """Return the next data from the prober."""
        # What was not acknowledged in time comes again.
        segment = self.wire.expect(
            lambda found: self._is_mine(found) and found.data and found.sequence == self._expected, timeout
        )
        self._expected = (segment.sequence + len(segment.data)) % _WRAP
        if acknowledge:
            self._send(self._sequence, ACK)
        return segment.data

    def request(self, *, acknowledge: bool = True) -> bytes:
        """Return the head of the request."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.receive(acknowledge=acknowledge)
        return head

    def send(self, data: bytes) -> None:
        """Send data in one segment."""
        self._send(self._sequence, ACK | PSH, data)
        self._sequence += len(data)

    def send_out_of_order(
        self, first: bytes, second: bytes, delay: float, *, between: Callable[[], None] = lambda: None
    ) -> None:
        """Send the second piece of data, call `between`, and send the first one `delay` seconds later."""
        self._send(self._sequence + len(first), ACK | PSH, second)
        between()
        time.sleep(delay)
        self._send(self._sequence, ACK | PSH, first)
        self._sequence += len(first) + len(second)

    def stream(self, data: bytes, when_full: Callable[[], None] = lambda: None) -> None:
        """Send data of any length within the receiver's window, again where it was dropped.

        Args:
            data: to send.
            when_full: called whenever the window is full and nothing has come back for a while.
        """
        start, sent, end = self._sequence, self._sequence, self._sequence + len(data)
        while self._acknowledged < end:
            while sent < min(end, self._acknowledged + self._window - _MAX_SEGMENT_BYTES):
                piece = data[sent - start : sent - start + _MAX_SEGMENT_BYTES]
                self._send(sent, ACK | PSH, piece)
                sent += len(piece)
            segment = self.wire.receive(_QUIET)
            if segment is None:
                when_full()
                sent = self._acknowledged
            elif self._is_mine(segment):
                self._acknowledged = segment.acknowledged
                self._window = segment.window << self.syn.window_shift
        self._sequence = end

    def finish(self) -> None:
        """End the stream."""
        self._send(self._sequence, ACK | FIN)

    def reset(self) -> None:
        """Reset the connection."""
        self._send(self._sequence, ACK | RST)

    def refuse(self) -> None:
        """Answer the SYN with a reset."""
        self._expected = (self.syn.sequence + 1) % _WRAP
        self._send(0, ACK | RST)

    def _is_mine(self, segment: Segment) -> bool:
        return segment.source == self.syn.source and segment.destination == self.syn.destination

    def _send(self, sequence: int, flags: int, data: bytes = b"") -> None:
        source, destination = self.syn.destination, self.syn.source
        self.wire.write(Segment(source, destination, sequence, self._expected, flags, data=data))


@dataclass(slots=True)
class TlsPeer:
    """TLS over a connection, step by step."""

    connection: Connection
    context: ssl.SSLContext
    _incoming: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    _outgoing: ssl.MemoryBIO = field(default_factory=ssl.MemoryBIO)
    _tls: ssl.SSLObject = field(init=False)

    def __post_init__(self) -> None:
        """Make the server's side."""
        self._tls = self.context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    def greeting(self) -> None:
        """Read the ClientHello and keep the answer back."""
        while not self._outgoing.pending:
            self._incoming.write(self.connection.receive())
            with suppress(ssl.SSLWantReadError):
                self._tls.do_handshake()

    def flush(self) -> None:
        """Send what was kept back."""
        self.connection.stream(self._outgoing.read())

    def request(self) -> bytes:
        """Complete the handshake and return the head of the request."""
        shaken, head = False, b""
        while not head.endswith(b"\r\n\r\n"):
            self._incoming.write(self.connection.receive())
            with suppress(ssl.SSLWantReadError):
                if not shaken:
                    self._tls.do_handshake()
                    shaken = True
                head += self._tls.read()
        return head

    def send(self, data: bytes) -> None:
        """Send data."""
        self._tls.write(data)
        self.flush()


@dataclass(slots=True)
class Probe:
    """The command while it runs."""

    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Stop it (SIGSTOP) and return when it has stopped."""
        self.process.send_signal(signal.SIGSTOP)
        stat = Path(f"/proc/{self.process.pid}/stat")
        while (state := stat.read_text(encoding="ascii").rpartition(")")[2].split()[0]) not in "Tt":
            assert state not in "ZX", "the probe has ended already"
            time.sleep(0.001)

    def resume(self) -> None:
        """Let it run again."""
        self.process.send_signal(signal.SIGCONT)

    @contextmanager
    def stopped(self, seconds: float) -> Iterator[None]:
        """Stop it, run the block, and let it run again when these seconds have passed."""
        self.stop()
        until = time.monotonic() + seconds
        try:
            yield
            time.sleep(max(0.0, until - time.monotonic()))
        finally:
            self.resume()

    def outcome(self) -> dict[str, Any]:
        """Wait for its end and return the only outcome."""
        output, errors = self.process.communicate(timeout=PATIENCE)
        assert output, errors.decode()
        (outcome,) = json.loads(output)["outcomes"]
        found: dict[str, Any] = outcome
        return found

    def end(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def is_syn(segment: Segment) -> bool:
    """Return whether a segment opens a connection."""
    return segment.flags & (SYN | ACK) == SYN


@contextmanager
def wire() -> Iterator[Wire]:
    """Make the namespace with its device, and remove it."""
    namespace = f"wire-{os.getpid()}-{next(_numbers)}"
    hosts = Path("/etc/netns") / namespace / "hosts"
    run("ip", "netns", "add", namespace)
    device = inside(namespace, lambda: open_tun("wire"))
    try:
        hosts.parent.mkdir(parents=True)
        hosts.write_text(f"127.0.0.1 localhost\n{PEER} {NAME}\n{OTHER_PEER} {NAME}\n")
        run("ip", "-n", namespace, "addr", "add", f"{PROBER}/24", "dev", "wire")
        for interface in ("wire", "lo"):
            run("ip", "-n", namespace, "link", "set", interface, "up")
        with packet_socket(namespace, "wire") as capture:
            yield Wire(namespace, device, capture)
    finally:
        os.close(device)
        run("ip", "netns", "delete", namespace)
        shutil.rmtree(hosts.parent, ignore_errors=True)
        with suppress(OSError):
            hosts.parent.parent.rmdir()


def processing(outcome: dict[str, Any]) -> float:
    """Return the processing time of an outcome's only step."""
    seconds: float = outcome["steps"][0]["phases"]["processing"]
    return seconds


def verdict(outcome: dict[str, Any]) -> Sequence[str]:
    """Return reason and fault."""
    return outcome["reason"], outcome["fault"]
