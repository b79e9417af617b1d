"""Probe a provider that fails in every way for minutes, and check that the exporter stays as it is.

    python -m benchmarks.soak [--minutes 10] [--rate 50]

The provider is the project's own simulator. Each target is probed once a second, and so is the page scraped.
Exit status 1 if one of these does not hold after the first minute:

    memory        resident, within 5 MB
    descriptors   the same number, apart from connections in flight
    threads       likewise
    runs          every due run of every target was completed once, or skipped with a cause
    internal      no probe was reported as a failure of the exporter
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from benchmarks.processes import COMMAND, ended, every, exporter
from benchmarks.samples import total

WEATHER = (
    *("healthy", "slow,ms=2000", "flaky", "rate_limited,retry_after=1", "error_json", "error_html", "silent"),
    *("refused", "reset", "flow_failed", "policy_changed", "maintenance", "client_deleted"),
    *("redirect_uri_removed", "clock_skewed"),
)
SETTLING_SECONDS = 60.0
MAX_MEMORY_GROWTH_MB = 5.0
MAX_HANDLE_SPREAD = 5
"""Descriptors and threads by which the medians of two minutes may differ."""
_LOOK_EVERY = 10
_COUNTERS = {"pingone_flow_probes_total", "pingone_flow_exporter_probes_skipped_total"}


@dataclass(frozen=True, slots=True)
class Look:
    """What the process and its page looked like.

    Args:
        at: monotonic seconds.
        megabytes: resident memory.
        descriptors: open ones.
        threads: of the process.
        runs: due runs of each target that were completed or skipped.
        internal: probes that the exporter itself failed.
    """

    at: float
    megabytes: float
    descriptors: int
    threads: int
    runs: Counter[str]
    internal: float


def look(process: subprocess.Popen[bytes], page: str, at: float) -> Look:
    """Read the process (proc(5)) and its page."""
    status = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8")
    resident, threads = (int(re.findall(rf"{name}:\s+(\d+)", status)[0]) for name in ("VmRSS", "Threads"))
    runs: Counter[str] = Counter()
    for name, target, count in re.findall(r'^(\w+){.*?target="(\w+)".*} (\S+)$', page, re.MULTILINE):
        if name in _COUNTERS:
            runs[target] += int(float(count))
    internal = total(page, "pingone_flow_probes_total", reason="internal")
    descriptors = sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir())
    return Look(at, resident / 1024, descriptors, threads, runs, internal)


@contextmanager
def simulator(environments: int) -> Iterator[dict[str, str]]:
    """Run the simulator and yield the variables with which an exporter watches it."""
    command = [str(COMMAND), "simulate", f"--environments={environments}"]
    for number, weather in enumerate(islice(cycle(WEATHER), environments), 1):
        command.append(f"--weather=environment_{number}={weather}")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with ended(process):
        assert process.stdout is not None  # noqa: S101  for the type checker
        variables = {}
        for line in process.stdout:
            if found := re.match(r"export (FLOW_EXPORTER_\w+)='?(.*?)'?$", line.strip()):
                variables[found[1]] = found[2]
            elif variables and not line.startswith("export"):
                break
        yield variables


async def soak(seconds: float, rate: int) -> list[Look]:
    """Run it and return what was seen after the first minute, or quarter of a short run."""
    settling = min(SETTLING_SECONDS, seconds / 4)
    looks = []
    with simulator(rate) as environ:
        environ |= {
            "FLOW_EXPORTER_DEFAULTS__INTERVAL": "1s",
            "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "400ms",
            "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0",
        }
        async with exporter(environ) as daemon:
            started, scrapes = time.monotonic(), 0
            async for at in every(1.0, started + seconds):
                page = (await daemon.get("/metrics")).decode()
                if at - started >= settling and scrapes % _LOOK_EVERY == 0:
                    looks.append(look(daemon.process, page, at))
                    print(f"{at - started:6.0f} s  {looks[-1].megabytes:7.1f} MB", flush=True)
                scrapes += 1
    return looks


def check(looks: Sequence[Look]) -> bool:
    """Print whether each bound is kept, and return whether all are."""
    first, last = looks[0], looks[-1]
    memory = max(each.megabytes for each in looks) - min(each.megabytes for each in looks)
    due = last.at - first.at
    off = {name: runs - first.runs[name] for name, runs in last.runs.items()}
    off = {name: runs for name, runs in off.items() if abs(runs - due) > 1}
    results = {
        f"memory within {memory:.1f} MB": memory <= MAX_MEMORY_GROWTH_MB,
        f"{due * len(last.runs):.0f} runs due of {len(last.runs)} targets; off: {off or 'none'}": not off,
        f"{last.internal:.0f} internal": not last.internal,
    }
    for name in ("descriptors", "threads"):
        values = [getattr(each, name) for each in looks]
        minutes = [statistics.median(values[start : start + 6]) for start in range(0, len(values), 6)]
        text = f"{name}: median of a minute from {min(minutes):g} to {max(minutes):g}"
        results[text] = max(minutes) - min(minutes) <= MAX_HANDLE_SPREAD
    for text, kept in results.items():
        print("ok    " if kept else "BROKEN", text)
    return all(results.values())


def main() -> None:
    """Soak and check."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=50, help="probes a second")
    options = parser.parse_args()
    sys.exit(0 if check(asyncio.run(soak(options.minutes * 60, options.rate))) else 1)


if __name__ == "__main__":
    main()
