"""What the schedule tells of a target: when it is probed next."""

from __future__ import annotations

from dataclasses import dataclass

from exporter.scheduling.entry import Entry
from exporter.target import Journey, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledProbe:
    """The plan for one target and journey; times by the wall clock, seconds since the epoch.

    Args:
        target: what is probed.
        journey: what is walked.
        next_run: when it is due; None when nothing more is started.
        held_until: until when it is held back because the provider asked for it; None when it is not.
    """

    target: Target
    journey: Journey
    next_run: float | None
    held_until: float | None


def plan(entry: Entry, held: float | None, step: float, *, running: bool) -> ScheduledProbe:
    """Return the plan for an entry.

    Args:
        entry: whose.
        held: until when it is held back, by the steady clock; None when it is not.
        step: by how much the wall clock has been set.
        running: whether anything more is started.
    """
    due = entry.slots.upcoming if held is None else entry.slots.after(held)
    return ScheduledProbe(
        target=entry.target,
        journey=entry.journey,
        next_run=due + step if running else None,
        held_until=None if held is None else held + step,
    )
