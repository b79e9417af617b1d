"""How long the pages and the API hold the event loop, and how large they are, with 1,000 targets.

    python -m benchmarks.status_page [--targets 1000] [--rounds 15]

Each in process, in a loop that another task watches: it takes a turn whenever there is one, and how long it
waited for it is how long the loop was held. The targets have a full history each, as mixed as in a bad night:
one of ten fails, one of twenty is held back, the rest succeed with a failure now and then. Told by the wall
clock, and in CPU time of the loop's own thread, which does not count what other programs of the machine took.

Then what history weighs, per target, by tracemalloc. Exit status 1 if a bound is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from benchmarks.bench import two_cores, verdict
from benchmarks.scrape import Holds, outcome, target
from exporter.observing import History
from exporter.outcome import Outcome, Phase, SkipCause, TlsFacts
from exporter.reasons import Fault, Reason
from exporter.scheduling import Schedule
from exporter.serving import site
from exporter.target import Journey, Target
from exporter.views import views

if TYPE_CHECKING:
    from starlette.applications import Starlette


BOUND = 0.005
LARGEST = 1_000_000
PROBES = 60
FAILURES = 50
INTERVAL = 60
GZIP = {"Accept-Encoding": "gzip"}
PLAIN = {"Accept-Encoding": "identity"}


class Silent:
    """A watcher that takes no notes."""

    def probe_started(self, lag: float, /) -> None:
        """Do nothing."""

    def probe_ended(self) -> None:
        """Do nothing."""

    def run_skipped(self, target: str, journey: Journey, cause: SkipCause, count: int, /) -> None:
        """Do nothing."""

    def backoff_until(self, target: str, journey: Journey, timestamp: float, /) -> None:
        """Do nothing."""


def probed(of: Target, number: int, *, at: float, result: tuple[Reason, Fault]) -> Outcome:
    """Return an outcome with all that a provider tells, its ids and times its own."""
    good = outcome(of, number)
    reason, fault = result
    (record,) = good.steps
    jitter = hash((of.name, number)) % 9_973 / 9_973
    facts = replace(
        record,
        reason=reason,
        phases={phase: seconds * (1 + jitter) for phase, seconds in record.phases.items()},
        http_status_code=200 if reason is Reason.OK else 503,
        error_codes=() if reason is Reason.OK else ("UNEXPECTED_ERROR",),
        checks=record.checks if reason is Reason.OK else {},
        correlation_id=str(UUID(int=hash((number, of.name)) % 2**128)),
        address=f"192.0.2.{number % 250}",
        tls=TlsFacts(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", not_after=at + 90 * 86_400 + jitter),
    )
    return replace(
        good,
        reason=reason,
        fault=fault,
        phase=Phase.TRANSFER,
        started_at=at,
        ended_at=at + 0.3,
        duration=sum(facts.phases.values()),
        transaction_id=str(UUID(int=hash((of.name, number)) % 2**128)),
        steps=(facts,),
    )


def result(number: int, probe: int) -> tuple[Reason, Fault]:
    """Return how a probe of a bad night ends; number is its target's."""
    if number % 10 == 0 and probe >= PROBES // 2:
        return Reason.SERVER_ERROR, Fault.PROVIDER
    if number % 20 == 1 and probe >= PROBES - 3:
        return Reason.RATE_LIMITED, Fault.QUOTA
    if (number + probe) % 15 == 0:
        return Reason.TIMEOUT, Fault.NETWORK
    return Reason.OK, Fault.NONE


def remember(history: History, targets: Sequence[Target]) -> None:
    """Fill all that history has room for: failures of long ago, then the last hour."""
    begun = time.time() - PROBES * INTERVAL
    for probe in range(-FAILURES, PROBES):
        for number, each in enumerate(targets):
            found = (Reason.DNS, Fault.NETWORK) if probe < 0 else result(number, probe)
            history.observe(probed(each, probe + FAILURES, at=begun + probe * INTERVAL, result=found))


def weigh(count: int) -> float:
    """Return bytes of history per target."""
    targets = [target(number) for number in range(count)]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    history = History()
    remember(history, targets)
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return (after - before) / count


async def never(_: Target, __: Journey) -> Outcome:
    """Stand in for a probe that does not end."""
    return await asyncio.Event().wait()  # type: ignore[return-value]  # never


