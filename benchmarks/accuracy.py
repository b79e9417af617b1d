"""Compare what exporters report with what the provider measured, at 100 targets a second over fresh TLS."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from benchmarks.processes import (
    Program,
    Provider,
    WebProgram,
    blackbox,
    cpu_burners,
    every,
    exporter,
    settings,
)
from benchmarks.provider import Record
from benchmarks.samples import total

TARGETS = 100
SETTLING_SECONDS = 6.0
"""Not measured: the first probes of one host start 50 ms apart."""
BURNERS = 4
_GRACE_SECONDS = 1.0
"""A request at the very end of a window may not be reported yet."""

_PROCESSING = re.compile(rb'^probe_http_duration_seconds{phase="processing"} (\S+)', re.MULTILINE)
_SUCCESS = re.compile(rb"^probe_success 1", re.MULTILINE)


@dataclass(slots=True)
class Load:
    """What one program did in one or more windows.

    Args:
        errors_ms: reported minus true processing time of each probe.
        probes: requests that the provider answered.
        cpu_seconds: of the program, scrapes included.
        provider_cpu_seconds: of the provider, for the same requests.
        seconds: length of the windows.
        unreported: requests without a reported processing time.
        not_ok: probes that were reported as failed, although the provider is healthy.
        skipped: probes that were due and did not start.
        scrapes_ms: how long each scrape took.
        memory_mb: proportional set size at the end.
    """

    errors_ms: list[float] = field(default_factory=list)
    probes: int = 0
    cpu_seconds: float = 0.0
    provider_cpu_seconds: float = 0.0
    seconds: float = 0.0
    unreported: int = 0
    not_ok: int = 0
    skipped: int = 0
    scrapes_ms: list[float] = field(default_factory=list)
    memory_mb: float = 0.0

    def add(
        self, reported: Mapping[str, float], true: Mapping[str, Record], since: float, until: float
    ) -> None:
        """Compare the requests that arrived between two wall clock times."""
        within = {probe: record for probe, record in true.items() if since <= record.arrived < until}
        self.probes += len(within)
        settled = [
            (probe, record) for probe, record in within.items() if record.arrived < until - _GRACE_SECONDS
        ]
        errors = [(reported[probe] - record.seconds) * 1000 for probe, record in settled if probe in reported]
        self.errors_ms += errors
        self.unreported += len(settled) - len(errors)


@dataclass(slots=True)
class Window:
    """When a program was measured, in seconds since the epoch."""

    since: float = 0.0
    until: float = 0.0


@contextmanager
def measured(load: Load, program: Program, probed: Provider) -> Iterator[Window]:
    """Add the CPU time of a program and of the provider while the block runs."""
    window, started = Window(since=time.time()), time.monotonic()
    own, providers = program.cpu_seconds(), probed.cpu_seconds()
    yield window
    window.until = time.time()
    load.cpu_seconds += program.cpu_seconds() - own
    load.provider_cpu_seconds += probed.cpu_seconds() - providers
    load.seconds += time.monotonic() - started
    load.memory_mb = program.memory_mb()


async def measure_exporter(load: Load, probed: Provider, seconds: float, burners: int) -> None:
    """Probe once a second for some seconds. Every reported time comes from the API, after the window."""
    environ = settings(probed, [probed.url] * TARGETS, interval="1s", timeout="900ms")
    async with exporter(environ) as daemon:
        with cpu_burners(burners):
            await asyncio.sleep(SETTLING_SECONDS)
            before = await daemon.page()
            with measured(load, daemon, probed) as window:
                async for _ in every(1.0, time.monotonic() + seconds):
                    load.scrapes_ms.append(await daemon.scrape() * 1000)
            after = await daemon.page()
        load.not_ok += round(_not_ok(after) - _not_ok(before))
        skipped = "pingone_flow_exporter_probes_skipped_total"
        load.skipped += round(total(after, skipped) - total(before, skipped))
        reported = {}
        for number in range(TARGETS):
            page = json.loads(await daemon.get(f"/api/v1/targets/target_{number:04}"))
            for outcome in page["journeys"][0]["recent"]:
                phases = outcome["steps"][0]["phases"] if outcome["steps"] else {}
                if "processing" in phases:
                    reported[outcome["transaction_id"]] = phases["processing"]
    load.add(reported, probed.records(), window.since, window.until)


def _not_ok(page: str) -> float:
    name = "pingone_flow_probes_total"
    return total(page, name) - total(page, name, reason="ok")


async def measure_blackbox(load: Load, command: str, probed: Provider, seconds: float, burners: int) -> None:
    """Do the same work with a blackbox_exporter: 100 requests of `/probe` a second, as by Prometheus."""
    async with blackbox(command, probed.ca_file) as program:
        with cpu_burners(burners):
            until = time.monotonic() + SETTLING_SECONDS + seconds
            jobs = [asyncio.create_task(_request_probes(program, probed, n, until)) for n in range(TARGETS)]
            await asyncio.sleep(SETTLING_SECONDS)
            with measured(load, program, probed) as window:
                async for _ in every(1.0, until):
                    load.scrapes_ms.append(await program.scrape() * 1000)
            answers = [answer for found in await asyncio.gather(*jobs) for answer in found]
    reported = {probe: float(found[1]) for probe, _, page in answers if (found := _PROCESSING.search(page))}
    in_window = [page for _, at, page in answers if window.since <= at < window.until]
    load.not_ok += sum(_SUCCESS.search(page) is None for page in in_window)
    load.skipped += max(0, TARGETS * round(seconds) - len(in_window))
    load.add(reported, probed.records(), window.since, window.until)


async def _request_probes(
    program: WebProgram, probed: Provider, number: int, until: float
) -> list[tuple[str, float, bytes]]:
    """Request a probe of one target each second over one connection; return probe, wall time and page."""
    answers = []
    reader, writer = await asyncio.open_connection(*program.address.split(":"))
    await asyncio.sleep(number / TARGETS)
    async for at in every(1.0, until):
        probe, wall = f"{number}-{at:.3f}".replace(".", "-"), time.time()
        target = quote(f"{probed.url}/?probe={probe}", safe="")
        request = f"GET /probe?module=http&target={target} HTTP/1.1\r\nHost: {program.address}\r\n\r\n"
        writer.write(request.encode())
        answers.append((probe, wall, await _body(reader)))
    writer.close()
    return answers


async def _body(reader: asyncio.StreamReader) -> bytes:
    """Read one response, of a known length or in chunks (RFC 9112, section 7.1)."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
    if length:
        return await reader.readexactly(int(length[1]))
    chunks = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(chunks)
