"""How each target stands, in which order that is told, and the one sentence about all of them. Pure."""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from exporter.outcome import Fault
from exporter.serving.times import clock, latency
from exporter.serving.words import CULPRITS, clause, finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exporter.serving.watched import Watched

CONFIRMED = 3
"""Failures in a row from which an alert is raised."""
_DAY = 86_400.0


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


def standing(watched: Watched) -> Standing:
    """Return how a target stands."""
    last = watched.last
    if watched.failing:
        return Standing.FAILING
    if watched.held_until is not None or (last is not None and last.fault is Fault.QUOTA):
        return Standing.HELD
    if last is None:
        return Standing.UNKNOWN
    if last.fault is Fault.EXPORTER:
        return Standing.UNCLEAR
    return Standing.SLOW if watched.slow else Standing.GOOD


class Rank(NamedTuple):
    """Where a target stands among the others: the least is the worst."""

    standing: int
    urgency: int
    since: float
    name: str


def rank(watched: Watched, now: float) -> Rank:
    """Return a target's rank. A failure that pages precedes one that may pass, or has lasted for days."""
    since = watched.since or 0.0
    if not watched.failing:
        return Rank(_WORST_FIRST[standing(watched)], 0, 0.0, watched.target.name)
    confirmed = watched.in_a_row >= CONFIRMED
    urgency = (0 if now - since <= _DAY else 2) if confirmed else 1
    return Rank(_WORST_FIRST[Standing.FAILING], urgency, since, watched.target.name)


class Verdict(NamedTuple):
    """A verdict in words: `failing since` 12:04 UTC `, 14 probes: tls, certificate expired`."""

    before: str
    since: float | None
    after: str


def verdict(watched: Watched) -> Verdict:
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
        after += f"; the last one says nothing of it: {finding(last)}"
    return Verdict("failing since" if watched.failing else "succeeding since", watched.since, after)


def told(watched: Watched, now: float) -> str:
    """Say how a target stands in words that stay the same from probe to probe, unless it changes."""
    before, since, _ = verdict(watched)
    why = f": {finding(watched.decisive, watched.expiry)}" if watched.failing and watched.decisive else ""
    when = "" if since is None else f" {clock(since, now)}"
    return f"{watched.target.name} {before}{when}{why}"


def headline(watched: Sequence[Watched], now: float) -> str:
    """Say in one sentence whether anything is wrong, and whose fault it looks like."""
    names = {each.target.name for each in watched}
    failing = [each for each in watched if each.failing]
    if not names:
        return "No federation is watched here."
    if not failing:
        return _no_failure(watched, len(names))
    count = len({each.target.name for each in failing})
    subject = f"{count} of {_federations(len(names))} {'fails' if count == 1 else 'fail'}"
    faults = Counter(each.decisive.fault for each in failing if each.decisive).most_common()
    if len(faults) > 1:
        culprits = [f"{CULPRITS[fault]} ({number})" for fault, number in faults]
        return f"{subject}; it looks like {_listed(culprits)}."
    everywhere = count == len(names) and len(_hosts(failing)) > 1 and faults[0][0] is Fault.NETWORK
    culprit = "our own network" if everywhere else CULPRITS[faults[0][0]]
    return f"{subject}; it looks like {culprit}: {_symptom(failing, now)}."


def _no_failure(watched: Sequence[Watched], count: int) -> str:
    standings = Counter(standing(each) for each in watched if each.failing is not None)
    unknown = len({each.target.name for each in watched if each.failing is None})
    if unknown == count:
        return f"None of {_federations(count)} has been judged yet." if count > 1 else "Not judged yet."
    parts = [f"All {_federations(count)} succeed" if count > 1 else "The only federation succeeds"]
    if unknown:
        parts = [f"{count - unknown} of {_federations(count)} succeed, {unknown} not judged yet"]
    if slow := standings[Standing.SLOW]:
        parts.append(f"{slow} {'is' if slow == 1 else 'are'} slow")
    if held := standings[Standing.HELD]:
        parts.append(f"{held} {'is' if held == 1 else 'are'} held back by a rate limit")
    if unclear := standings[Standing.UNCLEAR]:
        parts.append(f"{unclear} could not be judged just now, by the exporter's own fault")
    return f"{_listed(parts)}."


def _symptom(failing: Sequence[Watched], now: float) -> str:
    hosts = _hosts(failing)
    clauses = {clause(each.decisive, each.expiry) for each in failing if each.decisive}
    since = clock(min(each.since or now for each in failing), now)
    who = next(iter(hosts)) if len(hosts) == 1 else f"each of {len(hosts)} hosts"
    if len(clauses) == 1:
        return f"{who} {clauses.pop()} since {since}"
    if len(hosts) == 1:
        return f"{who} fails in {len(clauses)} ways since {since}"
    return f"{len(hosts)} hosts fail in {len(clauses)} ways since {since}"


def _hosts(watched: Iterable[Watched]) -> set[str]:
    return {each.target.auth_host for each in watched}


def _federations(count: int) -> str:
    return f"{count} federation{'' if count == 1 else 's'}"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
