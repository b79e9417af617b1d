"""Scrape: for how long at a time does a page of 1,000 targets hold the event loop?

    python benchmarks/scrape.py [--targets 1000] [--rounds 15] [--seconds 20]

In this process: `Metrics` with outcomes that arrived since the last scrape, in both formats, for as many as
come within 1 s and 15 s at an interval of 60 s, for all targets, and for a page that was never made before.
A hold is the time between two turns of the loop. Besides the clock's it is told in CPU time of the loop's own
thread, which does not count what other programs of the machine took.

End to end: the installed command with that many targets, scraped each second as Prometheus does, and its own
`event_loop_lag_seconds`, scraped and left alone. Exit status 1 if the bound is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from benchmarks.bench import (
    ENVIRONMENT,
    buckets,
    every,
    exporter,
    fetch,
    page,
    percentile,
    two_cores,
    value,
    variables,
    verdict,
)
from benchmarks.provider import provider
from exporter.observing import Metrics
from exporter.outcome import CHECKS, Outcome, Phase, StepRecord
from exporter.reasons import Fault, Reason
from exporter.target import Journey, Target

BOUND = 0.005
SCRAPED = 0.001
"""Share of beats that a scrape may add to those late by more; what others take shows left alone, too."""
BUCKETS = (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0)
INTERVAL = 60
WINDOWS = 3
"""Times that the command is left alone, and then scraped."""
LAG = "pingone_flow_exporter_event_loop_lag_seconds"
PROMETHEUS = {
    "Accept": "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3",
    "Accept_Encoding": "gzip",
}


class Holds(NamedTuple):
    """How long the loop was held, turn by turn, in milliseconds: by the clock, and in CPU time."""

    wall: list[float]
    cpu: list[float]

    async def watch(self) -> None:
        """Take a turn whenever there is one, until cancelled."""
        wall, cpu = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(0)
            now_wall, now_cpu = time.perf_counter(), time.thread_time()
            self.wall.append((now_wall - wall) * 1000)
            self.cpu.append((now_cpu - cpu) * 1000)
            wall, cpu = now_wall, now_cpu


def target(number: int) -> Target:
    """Return a target as operators have them."""
    return Target(
        name=f"target_{number:04}",
        source_environment_id=ENVIRONMENT,
        destination_environment_id=ENVIRONMENT,
        client_id="benchmark",
        source_url=f"https://auth.pingone.eu/{ENVIRONMENT}",
        redirect_uri=f"https://auth.pingone.eu/{ENVIRONMENT}/rp/callback/openid_connect",
        labels=(("owner", "identity"), ("tier", "1")),
    )


def outcome(of: Target, number: int) -> Outcome:
    """Return a success that differs from the one before it in what usually differs."""
    jitter = number % 97 / 1000
    phases = dict(zip(Phase, (0.01, 0.02, 0.03, 0.1 + jitter, 0.001 + jitter / 50), strict=True))
    record = StepRecord(
        step="authorize",
        reason=Reason.OK,
        phase=Phase.TRANSFER,
        phases=phases,
        http_status_code=200,
        flow_status="USERNAME_PASSWORD_REQUIRED",
        checks=dict.fromkeys(CHECKS, True),
        lifetime=900.0,
        clock_skew=0.01 + jitter,
        clock_skew_error=0.05 + jitter,
    )
    at = 1_800_000_000.0 + number
    return Outcome(
        target=of.name,
        journey=Journey.AUTHORIZE,
        reason=Reason.OK,
        fault=Fault.NONE,
        step="authorize",
        phase=Phase.TRANSFER,
        started_at=at,
        ended_at=at + sum(phases.values()),
        duration=sum(phases.values()),
        transaction_id=f"03cf5c5a-eb10-4a99-9626-{number:012}",
        steps=(record,),
    )


async def in_process(count: int, rounds: int) -> list[tuple[str, float]]:
    """Print the holds of each case, and return the longest in CPU time of each."""
    targets = [target(number) for number in range(count)]
    worst = []
    print(f"{'in process':<42} {'wall ms':>22} {'CPU ms':>22}   {'page':>9}")
    for openmetrics in (False, True):
        form = "OpenMetrics" if openmetrics else "text"
        metrics = Metrics(targets, buckets=BUCKETS)
        for number, each in enumerate(targets):
            metrics.observe(outcome(each, number))
        gc.collect()
        gc.freeze()  # as the command does
        cases = {"first": count, "1 s": count // INTERVAL, "15 s": 15 * count // INTERVAL, "all": count}
        for case, changed in cases.items():
            name = f"{form}, {case}: {changed} of {count} changed"
            longest = await case_of(name, metrics, targets[:changed], 1 if case == "first" else rounds)
            worst.append((name, longest))
    return worst


async def case_of(name: str, metrics: Metrics, changed: Iterable[Target], rounds: int) -> float:
    """Print the holds of some scrapes, and return the median of their longest, in CPU milliseconds."""
    longest: list[float] = []
    walls: list[float] = []
    all_wall: list[float] = []
    totals = []
    size = 0
    for number in range(rounds):
        for each in changed:
            metrics.observe(outcome(each, number))
        holds = Holds([], [])
        watching = asyncio.create_task(holds.watch())
        await asyncio.sleep(0.01)
        begun = time.perf_counter()
        holds.wall.clear()
        holds.cpu.clear()
        size = len(await metrics.render("OpenMetrics" in name))
        totals.append((time.perf_counter() - begun) * 1000)
        await asyncio.sleep(0)
        watching.cancel()
        with suppress(asyncio.CancelledError):
            await watching
        longest.append(max(holds.cpu))
        walls.append(max(holds.wall))
        all_wall += [hold for hold in holds.wall if hold > 0.1]  # noqa: PLR2004  what is no hold at all
    held = f"max {statistics.median(walls):5.2f} p99 {percentile(all_wall, 0.99):5.2f}"
    own = f"max {statistics.median(longest):5.2f} ({max(longest):5.2f})"
    print(
        f"{name:<42} {held:>22} {own:>22}   {size / 1e6:6.2f} MB in {statistics.median(totals):4.0f} ms",
        flush=True,
    )
    return statistics.median(longest)


async def end_to_end(count: int, seconds: float) -> tuple[float, float]:
    """Print the command's own lag, and return the median shares over the bound: left alone, and scraped."""
    async with provider() as port:
        environ = variables(
            {f"target_{number:04}": {} for number in range(count)},
            auth_url=f"http://127.0.0.1:{port}",
            interval=f"{INTERVAL}s",
        )
        async with exporter(environ) as daemon:
            known = "pingone_flow_probe_success"
            # First probes of one host begin 50 ms apart.
            while value(await page(daemon.address, "/metrics"), known) < count:  # noqa: ASYNC110  another process
                await asyncio.sleep(2)
            shares = []
            took = []
            for _ in range(WINDOWS):
                before = buckets(await page(daemon.address, "/metrics"), LAG)
                await asyncio.sleep(seconds)
                alone = buckets(await page(daemon.address, "/metrics"), LAG)
                async for begun in every(1.0, time.monotonic() + seconds):
                    size = len(await fetch(daemon.address, "/metrics", **PROMETHEUS))
                    took.append((time.monotonic() - begun) * 1000)
                scraped = buckets(await page(daemon.address, "/metrics"), LAG)
                pair = lag("left alone", before, alone), lag("scraped each second", alone, scraped)
                shares.append(pair)
    print(f"end to end, {count} targets: {size / 1e6:.2f} MB gzip in {statistics.median(took):.0f} ms")
    left_alone, busy = zip(*shares, strict=True)
    return statistics.median(left_alone), statistics.median(busy)


