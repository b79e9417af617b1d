"""Turn what was measured into one table and one JSON document."""

from __future__ import annotations

import os
import platform
import re
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.accuracy import Load
from benchmarks.samples import percentile
from benchmarks.scale import Scale

OWN = "pingone-flow-exporter"
_LABEL_WIDTH = 44
_COLUMN_WIDTH = 27


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    model = re.search(
        r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE
    )
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def figures(load: Load) -> dict[str, float]:
    """Return what one column of the table shows about a program."""
    return {
        "error_p50_ms": percentile(load.errors_ms, 0.5),
        "error_p99_ms": percentile(load.errors_ms, 0.99),
        "error_worst_ms": max(load.errors_ms, default=float("nan")),
        "error_least_ms": min(load.errors_ms, default=float("nan")),
        "probes": load.probes,
        "not_reported": load.unreported,
        "not_ok": load.not_ok,
        "skipped": load.skipped,
        "cpu_ms_per_probe": 1000 * load.cpu_seconds / max(1, load.probes),
        "provider_cpu_ms_per_probe": 1000 * load.provider_cpu_seconds / max(1, load.probes),
        "provider_percent_of_a_core": 100 * load.provider_cpu_seconds / max(1e-9, load.seconds),
        "scrape_p50_ms": statistics.median(load.scrapes_ms) if load.scrapes_ms else float("nan"),
        "scrape_worst_ms": max(load.scrapes_ms, default=float("nan")),
        "memory_mb": load.memory_mb,
    }


_ROWS = (
    ("reported minus true processing, p50", "error_p50_ms", "ms"),
    ("  p99", "error_p99_ms", "ms"),
    ("  worst", "error_worst_ms", "ms"),
    ("  least", "error_least_ms", "ms"),
    ("probes", "probes", ""),
    ("  without a reported processing time", "not_reported", ""),
    ("  reported as failed (provider is healthy)", "not_ok", ""),
    ("  due and not started", "skipped", ""),
    ("CPU per probe, scrapes included", "cpu_ms_per_probe", "ms"),
    ("  of the provider", "provider_cpu_ms_per_probe", "ms"),
    ("scrape of its own page, median", "scrape_p50_ms", "ms"),
    ("  worst", "scrape_worst_ms", "ms"),
    ("memory (PSS)", "memory_mb", "MB"),
)
_RATIOS = {"error_p50_ms", "error_p99_ms", "error_worst_ms", "cpu_ms_per_probe", "memory_mb"}


def side_by_side(title: str, loads: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return the table of one load: a column for each program, with the ratio of ours to it."""
    lines = [title, _row("", loads)]
    for label, key, unit in _ROWS:
        cells = []
        for name, found in loads.items():
            cell = f"{found[key]:.0f}" if not unit else f"{found[key]:.2f} {unit}"
            if name != OWN and key in _RATIOS and found[key]:
                cell += f"  ({loads[OWN][key] / found[key]:.2f}x)"
            cells.append(cell)
        lines.append(_row(label, cells))
    return lines


def by_targets(scales: Sequence[Scale]) -> list[str]:
    """Return the table of what targets cost, with the growth from each number to the next."""
    rows = (
        ("start until ready", [f"{scale.ready_ms:.0f} ms" for scale in scales]),
        ("scrape, gzip, median", [f"{scale.scrape_ms:.1f} ms" for scale in scales]),
        ("page", [f"{scale.page_bytes / 1e3:.0f} kB" for scale in scales]),
        ("page, gzip", [f"{scale.gzip_bytes / 1e3:.0f} kB" for scale in scales]),
        ("series", [f"{scale.series}" for scale in scales]),
        ("memory (PSS)", [f"{scale.memory_mb:.1f} MB" for scale in scales]),
        ("CPU, a scrape each 5 s, of one core", [f"{scale.cpu_percent:.1f} %" for scale in scales]),
        ("schedule lag, p99", [f"{scale.lag_p99_ms:.1f} ms" for scale in scales]),
        ("event loop lag, p99", [f"{scale.loop_lag_p99_ms:.1f} ms" for scale in scales]),
    )
    lines = ["Targets probed once a minute", _row("", [f"{scale.targets:,}" for scale in scales])]
    lines += [_row(label, cells) for label, cells in rows]
    for label, attribute in (("scrape", "scrape_ms"), ("memory", "memory_mb"), ("CPU", "cpu_percent")):
        growth = ["-"]
        for less, more in pairwise(scales):
            ratio = getattr(more, attribute) / max(1e-9, getattr(less, attribute))
            growth.append(f"{ratio:.1f}x for {more.targets / less.targets:.0f}x targets")
        lines.append(_row(f"growth of {label}", growth))
    if len(scales) > 1:
        few, many = scales[0], scales[-1]
        each = 1000 * (many.memory_mb - few.memory_mb) / (many.targets - few.targets)
        lines.append(f"memory per target, from {few.targets:,} to {many.targets:,}: {each:.1f} kB")
    return lines


def _row(label: str, cells: Sequence[str] | Mapping[str, Any]) -> str:
    return f"{label:<{_LABEL_WIDTH}}" + "".join(f"{cell:>{_COLUMN_WIDTH}}" for cell in cells)
