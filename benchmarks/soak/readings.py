"""Read what a soak leaves: the exporter's log, its page of metrics, and the provider's list of requests."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.soak.accounting import Probe, Seen
from benchmarks.soak.scene import Watched
from exporter.outcome import SkipCause
from exporter.reasons import pairs_of

_PROBED = {"probe completed", "target up", "target down", "target recovered", "probe inconclusive"}
_EXPECTED = {"listening", "listening for health checks", "started", "reloaded", "stopping", "stopped"}
_SENT = {"processing", "transfer"}
"""A probe that ends in one of these phases has sent the request of its last step."""
MAX_SHOWN_LINES = 20
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_SAMPLE = re.compile(rf"^(\w+)(?:{{((?:{_LABEL.pattern},?)*)}})? (\S+)", re.MULTILINE)
MAX_SERIES = 250
"""Of a target and journey."""


@dataclass(slots=True)
class Log:
    """What the exporter has logged so far.

    Args:
        path: the file.
    """

    path: Path
    probes: dict[str, Probe] = field(default_factory=dict)
    targets: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    unexpected: list[str] = field(default_factory=list)
    repeated: list[str] = field(default_factory=list)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    _offset: int = 0

    def read(self) -> None:
        """Read the lines that were added since the last call."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            added, _, _ = file.read().rpartition(b"\n")
        if added:
            self._offset += len(added) + 1
            for line in added.split(b"\n"):
                self.add(line.decode())

    def add(self, line: str) -> None:
        """Take in one line."""
        self.lines += 1
        try:
            facts = json.loads(line)
            message, level = facts["msg"], facts["level"]
        except (ValueError, LookupError, TypeError):
            self.unexpected.append(line)
            return
        if message in _PROBED:
            self._add_probe(facts)
        elif message in _EXPECTED:
            self.events.setdefault(message, facts)
        else:
            self.unexpected.append(line)
            return
        if level == "error" or "exception" in facts:
            self.unexpected.append(line)

    def _add_probe(self, facts: Mapping[str, Any]) -> None:
        transaction, steps = facts["transaction_id"], facts["steps"]
        requests = sum("http_status_code" in step for step in steps)
        if steps and "http_status_code" not in steps[-1] and facts["phase"] in _SENT:
            requests += 1
        started_at = seconds(facts["started_at"])
        if transaction in self.probes:
            self.repeated.append(transaction)
        self.targets[facts["target"]] += 1
        self.failures[facts["target"]] += facts["reason"] != "ok"
        self.probes[transaction] = Probe(
            target=facts["target"],
            reason=facts["reason"],
            steps=len(steps),
            requests=requests,
            started_at=started_at,
            ended_at=max(seconds(facts["ts"]), started_at + facts["duration_seconds"]),
        )


def seconds(timestamp: str) -> float:
    """Return a time of the log as seconds since the epoch."""
    return datetime.fromisoformat(timestamp).timestamp()


def read_seen(path: Path) -> dict[str, Seen]:
    """Return what the provider noted, by transaction id."""
    found: dict[str, Seen] = {}
    with path.open(encoding="ascii") as file:
        for line in file:
            transaction, environment, requested = line.strip().split(" ", 2)
            if transaction not in found:
                found[transaction] = Seen(environment, requested)
            found[transaction].add(environment, requested)
    return found


@dataclass(slots=True)
class Page:
    """One page of metrics.

    Args:
        text: in either format.
    """

    text: str
    samples: list[tuple[str, dict[str, str], float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Parse it."""
        for found in _SAMPLE.finditer(self.text):
            labels = dict(_LABEL.findall(found[2] or ""))
            self.samples.append((found[1], labels, float(found[5])))

    def by_target(self, name: str, label: str) -> dict[str, Counter[str]]:
        """Return target -> value of a label -> sum of the samples of that name."""
        found: dict[str, Counter[str]] = {}
        for sample, labels, value in self.samples:
            if sample == name:
                found.setdefault(labels["target"], Counter())[labels[label]] += int(value)
        return found

    def value(self, name: str) -> float:
        """Return the one sample of that name; NaN without."""
        return next((value for sample, _, value in self.samples if sample == name), float("nan"))

    def wrong_series(self, configured: Mapping[str, Watched]) -> list[str]:
        """Return what is on the page and may not be, and what is not and must be."""
        return list(self._wrong_series(configured))

    def _wrong_series(self, configured: Mapping[str, Watched]) -> Iterator[str]:
        of: dict[str, list[tuple[str, dict[str, str]]]] = {name: [] for name in configured}
        known = set()
        for name, labels, _ in self.samples:
            key = name, tuple(labels.items())
            if key in known:
                yield f"{name}{labels} occurs twice"
            known.add(key)
            target = labels.get("target")
            if target in of:
                of[target].append((name, labels))
            elif target is not None:
                yield f"{name} of {target}, which is not configured"
        for target, found in of.items():
            journey = configured[target].journey
            if len(found) > MAX_SERIES:
                yield f"{len(found)} series of {target}"
            for closed, values in (
                ("pingone_flow_probes_total", {f"{pair[0]}/{pair[1]}" for pair in pairs_of(journey)}),
                ("pingone_flow_exporter_probes_skipped_total", {cause.value for cause in SkipCause}),
                ("pingone_flow_target_info", {"1"}),
            ):
                there = {
                    labels.get("cause")
                    or ("/".join((labels["reason"], labels["fault"])) if "reason" in labels else "1")
                    for name, labels in found
                    if name == closed
                }
                if there != values:
                    yield f"{closed} of {target}: {sorted(there ^ values)}"
            steps = {labels["step"] for _, labels in found if "step" in labels} - set(journey.steps)
            if steps:
                yield f"steps {sorted(steps)} of {target}"