def lag(name: str, before: dict[float, float], after: dict[float, float]) -> float:
    """Print how late the loop was between two pages, and return the share over the bound."""
    counts = {bound: after[bound] - before[bound] for bound in after}
    samples = counts[max(counts)]
    late = ", ".join(
        f"over {bound * 1000:g} ms {samples - counts[bound]:.0f}" for bound in counts if bound <= 10 * BOUND
    )
    print(f"{name:<42} of {samples:.0f} beats {late}")
    return 1 - counts[BOUND] / samples


async def measure(count: int, rounds: int, seconds: float) -> bool:
    """Print all, and return whether the bound is kept."""
    worst = await in_process(count, rounds)
    alone, scraped = await end_to_end(count, seconds)
    kept = [verdict(longest <= BOUND * 1000, f"{name}: {longest:.2f} ms of CPU") for name, longest in worst]
    text = f"over {BOUND * 1000:g} ms late: {alone:.2%} of beats alone, {scraped:.2%} scraped"
    kept.append(verdict(scraped - alone <= SCRAPED, text))
    return all(kept)


def main() -> None:
    """Measure and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--targets", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    two_cores()
    sys.exit(0 if asyncio.run(measure(options.targets, options.rounds, options.seconds)) else 1)


if __name__ == "__main__":
    main()
