"""What the benchmarks share: the installed command as a process, its page, and how figures are told."""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

COMMAND = Path(sys.executable).with_name("pingone-flow-exporter")
ENVIRONMENT = "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"
CORES = 2
_FLOW_ID = "03cf5c5a-eb10-4a99-9626-ad7b50f17c80"
_LISTENING = re.compile(rb'msg"?[=:] ?"?listening"?,? "?address"?[=:] ?"?([^\s"]+)')


def flow(port: int) -> bytes:
    """Return a healthy flow of a provider on a port of loopback, after PingOne's own."""
    here = f"http://127.0.0.1:{port}/{ENVIRONMENT}"
    links = {
        name: {"href": f"{here}/flows/{_FLOW_ID}"}
        for name in ("usernamePassword.check", "password.forgot", "self")
    }
    return json.dumps(
        {
            "_links": links,
            "_embedded": {"application": {"name": "SourceApp_1776714341"}},
            "id": _FLOW_ID,
            "environment": {"id": ENVIRONMENT},
            "resumeUrl": f"{here}/as/resume?flowId={_FLOW_ID}",
            "status": "USERNAME_PASSWORD_REQUIRED",
            "createdAt": "2026-04-20T19:54:09.271Z",
            "expiresAt": "2026-04-20T20:09:09.271Z",
        }
    ).encode()


def answer(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """Return a whole response."""
    lines = (f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join((*lines, "", "")).encode() + body


def variables(targets: Mapping[str, Mapping[str, str]], **defaults: str) -> dict[str, str]:
    """Return the settings of targets, name -> fields; `defaults` hold for all of them."""
    common = {
        "source_environment_id": ENVIRONMENT,
        "destination_environment_id": ENVIRONMENT,
        "client_id": "benchmark",
        **defaults,
    }
    return {
        "FLOW_EXPORTER_TARGETS": json.dumps(targets),
        "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0",
        **{f"FLOW_EXPORTER_DEFAULTS__{name.upper()}": value for name, value in common.items()},
    }


@dataclass(frozen=True, slots=True)
class Daemon:
    """The command, running.

    Args:
        address: where its page is, host and port.
        ready_after: seconds from exec to the first 200 of `/-/ready`.
        process: itself.
        log: the file of its standard error.
    """

    address: str
    ready_after: float
    process: subprocess.Popen[bytes]
    log: Path


@asynccontextmanager
async def exporter(environ: Mapping[str, str]) -> AsyncIterator[Daemon]:
    """Run the command while the block runs, with these variables and no others."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        begun = time.perf_counter()
        with log.open("wb") as stderr:
            process = subprocess.Popen(  # noqa: ASYNC220  starting it is not timed
                [COMMAND], env={"PATH": os.environ["PATH"], **environ}, cwd=directory, stderr=stderr
            )
        try:
            while (found := _LISTENING.search(log.read_bytes())) is None:
                if process.poll() is not None:
                    sys.exit(f"the exporter ended: {log.read_text()}")
                await asyncio.sleep(0.005)
            address = found[1].decode()
            while await page(address, "/-/ready") != "ready":  # noqa: ASYNC110  another process
                await asyncio.sleep(0.005)
            yield Daemon(address, time.perf_counter() - begun, process, log)
        finally:
            process.terminate()
            process.wait()


async def page(address: str, path: str, **headers: str) -> str:
    """Fetch a page without holding this process' loop; a refusal's text is a page too."""
    return (await fetch(address, path, **headers)).decode()


async def fetch(address: str, path: str, **headers: str) -> bytes:
    """Fetch the bytes of a page as they were sent; header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def get() -> bytes:
        request = urllib.request.Request(f"http://{address}{path}", headers=named)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310  likewise
                content: bytes = response.read()
        except urllib.error.HTTPError as refusal:
            return refusal.read()
        return content

    return await asyncio.to_thread(get)


async def every(seconds: float, until: float) -> AsyncIterator[float]:
    """Yield the monotonic time at a steady pace, now and then until that time, without drift."""
    due = time.monotonic()
    while due < until:
        yield time.monotonic()
        due += seconds
        await asyncio.sleep(max(0.0, due - time.monotonic()))


def two_cores() -> None:
    """Keep this process, and those that it starts, on as many cores as the figures are told for."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])


def value(text: str, name: str, **labels: str) -> float:
    """Return the sum of all samples of a name with these labels."""
    total = 0.0
    for line in text.splitlines():
        if re.match(rf"{name}[{{ ]", line) and all(
            f'{key}="{wanted}"' in line for key, wanted in labels.items()
        ):
            total += float(line.rpartition(" ")[2])
    return total


def buckets(text: str, name: str) -> dict[float, float]:
    """Return a histogram without labels, upper bound -> values up to it."""
    found = re.findall(rf'^{name}_bucket{{le="(.*?)"}} (\S+)', text, re.MULTILINE)
    return {float(bound): float(count) for bound, count in found}


def bound_of(histogram: Mapping[float, float], share: float) -> float:
    """Return the least bound that this share of a histogram's values keeps."""
    total = max(histogram.values())
    return min(bound for bound, count in histogram.items() if count >= share * total)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the least of `values` that this share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def show(name: str, values: Sequence[float], unit: str = "ms") -> None:
    """Print a median with its range."""
    median = statistics.median(values)
    print(f"{name:<34} median {median:9.2f} {unit}   ({min(values):.2f} to {max(values):.2f})")


def verdict(kept: bool, text: str) -> bool:  # noqa: FBT001  the one thing there is to say
    """Print whether a bound is kept, and return it."""
    print(f"{'kept  ' if kept else 'BROKEN'} {text}", flush=True)
    return kept
