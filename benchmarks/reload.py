"""Reload: how late is the event loop while 1,000 targets are read anew, and put in force?

    python benchmarks/reload.py [--targets 1000] [--rounds 10]

The installed command on loopback, its targets in `.env`, reloaded by POST again and again: unchanged, a tenth
of the targets changed, all of them changed, all of them replaced by others. Told are how long a reload takes,
and the command's own `event_loop_lag_seconds` meanwhile, beside as many seconds of the same load without one.
Exit status 1 if reloads made it stand still, that is be later than 50 ms: then the times of probes are not
believed any more. What other programs of the machine take shows left alone, too.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
import urllib.request
from typing import TYPE_CHECKING

from benchmarks.bench import buckets, exporter, page, percentile, two_cores, value, variables, verdict
from benchmarks.provider import provider

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.bench import Daemon

    Targets = dict[str, dict[str, str]]

LAG = "pingone_flow_exporter_event_loop_lag_seconds"
STALLED = "pingone_flow_exporter_probes_stalled_total"
BOUND = 0.05
TOLD = (0.005, 0.01, 0.025, 0.05)
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


async def measure(count: int, rounds: int) -> bool:
    """Print all, and return whether the bound is kept."""
    kept = []
    async with provider() as port:
        first = variables({"always": {}}, auth_url=f"http://127.0.0.1:{port}", interval="60s")
        async with exporter(first) as daemon:
            for name, targets in cases(count).items():
                write(daemon.log.parent, targets(1))
                await reload(daemon)
                await asyncio.sleep(AFTER)
                before = await page(daemon.address, "/metrics")
                await asyncio.sleep(rounds * AFTER)
                alone = await page(daemon.address, "/metrics")
                took = []
                for number in range(rounds):
                    write(daemon.log.parent, targets(number))
                    took.append(await reload(daemon))
                    await asyncio.sleep(AFTER)
                after = await page(daemon.address, "/metrics")
                print(
                    f"{name:<18} reload {statistics.median(took):5.0f} ms"
                    f" (p90 {percentile(took, 0.9):.0f}, max {max(took):.0f})"
                )
                idle = lag("left alone", before, alone)
                late = lag("reloaded", alone, after)
                stalled = value(after, STALLED) - value(alone, STALLED)
                beats = f"{late:.0f} beats (left alone: {idle:.0f}) later than {BOUND * 1000:g} ms"
                kept.append(verdict(late <= idle, f"{beats}, {stalled:.0f} probes stalled"))
    return all(kept)


def lag(name: str, before: str, after: str) -> float:
    """Print how late the loop was between two pages, and return how many beats were later than the bound."""
    earlier, later = buckets(before, LAG), buckets(after, LAG)
    counts = {bound: later[bound] - earlier[bound] for bound in later}
    beats = counts[max(counts)]
    over = ", ".join(f"over {bound * 1000:g} ms {beats - counts[bound]:.0f}" for bound in TOLD)
    median = min(bound for bound, seen in counts.items() if seen >= beats / 2)
    print(f"  {name:<12} {beats:5.0f} beats, median below {median * 1000:g} ms, {over}", flush=True)
    return beats - counts[BOUND]


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
