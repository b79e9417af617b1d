"""Honesty: how much longer than the provider took is it reported to have taken?

    python benchmarks/honesty.py [--runs 3] [--seconds 30]

100 targets at an interval of 1 s are probed, and the exporter scraped each second, on two cores that it
shares with the provider. Reported minus true processing time of every single probe; the truth is taken
inside the provider (see provider.py). The peer, blackbox_exporter, does the same work in turn: 100 probes
a second of the same provider, asked for by `/probe`, and its own page scraped each second.

What was reported is read from where every probe is found: here the log lines at debug, which is more work
than the exporter does at its default level; there the answers of `/probe`. Exit status 1 if a bound is
broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from benchmarks.bench import every, exporter, page, percentile, two_cores, variables, verdict
from benchmarks.provider import provider, truths

if TYPE_CHECKING:
    from benchmarks.provider import Truth

TARGETS = 100
SETTLING = 6.0
"""Seconds that are not compared: first probes of one host begin 50 ms apart."""
FEW = 0.01
"""Share of probes that may go without a processing time."""
PEER = "prometheus-blackbox-exporter"
SHARES = {"p50": 0.5, "p99": 0.99}
BOUNDS_MS = {"p50": 1.0, "p99": 3.0}

_PEERS_PROCESSING = re.compile(rb'^probe_http_duration_seconds{phase="processing"} (\S+)', re.MULTILINE)
_PEERS_MODULE = "modules: {http_2xx: {prober: http, timeout: 900ms, http: {preferred_ip_protocol: ip4}}}\n"


async def of_exporter(port: int, seconds: float) -> list[float]:
    """Return reported minus true milliseconds of the exporter's probes."""
    environ = variables(
        {f"target_{number:03}": {} for number in range(TARGETS)},
        auth_url=f"http://127.0.0.1:{port}",
        interval="1s",
        timeout="900ms",
    )
    environ |= {"FLOW_EXPORTER_LOG__LEVEL": "debug", "FLOW_EXPORTER_LOG__FORMAT": "json"}
    async with exporter(environ) as daemon:
        begun = time.monotonic()
        async for _ in every(1.0, begun + SETTLING + seconds):
            await page(daemon.address, "/metrics")
        daemon.process.terminate()
        await asyncio.to_thread(daemon.process.wait)
        reported = {}
        for line in daemon.log.read_text().splitlines():
            event = json.loads(line)
            for step in event.get("steps", ()):
                if "processing" in step["phases"]:
                    reported[event["transaction_id"]] = step["phases"]["processing"]
    return differences(reported, await truths(port), begun + SETTLING, begun + SETTLING + seconds)


async def of_peer(port: int, seconds: float) -> list[float]:
    """Return reported minus true milliseconds of blackbox_exporter's probes."""
    async with peer() as address:
        begun = time.monotonic()
        until = begun + SETTLING + seconds
        asking = [asyncio.create_task(ask(address, port, number, begun, until)) for number in range(TARGETS)]
        async for _ in every(1.0, until):
            await page(address, "/metrics")
        reported = {probe: took for found in await asyncio.gather(*asking) for probe, took in found.items()}
    return differences(reported, await truths(port), begun + SETTLING, until)


async def ask(address: str, port: int, number: int, begun: float, until: float) -> dict[str, float]:
    """Ask for a probe of one target each second, as Prometheus does: on a connection that is kept."""
    reported = {}
    reader, writer = await asyncio.open_connection(*address.split(":"))
    await asyncio.sleep(number / TARGETS)
    async for at in every(1.0, until):
        probe = f"{number}-{at - begun:.0f}"
        target = quote(f"http://127.0.0.1:{port}/?probe={probe}", safe="")
        writer.write(
            f"GET /probe?module=http_2xx&target={target} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()
        )
        found = _PEERS_PROCESSING.search(await body(reader))
        if found is not None:
            reported[probe] = float(found[1])
    writer.close()
    return reported


async def body(reader: asyncio.StreamReader) -> bytes:
    """Read one response; Go sends one of this size in chunks (RFC 9112, 7.1)."""
    await reader.readuntil(b"\r\n\r\n")
    chunks = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        chunks.append(await reader.readexactly(size))
        await reader.readexactly(2)
    await reader.readexactly(2)
    return b"".join(chunks)


@asynccontextmanager
async def peer() -> AsyncIterator[str]:
    """Run blackbox_exporter while the block runs; yield its address."""
    command = shutil.which(PEER)
    assert command is not None  # noqa: S101  looked for before
    with tempfile.TemporaryDirectory() as directory, socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
        free.close()
        config = Path(directory) / "blackbox.yml"
        config.write_text(_PEERS_MODULE)
        options = (f"--config.file={config}", f"--web.listen-address={address}", "--log.level=error")
        process = subprocess.Popen([command, *options])  # noqa: ASYNC220  starting it is not timed
        try:
            while True:
                try:
                    await page(address, "/-/healthy")
                    break
                except OSError:
                    await asyncio.sleep(0.05)
            yield address
        finally:
            process.terminate()
            process.wait()


def differences(
    reported: Mapping[str, float], true: Mapping[str, Truth], since: float, until: float
) -> list[float]:
    """Return reported minus true, in milliseconds, of the requests that came in that time.

    A probe that was given up has no such time to report. On two cores that have nothing else to do there is
    none; more than a few say that the machine was too busy to measure anything.
    """
    wanted = {probe: truth for probe, truth in true.items() if since <= truth.at < until - 1}
    compared = [
        (reported[probe] - truth.seconds) * 1000 for probe, truth in wanted.items() if probe in reported
    ]
    missing = len(wanted) - len(compared)
    if missing:
        print(f"{missing} of {len(wanted)} probes have no processing time", flush=True)
    if missing > FEW * len(wanted):
        sys.exit("too many to compare the rest")
    return compared


def tell(name: str, runs: list[list[float]]) -> dict[str, float]:
    """Print a line, the medians over the runs with their ranges, and return them."""
    cells = []
    medians = {}
    for label, share in SHARES.items():
        found = [percentile(run, share) for run in runs]
        medians[label] = statistics.median(found)
        cells.append(f"{label} {medians[label]:6.2f} ms ({min(found):.2f} to {max(found):.2f})")
    print(f"{name:<24} {'   '.join(cells)}   {sum(map(len, runs))} probes", flush=True)
    return medians


async def measure(runs: int, seconds: float) -> bool:
    """Print both side by side, and return whether the bounds are kept."""
    ours: list[list[float]] = []
    peers: list[list[float]] = []
    async with provider() as port:
        for _ in range(runs):
            ours.append(await of_exporter(port, seconds))
            tell("pingone-flow-exporter", ours[-1:])
            if shutil.which(PEER):
                peers.append(await of_peer(port, seconds))
                tell("blackbox_exporter", peers[-1:])
    print("reported minus true processing time, medians over the runs:")
    found = tell("pingone-flow-exporter", ours)
    if peers:
        theirs = tell("blackbox_exporter", peers)
        ratios = "   ".join(f"{label} {found[label] / theirs[label]:6.2f}" for label in SHARES)
        print(f"{'ratio':<24} {ratios}")
    else:
        print(f"no {PEER} is installed to be compared with")
    kept = [verdict(found[label] <= bound, f"{label} <= {bound:g} ms") for label, bound in BOUNDS_MS.items()]
    return all(kept)


def main() -> None:
    """Measure and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=30)
    options = parser.parse_args()
    two_cores()
    sys.exit(0 if asyncio.run(measure(options.runs, options.seconds)) else 1)


if __name__ == "__main__":
    main()
