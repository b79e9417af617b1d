"""Resolve names with the system's resolver, in threads that time each call themselves.

asyncio's `loop.getaddrinfo` shares a few threads: a few hanging name servers would hold up every target, and
the exit. c-ares (aiodns) has a cache that its binding cannot switch off: a broken resolution would be seen
late. The system's resolver answers as for any other program: hosts file, search domains, name service switch.
"""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from exporter.target import IpFamily

_FAMILIES = {IpFamily.ANY: socket.AF_UNSPEC, IpFamily.V4: socket.AF_INET, IpFamily.V6: socket.AF_INET6}

MAX_ADDRESSES = 16  # more than any provider publishes; bounds what a hostile answer makes us try

MAX_LOOKUPS = 4
"""At once for one name. The fifth caller joins the fourth lookup: a thread lives until the resolver gives up,
which may be minutes after the probe's deadline."""

MAX_IDLE_THREADS = 16  # threads that are kept for the next lookups


class ResolutionError(Exception):
    """The name did not resolve."""


class ResolvedName(NamedTuple):
    """The addresses of a name, in the order in which to try them, and how long it took."""

    addresses: Sequence[str]
    seconds: float = 0.0


Resolve: TypeAlias = Callable[[str, IpFamily], "asyncio.Future[ResolvedName]"]
"""Starts to resolve a name; the future raises `ResolutionError` if it does not resolve."""


class Resolver:
    """Resolves names by `look_up`, which blocks, and raises OSError or UnicodeError."""

    def __init__(self, look_up: Callable[[str, IpFamily], Sequence[str]] | None = None) -> None:
        self._look_up = look_up or system_addresses
        self._lookups: dict[tuple[str, IpFamily], list[_Lookup]] = {}

    def __call__(self, host: str, family: IpFamily = IpFamily.ANY) -> asyncio.Future[ResolvedName]:
        """Start to resolve `host`, a name or an address.

        The future raises `ResolutionError` if the name does not resolve, or has no address of the family.
        """
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[ResolvedName] = loop.create_future()
        lookups = self._lookups.setdefault((host, family), [])
        if len(lookups) < MAX_LOOKUPS:
            lookup = _Lookup()
            _threads.run(lambda: self._run(loop, lookup, host, family))
            lookups.append(lookup)  # only now: without a thread it would never end
        lookups[-1].waiters.append((waiter, time.monotonic()))
        return waiter

    def _run(self, loop: asyncio.AbstractEventLoop, lookup: _Lookup, host: str, family: IpFamily) -> None:
        lookup.started = time.monotonic()
        try:
            lookup.found = self._look_up(host, family)
        except Exception as error:  # noqa: BLE001  handed to the probe, which reads it
            lookup.found = error
        lookup.ended = time.monotonic()
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(self._settle, lookup, (host, family))

    def _settle(self, lookup: _Lookup, question: tuple[str, IpFamily]) -> None:
        lookups = self._lookups[question]
        lookups.remove(lookup)
        if not lookups:
            del self._lookups[question]
        for waiter, joined in lookup.waiters:
            if waiter.done():
                continue
            if isinstance(lookup.found, Exception):
                # A fresh exception each time: probes must not share a traceback.
                failure = ResolutionError(f"{question[0]} did not resolve")
                failure.__cause__ = lookup.found
                waiter.set_exception(failure)
            else:
                seconds = lookup.ended - max(lookup.started, joined)
                waiter.set_result(ResolvedName(lookup.found, max(0.0, seconds)))


@dataclass(slots=True, eq=False)
class _Lookup:
    """One call of the system's resolver, with its waiters and the times at which they joined."""

    waiters: list[tuple[asyncio.Future[ResolvedName], float]] = field(default_factory=list)
    found: Sequence[str] | Exception = ()
    started: float = 0.0
    ended: float = 0.0


class _Threads:
    """A pool of daemon threads for blocking calls: it grows as needed, and keeps a few idle threads."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._idle = 0

    def run(self, call: Callable[[], None]) -> None:
        with self._lock:
            if self._idle:
                self._idle -= 1
                self._calls.put(call)
                return
        threading.Thread(target=self._work, args=(call,), name="resolver", daemon=True).start()

    def _work(self, call: Callable[[], None]) -> None:
        while True:
            call()
            with self._lock:
                if self._idle >= MAX_IDLE_THREADS:
                    return
                self._idle += 1
            call = self._calls.get()


_threads = _Threads()


def system_addresses(host: str, family: IpFamily) -> Sequence[str]:
    """Ask the system's resolver, blocking; each address once, in its order (RFC 6724).

    Raises:
        OSError: if the name did not resolve.
        UnicodeError: if it is not a host name.
    """
    found = socket.getaddrinfo(host, None, _FAMILIES[family], socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))[:MAX_ADDRESSES]