async def reloaded() -> tuple[bool, str]:
    """Stand in for a reload."""
    return True, ""


async def nothing(_: bool) -> bytes:  # noqa: FBT001  the contract's shape
    """Stand in for the metrics."""
    return b""


async def measure(count: int, rounds: int) -> bool:
    """Print all, and return whether the bounds are kept."""
    targets = [target(number) for number in range(count)]
    history = History()
    remember(history, targets)
    schedule = Schedule(targets, never, observers=(history,), watcher=Silent(), places=count)
    schedule.start()
    app = site(
        exposition=nothing,
        healthy=lambda: True,
        ready=lambda: True,
        views=views(schedule, history, lambda: "https://exporter.example/pingone", egress=lambda: None),
        reload=reloaded,
    )
    gc.collect()
    gc.freeze()  # as the command does

    def change(share: int) -> Callable[[int], None]:
        def observe(turn: int) -> None:
            for number, each in enumerate(targets[:share]):
                history.observe(probed(each, turn, at=time.time(), result=result(number, turn)))

        return observe

    name = targets[0].name
    cases = [
        ("overview, first", "/", PLAIN, 1, change(0)),
        ("overview, 10 s", "/", PLAIN, rounds, change(count // 6)),
        ("overview, all changed", "/", PLAIN, rounds, change(count)),
        ("overview, gzip", "/", GZIP, rounds, change(count // 6)),
        ("API, all targets", "/api/v1/targets", PLAIN, rounds, change(0)),
        ("a target", f"/targets/{name}", PLAIN, rounds, change(0)),
        ("API, a target", f"/api/v1/targets/{name}", PLAIN, rounds, change(0)),
    ]
    title = f"{count} targets, medians of {rounds}"
    print(f"{title:<28}{'wall ms':>20}{'CPU ms (longest)':>20}{'bytes':>16}{'took ms':>10}")
    kept = []
    for case, path, headers, turns, change_all in cases:
        cpu, size = await case_of(case, app, path, headers, turns, change_all)
        kept.append(verdict(cpu <= BOUND * 1000, f"{case}: held at most {cpu:.2f} ms of CPU"))
        if path == "/":
            kept.append(verdict(size <= LARGEST, f"{case}: {size} bytes"))
    await schedule.stop(0)
    return all(kept)


async def case_of(
    name: str,
    app: Starlette,
    path: str,
    headers: dict[str, str],
    rounds: int,
    change: Callable[[int], None],
) -> tuple[float, int]:
    """Print one case; return the median of the longest holds in CPU milliseconds, and the body's size."""
    longest_cpu, longest_wall, took, size = [], [], [], 0
    for turn in range(rounds):
        change(turn)
        body = Body(app, path, headers)
        holds = Holds([], [])
        watching = asyncio.create_task(holds.watch())
        await asyncio.sleep(0.01)
        holds.wall.clear()
        holds.cpu.clear()
        begun = time.perf_counter()
        size = await body.size()
        took.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(0)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        longest_cpu.append(max(holds.cpu))
        longest_wall.append(max(holds.wall))
    cpu, wall = statistics.median(longest_cpu), statistics.median(longest_wall)
    held = f"{wall:>20.2f}{cpu:>12.2f} ({max(longest_cpu):5.2f})"
    print(f"{name:<28}{held}{size:>16}{statistics.median(took):>10.0f}")
    return cpu, size


class Body:
    """An answer of the application, taken without a client, whose own work would be measured too."""

    def __init__(self, app: Starlette, path: str, headers: dict[str, str]) -> None:
        self._app = app
        self._scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }
        self._size = 0

    async def size(self) -> int:
        """Ask, and return how many bytes came."""
        await self._app(self._scope, self._receive, self._send)
        return self._size

    async def _receive(self) -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: object) -> None:
        self._size += len(message.get("body", b""))  # type: ignore[attr-defined]  # a mapping


def main() -> None:
    """Measure and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    two_cores()
    logging.disable()  # that probes which do not end are cancelled in the end is no news
    kept = asyncio.run(measure(options.targets, options.rounds))
    print(f"history: {weigh(100) / 1000:.1f} kB per target, full")
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
