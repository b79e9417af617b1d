"""One target and journey in the schedule, and what a reload makes of all of them. Pure.

unchanged, or changed in what no probe sees    kept: slots, phase and a probe under way
gone                                           retired: what waits or runs is cancelled
changed                                        retired, and entered anew
new                                            entered
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from exporter.scheduling.offsets import first_delays, offset
from exporter.scheduling.slots import Slots
from exporter.target import Journey, Target


class Key(NamedTuple):
    """What an entry is known by."""

    target: str
    journey: Journey


@dataclass(slots=True, eq=False)
class Entry:
    """One target and journey, and its probe.

    Args:
        target: what is probed.
        journey: what is walked.
        slots: when.
        task: waits or probes.
        started: whether it probes.
        retired: whether a reload has ended it; it counts what it still has to, and begins nothing.
    """

    target: Target
    journey: Journey
    slots: Slots
    task: asyncio.Task[None] | None = None
    started: bool = False
    retired: bool = False

    @property
    def key(self) -> Key:
        """What it is known by."""
        return Key(self.target.name, self.journey)

    @property
    def name(self) -> str:
        """The same in words."""
        return f"{self.journey} {self.target.name}"


@dataclass(slots=True)
class Changes:
    """What a reload makes of the entries.

    Args:
        kept: entries that go on, each with its target's new value.
        retired: entries that end.
        entered: what is to be entered, in this order.
    """

    kept: list[tuple[Entry, Target]] = field(default_factory=list)
    retired: list[Entry] = field(default_factory=list)
    entered: list[tuple[Target, Journey]] = field(default_factory=list)


def changes(entries: Mapping[Key, Entry], targets: Iterable[Target]) -> Changes:
    """Compare what is in the schedule with what is to be."""
    found = Changes()
    remaining = dict(entries)
    for target in targets:
        for journey in target.journeys:
            entry = remaining.get(Key(target.name, journey))
            if entry is not None and _probes_alike(entry.target, target):
                found.kept.append((entry, target))
                del remaining[entry.key]
            else:
                found.entered.append((target, journey))
    found.retired.extend(remaining.values())
    return found


def _probes_alike(before: Target, after: Target) -> bool:
    """Whether a walk of the one is a walk of the other."""
    unseen = replace(
        after, journeys=before.journeys, labels=before.labels, latency_objective=before.latency_objective
    )
    return before == unseen


def enter(planned: Sequence[tuple[Target, Journey]], now: float) -> list[Entry]:
    """Make entries whose first probes are due from `now` on, spread over those of one auth host."""
    delays = first_delays(target.auth_host for target, _ in planned)
    return [
        Entry(
            target,
            journey,
            Slots(
                interval=target.interval,
                offset=offset(target.name, journey, target.interval),
                first=now + delay,
                timeout=target.timeout,
            ),
        )
        for (target, journey), delay in zip(planned, delays, strict=True)
    ]
