"""Soak: does the exporter stay as it is while everything that it probes fails?

    python benchmarks/soak.py [--minutes 10] [--rate 50]

Runs the installed command against every fault of faults.py, a probe of each target a second, scraped each
second, and looks at the process each ten seconds. Prints a verdict per bound; exit status 1 if one is
broken:

    memory        resident, within 5 MB after the first minute
    descriptors   the same number, but for one or two connections in flight
    threads       likewise
    books         every run that was due is counted once or skipped with its cause, target by target
    reasons       each fault is reported as what it is, and never as our own
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from benchmarks.bench import buckets, every, exporter, page, two_cores, value, variables, verdict
from benchmarks.faults import FAULTS, providers, reasons

INTERVAL = 1.0
LOOK_EVERY = 10
"""Scrapes between two looks at the process."""
SETTLING = 60.0
"""Seconds before anything must be flat; a quarter of a short run."""
MEMORY_MB = 5.0
FEW = 5
"""Descriptors and threads by which the median minute may differ: what is in flight as one looks."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a process looked like.

    Args:
        at: monotonic seconds.
        megabytes: resident.
        descriptors: open ones.
        threads: of the process.
    """

    at: float
    megabytes: float
    descriptors: int
    threads: int

    @classmethod
    def at_process(cls, pid: int) -> Look:
        """Take one now; proc(5)."""
        status = Path(f"/proc/{pid}/status").read_text()
        resident, threads = re.search(r"VmRSS:\s+(\d+)", status), re.search(r"Threads:\s+(\d+)", status)
        assert resident is not None  # noqa: S101  every live process has one
        assert threads is not None  # noqa: S101  likewise
        descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
        return cls(time.monotonic(), int(resident[1]) / 1024, descriptors, int(threads[1]))


@dataclass(frozen=True, slots=True)
class Books:
    """What became of the runs of each target until now.

    Args:
        at: monotonic seconds.
        counted: target -> reason -> finished probes.
        skipped: target -> cause -> due runs not done.
    """

    at: float
    counted: dict[str, Counter[str]]
    skipped: dict[str, Counter[str]]

    @classmethod
    def of(cls, text: str, at: float) -> Books:
        """Read them off the page."""
        counted = _by(text, "pingone_flow_probes_total", "reason")
        return cls(at, counted, _by(text, "pingone_flow_exporter_probes_skipped_total", "cause"))

    def booked(self, target: str) -> int:
        """Return how many due runs of a target are accounted for."""
        return self.counted[target].total() + self.skipped[target].total()


def _by(text: str, name: str, label: str) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for line in text.splitlines():
        if line.startswith(f"{name}{{"):
            labels = dict(re.findall(r'(\w+)="(.*?)"', line))
            counts = found.setdefault(labels["target"], Counter())
            counts[labels[label]] += int(float(line.rpartition(" ")[2]))
    return found


async def soak(seconds: float, rate: int) -> tuple[list[Look], Books, Books, str]:
    """Return the looks, the books as it had settled and at the end, and the last page."""
    settling = min(SETTLING, seconds / 4)
    looks: list[Look] = []
    books: list[Books] = []
    with tempfile.TemporaryDirectory() as directory:
        async with providers(Path(directory)) as found:
            kinds = islice(cycle(found.items()), int(rate * INTERVAL))
            targets = {f"{name}_{number}": fields for number, (name, fields) in enumerate(kinds)}
            environ = variables(targets, interval=f"{INTERVAL:g}s", timeout="400ms")
            async with exporter(environ) as daemon:
                begun = time.monotonic()
                scrape = 0
                async for at in every(1.0, begun + seconds):
                    text = await page(daemon.address, "/metrics")
                    if scrape % LOOK_EVERY == 0:
                        looks.append(Look.at_process(daemon.process.pid))
                        tell(looks[-1], looks[0].at)
                    if at - begun >= settling - 0.5:
                        books.append(Books.of(text, at))
                    scrape += 1
    settled = [look for look in looks if look.at - begun >= settling]
    return settled, books[0], books[-1], text


def tell(look: Look, since: float) -> None:
    """Print a look."""
    print(
        f"{look.at - since:6.0f} s  {look.megabytes:7.1f} MB  {look.descriptors:4} descriptors"
        f"  {look.threads:3} threads",
        flush=True,
    )


def flat(name: str, values: list[int]) -> bool:
    """Tell whether the medians of each six looks, a minute, agree."""
    medians = [statistics.median(values[first : first + 6]) for first in range(0, len(values), 6)]
    spread = max(medians) - min(medians)
    return verdict(
        spread <= FEW,
        f"{name:<12} {min(medians):g} to {max(medians):g} by the minute, {min(values)} to {max(values)}",
    )


def balanced(before: Books, after: Books) -> bool:
    """Tell whether what was due between two pages is what was counted and skipped."""
    due = (after.at - before.at) / INTERVAL
    booked = {target: after.booked(target) - before.booked(target) for target in after.counted}
    off = {target: count - due for target, count in booked.items() if abs(count - due) > 1}
    skipped: Counter[str] = Counter()
    for target, causes in after.skipped.items():
        skipped += causes - before.skipped[target]
    counted = sum(booked.values()) - skipped.total()
    text = (
        f"{'books':<12} {due * len(booked):.1f} due of {len(booked)} targets: {counted} counted, "
        + ", ".join(f"{count} {cause}" for cause, count in sorted(skipped.items()))
    )
    return verdict(not off, f"{text}; off by more than one: {off}" if off else text)


def as_expected(after: Books) -> bool:
    """Tell fault by fault what its targets were reported as."""
    kept = []
    for name, reason in reasons():
        found: Counter[str] = Counter()
        for target, counts in after.counted.items():
            if target.rpartition("_")[0] == name:
                found += counts
        told = ", ".join(f"{count} {what}" for what, count in found.most_common())
        kept.append(verdict(set(found) == {reason}, f"{name:<16} {reason:<12} {told}"))
    return all(kept)


def judged(looks: list[Look], before: Books, after: Books, text: str) -> bool:
    """Print a verdict per bound, and return whether all are kept."""
    megabytes = [look.megabytes for look in looks]
    spread = max(megabytes) - min(megabytes)
    internal = value(text, "pingone_flow_probes_total", reason="internal")
    lag = buckets(text, "pingone_flow_exporter_event_loop_lag_seconds")
    late = {bound: lag[max(lag)] - count for bound, count in lag.items()}
    print(f"stalled {value(text, 'pingone_flow_exporter_probes_stalled_total'):.0f}")
    print(
        "loop late " + ", ".join(f"over {bound * 1000:g} ms {late[bound]:.0f}" for bound in (0.01, 0.05, 0.1))
    )
    return all(
        [
            verdict(
                spread <= MEMORY_MB,
                f"{'memory':<12} {min(megabytes):.1f} to {max(megabytes):.1f} MB, "
                f"{megabytes[-1] - megabytes[0]:+.1f} MB from first to last",
            ),
            flat("descriptors", [look.descriptors for look in looks]),
            flat("threads", [look.threads for look in looks]),
            balanced(before, after),
            verdict(internal == 0, f"{'internal':<12} {internal:.0f}"),
            as_expected(after),
        ]
    )


def main() -> None:
    """Soak and judge."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=int, default=50, help=f"probes a second, at least {len(FAULTS)}")
    options = parser.parse_args()
    two_cores()
    sys.exit(0 if judged(*asyncio.run(soak(options.minutes * 60, options.rate))) else 1)


if __name__ == "__main__":
    main()
