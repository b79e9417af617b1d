"""Measure what a number of targets costs when each is probed once a minute."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass

from benchmarks.processes import SCRAPE_HEADERS, Provider, every, exporter, settings
from benchmarks.samples import buckets, quantile, series

LAG = "pingone_flow_exporter_schedule_lag_seconds"
LOOP_LAG = "pingone_flow_exporter_event_loop_lag_seconds"
_SCRAPE_EVERY_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Scale:
    """What a number of targets costs.

    Args:
        targets: how many.
        ready_ms: from exec until ready.
        scrape_ms: median time of a scrape, gzip, as Prometheus asks for it.
        page_bytes: size of the page.
        gzip_bytes: size of a scrape.
        series: samples on the page.
        memory_mb: proportional set size.
        cpu_percent: of one core, scrapes included.
        lag_p99_ms: how late probes started.
        loop_lag_p99_ms: how late the event loop ran.
    """

    targets: int
    ready_ms: float
    scrape_ms: float
    page_bytes: int
    gzip_bytes: int
    series: int
    memory_mb: float
    cpu_percent: float
    lag_p99_ms: float
    loop_lag_p99_ms: float


async def measure(probed: Provider, targets: int, seconds: float) -> Scale:
    """Start an exporter, wait until every target was probed once, and measure it for some seconds."""
    answered = probed.count()
    async with exporter(settings(probed, probed.urls(targets), interval="60s", timeout="10s")) as daemon:
        while probed.count() < answered + targets:  # noqa: ASYNC110  another process
            await asyncio.sleep(0.5)
        await daemon.scrape()  # the first one renders every target
        await asyncio.sleep(1)
        before = await daemon.page()
        await asyncio.sleep(1)
        cpu, started = daemon.cpu_seconds(), time.monotonic()
        beats = every(_SCRAPE_EVERY_SECONDS, started + seconds)
        scrapes = [await daemon.scrape() * 1000 async for _ in beats]
        await asyncio.sleep(max(0.0, started + seconds - time.monotonic()))
        used = daemon.cpu_seconds() - cpu
        passed = time.monotonic() - started
        after = await daemon.page()
        compressed = await daemon.get("/metrics", SCRAPE_HEADERS)
        return Scale(
            targets=targets,
            ready_ms=daemon.ready_after * 1000,
            scrape_ms=statistics.median(scrapes),
            page_bytes=len(after.encode()),
            gzip_bytes=len(compressed),
            series=series(after),
            memory_mb=daemon.memory_mb(),
            cpu_percent=100 * used / passed,
            lag_p99_ms=1000 * quantile(buckets(before, LAG), buckets(after, LAG), 0.99),
            loop_lag_p99_ms=1000 * quantile(buckets(before, LOOP_LAG), buckets(after, LOOP_LAG), 0.99),
        )


async def start_ms(probed: Provider, targets: int, runs: int) -> float:
    """Return the median time from exec until ready."""
    times = []
    for _ in range(runs):
        async with exporter(settings(probed, probed.urls(targets))) as daemon:
            times.append(daemon.ready_after * 1000)
    return statistics.median(times)


async def history_kb(probed: Provider, targets: int = 100, probes: int = 55) -> float:
    """Return by how much memory grows per target until its history of recent probes is full."""
    async with exporter(settings(probed, probed.urls(targets), interval="1s", timeout="900ms")) as daemon:
        await asyncio.sleep(3)
        await daemon.scrape()
        before = daemon.memory_mb()
        await asyncio.sleep(probes - 3)
        await daemon.scrape()
        return 1000 * (daemon.memory_mb() - before) / targets
