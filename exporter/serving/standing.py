"""How each target stands, and in which order that is told. Pure."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from exporter.reasons import Fault
from exporter.serving.times import clock, latency
from exporter.serving.watched import Watched
from exporter.serving.words import finding

CONFIRMED = 3
"""Failures in a row from which an alert is raised."""
_DAY = 86_400.0
_LONGEST_HOLD = 300.0
"""Seconds that a provider can hold a target back for, as all that are limited with it."""


class Standing(Enum):
    """How a target stands: what its group is called, and its badge; worst first."""

    FAILING = ("failing", "fails")
    HELD = ("held back", "held")
    UNCLEAR = ("unclear by the exporter's own fault", "unclear")
    SLOW = ("slow", "slow")
    UNKNOWN = ("not probed yet", "new")
    GOOD = ("healthy", "ok")

    def __init__(self, told: str, badge: str) -> None:
        self.told = told
        self.badge = badge

    @property
    def heading(self) -> str:
        """What its group is called, as a heading."""
        return self.told.capitalize()


_WORST_FIRST = {standing: place for place, standing in enumerate(Standing)}


def standing(watched: Watched, now: float) -> Standing:
    """Return how a target stands."""
    last = watched.last
    if watched.failing:
        return Standing.FAILING
    if watched.held_until is not None or (last is not None and last.fault is Fault.QUOTA):
        return Standing.HELD
    if last is None:
        return Standing.UNKNOWN
    if last.fault is Fault.EXPORTER or is_lost(watched, now):
        return Standing.UNCLEAR
    return Standing.SLOW if watched.slow else Standing.GOOD


def is_lost(watched: Watched, now: float) -> bool:
    """Whether a target has not been probed for so long that what it was says nothing of what it is."""
    last = watched.last
    if last is None or watched.held_until is not None:
        return False
    return now - last.ended_at > _LONGEST_HOLD + 3 * watched.target.interval


class Rank(NamedTuple):
    """Where a target stands among the others: the least is the worst."""

    standing: int
    urgency: int
    since: float
    name: str


def rank(watched: Watched, now: float) -> Rank:
    """Return a target's rank. A failure that pages precedes one that may pass, or has lasted for days."""
    if not watched.failing:
        return Rank(_WORST_FIRST[standing(watched, now)], 0, 0.0, watched.target.name)
    urgency = 2 if is_old(watched, now) else int(watched.in_a_row < CONFIRMED)
    return Rank(_WORST_FIRST[Standing.FAILING], urgency, watched.since or 0.0, watched.target.name)


def is_old(watched: Watched, now: float) -> bool:
    """Whether a target has failed for days: a ticket, and not what went wrong tonight."""
    return bool(watched.failing) and watched.in_a_row >= CONFIRMED and now - (watched.since or 0.0) > _DAY


class Verdict(NamedTuple):
    """A verdict in words: `failing since` 12:04 UTC `, 14 probes: tls, certificate expired`."""

    before: str
    since: float | None
    after: str


def verdict(watched: Watched, now: float) -> Verdict:
    """Say how a target stands, since when, and why."""
    last, decisive = watched.last, watched.decisive
    if last is None:
        return Verdict("not probed yet", None, "")
    if decisive is None:
        return Verdict(f"not judged yet: {finding(last)}", None, "")
    count = f"{watched.in_a_row} probe{'' if watched.in_a_row == 1 else 's'}"
    if watched.failing:
        after = f", {count}: {finding(decisive, watched.expiry)}"
    elif watched.slow:
        objective = latency(watched.target.latency_objective)
        after = f", {count}; the last one took {latency(last.duration)}, longer than {objective}"
    else:
        after = f", {count}"
    if last is not decisive:
        after += f"; not judged since {clock(decisive.ended_at, now)}: {finding(last)}"
    elif is_lost(watched, now):
        after += f"; not probed since {clock(last.ended_at, now)}"
    return Verdict("failing since" if watched.failing else "succeeding since", watched.since, after)


def told(watched: Watched, now: float) -> str:
    """Say how a target stands in words that stay the same from probe to probe, unless it changes."""
    before, since, _ = verdict(watched, now)
    why = f": {finding(watched.decisive, watched.expiry)}" if watched.failing and watched.decisive else ""
    when = "" if since is None else f" {clock(since, now)}"
    return f"{watched.target.name} {before}{when}{why}"
