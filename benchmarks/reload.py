"""Reload: for how long at a time does it hold the event loop, with 1,000 targets?

    python benchmarks/reload.py [--targets 1000] [--rounds 10]

Four cases: targets unchanged, a tenth of them changed, all of them changed, all of them replaced by others.

In this process: the reloader with its parts, on settings of that many targets. A hold is the CPU time of the
whole process between two turns of the loop, so that waiting for the thread that reads settings counts, and
what other programs of the machine take does not. Exit status 1 if one is longer than 50 ms: then the loop
would have stood still, and the times of probes not be believed.

End to end: the installed command on loopback, its targets in `.env`, reloaded by POST, and its own
`event_loop_lag_seconds` beside as many seconds of the same load without a reload. It goes by the clock, so
that a busy machine shows in both.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import time
import urllib.request
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bench import buckets, exporter, page, two_cores, value, variables, verdict
from benchmarks.provider import provider
from benchmarks.scrape import outcome
from exporter.observing import History, LoopWatch, Metrics
from exporter.outcome import Outcome
from exporter.parts import CurrentEgress, CurrentSSLContexts, parts
from exporter.reloading import Reloader
from exporter.scheduling import Schedule
from exporter.serving import Door
from exporter.settings import Config, load
from exporter.target import Journey, Target

if TYPE_CHECKING:
    from benchmarks.bench import Daemon


Targets = dict[str, dict[str, str]]

LAG = "pingone_flow_exporter_event_loop_lag_seconds"
STALLED = "pingone_flow_exporter_probes_stalled_total"
BOUND = 0.05
TOLD = (0.005, 0.01, 0.025, 0.05)
NOWHERE = Path("/nonexistent")
AFTER = 1.0
"""Seconds watched after each reload: first probes of what is new come then."""


def cases(count: int) -> dict[str, Callable[[int], Targets]]:
    """Return what the targets are in the n-th round of each case."""

    def some(share: int) -> Callable[[int], Targets]:
        def targets(number: int) -> Targets:
            interval = f"{60 + number % 2}s"
            return {f"t{n:04}": {"interval": interval} if n < share else {} for n in range(count)}

        return targets

    return {
        "unchanged": some(0),
        "a tenth changed": some(count // 10),
        "all changed": some(count),
        "all replaced": lambda number: {f"r{number % 2}_{n:04}": {} for n in range(count)},
    }


def write(directory: Path, targets: Targets) -> None:
    """Put the targets into `.env`."""
    (directory / ".env").write_text(f"FLOW_EXPORTER_TARGETS='{json.dumps(targets)}'\n", encoding="utf-8")


async def reload(daemon: Daemon) -> float:
    """Reload, and return how many milliseconds it took."""
    request = urllib.request.Request(f"http://{daemon.address}/-/reload", method="POST")
    begun = time.perf_counter()
    await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=60).close())  # noqa: S310  loopback
    return (time.perf_counter() - begun) * 1000


async def in_process(count: int, rounds: int) -> list[tuple[str, float]]:
    """Print the holds of each case, and return the longest of each in milliseconds."""
    worst = []
    print(f"{'in process':<18} {'longest hold, CPU ms':>30} {'reload, CPU ms':>20}")
    for name, targets in cases(count).items():
        environ = variables(targets(0), auth_url="http://127.0.0.1:1", interval="60s")
        reloader, schedule = house(load(environ, NOWHERE), partial(load, environ, NOWHERE))
        schedule.start()
        gc.collect()
        gc.freeze()  # as the command does
        longest, totals = [], []
        for number in range(1, rounds + 1):
            environ |= variables(targets(number), auth_url="http://127.0.0.1:1", interval="60s")
            holds: list[float] = []
            watching = asyncio.create_task(watch(holds))
            await asyncio.sleep(0.05)
            holds.clear()
            begun = time.process_time()
            await reloader.reload("benchmark")
            totals.append((time.process_time() - begun) * 1000)
            watching.cancel()
            longest.append(max(holds))
        await schedule.stop(0)
        worst.append((name, max(longest)))
        spread = f"median {statistics.median(longest):.1f}, max {max(longest):.1f}"
        print(f"{name:<18} {spread:>30} {statistics.median(totals):>20.0f}", flush=True)
    return worst


def house(settings: Config, read: Callable[[], Config]) -> tuple[Reloader, Schedule]:
    """Return what the command reloads, with probes that find nothing and take no time."""

    async def probe(target: Target, _: Journey) -> Outcome:
        return outcome(target, 0)

    targets = settings.targets
    metrics, history = Metrics(targets, buckets=settings.duration_buckets), History()
    watch = LoopWatch(asyncio.get_running_loop().time, metrics.loop_lag)
    schedule = Schedule(targets, probe, observers=(metrics, history), watcher=metrics, places=100)
    follow = parts(
        CurrentSSLContexts(targets),
        CurrentEgress(None, metrics, watch),
        metrics=metrics,
        schedule=schedule,
        door=Door(None),
        forgetful=(history,),
        targets=targets,
    )
    return Reloader(settings, read, parts=follow, was_read=metrics.config_loaded), schedule


async def watch(holds: list[float]) -> None:
    """Take a turn whenever there is one, until cancelled."""
    before = time.process_time()
    while True:
        await asyncio.sleep(0)
        now = time.process_time()
        holds.append((now - before) * 1000)
        before = now


async def end_to_end(count: int, rounds: int) -> None:
    """Print how late the command's own loop is while it is reloaded."""
    async with provider() as port:
        first = variables({"always": {}}, auth_url=f"http://127.0.0.1:{port}", interval="60s")
        async with exporter(first) as daemon:
            for name, targets in cases(count).items():
                write(daemon.log.parent, targets(0))
                await reload(daemon)
                await asyncio.sleep(AFTER)
                before = await page(daemon.address, "/metrics")
                await asyncio.sleep(rounds * AFTER)
                alone = await page(daemon.address, "/metrics")
                took = []
                for number in range(1, rounds + 1):
                    write(daemon.log.parent, targets(number))
                    took.append(await reload(daemon))
                    await asyncio.sleep(AFTER)
                after = await page(daemon.address, "/metrics")
                stalled = value(after, STALLED) - value(alone, STALLED)
                print(f"{name}: median {statistics.median(took):.0f} ms, {stalled:.0f} probes stalled")
                lag("left alone", before, alone)
                lag("reloaded", alone, after)


async def measure(count: int, rounds: int) -> bool:
    """Print all, and return whether the bound is kept."""
    worst = await in_process(count, rounds)
    await end_to_end(count, rounds)
    bound = BOUND * 1000
    kept = [verdict(hold <= bound, f"{name}: {hold:.1f} ms, not over {bound:g}") for name, hold in worst]
    return all(kept)


def lag(name: str, before: str, after: str) -> None:
    """Print how late the loop was between two pages."""
    earlier, later = buckets(before, LAG), buckets(after, LAG)
    counts = {bound: later[bound] - earlier[bound] for bound in later}
    beats = counts[max(counts)]
    over = ", ".join(f"over {bound * 1000:g} ms {beats - counts[bound]:.0f}" for bound in TOLD)
    print(f"  {name:<12} {beats:5.0f} beats, {over}", flush=True)


def main() -> None:
    """Measure and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    two_cores()
    sys.exit(0 if asyncio.run(measure(options.targets, options.rounds)) else 1)


if __name__ == "__main__":
    main()
