"""Moves packets between TUN devices, each after a delay of its own."""

from __future__ import annotations

import heapq
import os
import select
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from typing import NamedTuple, Self, TypeAlias

READ_BYTES = 65536
LOOK_SECONDS = 0.05
MIN_PAUSE_SECONDS = 0.2
"""Shorter ones make no probe fail."""


class Hop(NamedTuple):
    """What becomes of a packet.

    Args:
        device: where it is written.
        packet: as it is written.
        delay: seconds until then, at least.
    """

    device: int
    packet: bytes
    delay: float = 0.0


Route: TypeAlias = Callable[[bytes], Hop | None]


class Forwarder:
    """A thread that moves packets inside its block.

    Args:
        routes: what becomes of the packets that are read from a device; None drops one.

    Attributes:
        pauses: start and end of each time in which it got no CPU and all packets stood still, in seconds
            since the epoch.
    """

    def __init__(self, routes: Mapping[int, Route]) -> None:
        self._routes = routes
        self.pauses: list[tuple[float, float]] = []
        self._waiting: list[tuple[float, int, Hop]] = []
        self._numbers = count()
        self._thread = threading.Thread(target=self._run, name="forwarder")
        self._stopped, self._stop = os.pipe()

    def __enter__(self) -> Self:
        """Start."""
        for device in self._routes:
            os.set_blocking(device, False)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; what waits is lost."""
        os.write(self._stop, b"x")
        self._thread.join()
        for end in (self._stopped, self._stop):
            os.close(end)

    def _run(self) -> None:
        last = time.monotonic()
        while True:
            now = time.monotonic()
            if now - last > MIN_PAUSE_SECONDS:
                ended = time.time()
                self.pauses.append((ended - (now - last), ended))
            last = now
            while self._waiting and self._waiting[0][0] <= now:
                self._write(heapq.heappop(self._waiting)[2])
            left = self._waiting[0][0] - now if self._waiting else LOOK_SECONDS
            ready, _, _ = select.select([self._stopped, *self._routes], [], [], min(left, LOOK_SECONDS))
            if self._stopped in ready:
                return
            for device in ready:
                self._read(device)

    def _read(self, device: int) -> None:
        with suppress(BlockingIOError):
            while True:
                hop = self._routes[device](os.read(device, READ_BYTES))
                if hop is None:
                    continue
                if not hop.delay:
                    self._write(hop)
                    continue
                heapq.heappush(self._waiting, (time.monotonic() + hop.delay, next(self._numbers), hop))

    def _write(self, hop: Hop) -> None:
        with suppress(OSError):  # not a TCP packet's end: it is sent again
            os.write(hop.device, hop.packet)
