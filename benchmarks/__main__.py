"""Measure the exporter beside its peers and print one table: `python -m benchmarks [--quick]`."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.accuracy import BURNERS, Load, measure_blackbox, measure_exporter
from benchmarks.processes import COMMAND, Provider, blackbox_exporters, provider, version_of
from benchmarks.report import OWN, by_targets, figures, machine, side_by_side
from benchmarks.scale import history_kb, measure, start_ms

CORES = 2
"""Everything shares two cores, so that figures of different machines can be compared."""
_BUSY = 0.5

Measure = Callable[[Load, Provider, float, int], Awaitable[None]]


def programs() -> dict[str, Measure]:
    """Return what is compared, name -> how it is measured."""
    peers = {
        name: partial(_measure_blackbox, command=command) for name, command in blackbox_exporters().items()
    }
    return {OWN: measure_exporter, **peers}


async def _measure_blackbox(
    load: Load, probed: Provider, seconds: float, burners: int, *, command: str
) -> None:
    await measure_blackbox(load, command, probed, seconds, burners)


async def compare(
    probed: Provider, measures: Mapping[str, Measure], rounds: int, seconds: float, burners: int
) -> dict[str, dict[str, float]]:
    """Measure all programs in turn, `rounds` times, and return their figures."""
    loads = {name: Load() for name in measures}
    for number in range(rounds):
        for name, measure_one in measures.items():
            _progress(f"{name}, {burners} CPU burners, round {number + 1} of {rounds}")
            await measure_one(loads[name], probed, seconds, burners)
    return {name: figures(load) for name, load in loads.items()}


async def bench(*, quick: bool) -> dict[str, Any]:
    """Measure everything, print the tables, and return all figures."""
    result: dict[str, Any] = {"machine": machine(), "version": version_of([COMMAND, "--version"])}
    # Short rounds, in turn: the speed of a virtual machine changes within a minute.
    rounds, seconds, window = (1, 10.0, 10.0) if quick else (4, 10.0, 30.0)
    compared = dict(list(programs().items())[: 2 if quick else None])
    sizes = (10, 100, 1000) if quick else (10, 100, 1000, 5000)
    print(result["version"], *(f"{key}: {value}" for key, value in result["machine"].items()), sep="\n")
    if result["machine"]["load_average_before"] > _BUSY:
        print("The machine is busy: only ratios within this run mean something.")
    with provider() as probed:
        for title, key, burners in (
            ("100 targets a second over fresh TLS, nothing else running", "calm", 0),
            (f"The same beside {BURNERS} CPU burners at normal priority", "busy", BURNERS),
        ):
            result[key] = await compare(probed, compared, rounds, seconds, burners)
            _print(side_by_side(title, result[key]))
        scales = []
        for targets in sizes:
            _progress(f"{targets} targets once a minute")
            scales.append(await measure(probed, targets, window))
        result["scale"] = [asdict(scale) for scale in scales]
        _print(by_targets(scales))
        _progress("start, history")
        result["start_ms"] = {n: await start_ms(probed, n, 1 if quick else 5) for n in (1, 100, 1000)}
        lines = [
            f"start until ready, {n:,} targets: {found:.0f} ms" for n, found in result["start_ms"].items()
        ]
        if not quick:
            result["history_kb_per_target"] = await history_kb(probed)
            lines.append(f"memory of a full history, per target: {result['history_kb_per_target']:.1f} kB")
        _print(lines)
    return result


def _print(lines: list[str]) -> None:
    print("", *lines, sep="\n", flush=True)


def _progress(text: str) -> None:
    print(f"... {text}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, and write JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two minutes instead of twelve; less exact")
    parser.add_argument("--json", type=Path, default=Path("dist/bench.json"), help="where the figures go")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # ends what was started, too
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    result = asyncio.run(bench(quick=options.quick))
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(f"\nJSON: {options.json}")


if __name__ == "__main__":
    main()
