"""The one sentence about all that is watched: whether anything is wrong, and whose fault it looks like. Pure.

3 of 5 federations fail; it looks like the provider: auth.pingone.eu times out since 12:04 UTC, for 3 of its 4
federations.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from exporter.reasons import Fault
from exporter.serving.standing import Standing, is_old, standing
from exporter.serving.times import clock
from exporter.serving.watched import Egress, Watched
from exporter.serving.words import CULPRITS, clause

_NAMED = 2
"""Kinds of failures that one sentence can tell apart."""


def headline(watched: Sequence[Watched], now: float, egress: Egress | None = None) -> str:
    """Say in one sentence whether anything is wrong, and whose fault it looks like.

    Args:
        watched: all of it.
        now: seconds since the epoch.
        egress: what the exporter's own egress check says, if there is one.
    """
    failing = [each for each in watched if each.failing]
    count = len(_names(watched))
    if not count:
        said = "No federation is watched here"
    elif not failing:
        said = _no_failure(watched, now, count)
    elif egress is not None and reaches_nobody(watched, egress):
        return (
            "The exporter itself reaches nobody: its own egress check gets no answer since "
            f"{clock(egress.since, now)}, and {_subject(failing, count)}, which says nothing of any provider."
        )
    else:
        said = _failure(failing, watched, now, open_way=egress is not None and egress.up)
    if egress is None or egress.up:
        return f"{said}."
    return f"{said}; but the exporter's own egress check gets no answer since {clock(egress.since, now)}."


def reaches_nobody(watched: Iterable[Watched], egress: Egress) -> bool:
    """Whether neither the egress check nor any target has answered since the check found no way out."""
    return not egress.up and not any(_answered(each, egress.since) for each in watched)


def _answered(watched: Watched, since: float) -> bool:
    last = watched.last
    if last is None or last.ended_at < since:
        return False
    return any(record.http_status_code is not None for record in last.steps)


def _failure(failing: Sequence[Watched], watched: Sequence[Watched], now: float, *, open_way: bool) -> str:
    count = len(_names(watched))
    subject = _subject(failing, count)
    # What has failed for days would hide what began tonight, and since when.
    told = [each for each in failing if not is_old(each, now)] or failing
    if len(told) < len(failing):
        subject += f", {len(_names(failing)) - len(_names(told))} of them for more than a day"
    faults = Counter(each.decisive.fault for each in told if each.decisive).most_common()
    if len(faults) > 1:
        culprits = [f"{CULPRITS[fault]} ({number})" for fault, number in faults]
        return f"{subject}; it looks like {_listed(culprits)}: {_symptom(told, watched, now)}"
    everywhere = len(_names(failing)) == count and len(_hosts(told)) > 1 and faults[0][0] is Fault.NETWORK
    culprit = "our own network" if everywhere and not open_way else CULPRITS[faults[0][0]]
    return f"{subject}; it looks like {culprit}: {_symptom(told, watched, now)}"


def _subject(failing: Iterable[Watched], count: int) -> str:
    number = len(_names(failing))
    return f"{number} of {_federations(count)} {'fails' if number == 1 else 'fail'}"


def _symptom(failing: Sequence[Watched], watched: Sequence[Watched], now: float) -> str:
    """Say which hosts do what, since when; of more than two kinds only the most frequent one."""
    alike: defaultdict[tuple[str, str], list[Watched]] = defaultdict(list)
    for each in failing:
        alike[each.target.auth_host, _way(each)].append(each)
    groups = sorted(alike.values(), key=lambda group: -len(_names(group)))
    ways, hosts = {way for _, way in alike}, _hosts(failing)
    if len(ways) == 1 and len(hosts) > 1:
        return (
            f"each of {len(hosts)} hosts {ways.pop()} since {_since(failing, now)}{_share(failing, watched)}"
        )
    if len(groups) <= _NAMED:
        return ", and ".join(_of_one_kind(group, watched, now) for group in groups)
    fail = f"{hosts.pop()} fails" if len(hosts) == 1 else f"{len(hosts)} hosts fail"
    said = f"{fail} in {len(ways)} ways since {_since(failing, now)}"
    if len(_names(groups[0])) == 1:
        return said
    return f"{said}, most often: {_of_one_kind(groups[0], watched, now)}"


def _of_one_kind(failing: Sequence[Watched], watched: Sequence[Watched], now: float) -> str:
    host = failing[0].target.auth_host
    return f"{host} {_way(failing[0])} since {_since(failing, now)}{_share(failing, watched)}"


def _share(failing: Iterable[Watched], watched: Iterable[Watched]) -> str:
    """Say for how many of all that these hosts sign on; a host with one healthy federation is not down."""
    hosts, failed = _hosts(failing), len(_names(failing))
    there = len(_names(each for each in watched if each.target.auth_host in hosts))
    if there == len(hosts):
        return ""
    return f", for {failed} of {'its' if len(hosts) == 1 else 'their'} {_federations(there)}"


def _no_failure(watched: Sequence[Watched], now: float, count: int) -> str:
    standings: defaultdict[Standing, set[str]] = defaultdict(set)
    for each in watched:
        standings[standing(each, now)].add(each.target.name)
    slow, unknown = len(standings[Standing.SLOW]), len(standings[Standing.UNKNOWN])
    held, unclear = len(standings[Standing.HELD]), len(standings[Standing.UNCLEAR])
    # What is not judged just now may have failed meanwhile, whatever it did before.
    good = count - len(standings[Standing.UNKNOWN] | standings[Standing.HELD] | standings[Standing.UNCLEAR])
    if unknown == count:
        return f"None of {_federations(count)} has been judged yet" if count > 1 else "Not judged yet"
    if good == count:
        parts = [f"All {_federations(count)} succeed" if count > 1 else "The only federation succeeds"]
    else:
        parts = [f"{good} of {_federations(count)} {'succeeds' if good == 1 else 'succeed'}"]
    if slow:
        parts.append(f"{slow} {'is' if slow == 1 else 'are'} slow")
    if unknown:
        parts.append(f"{unknown} {'is' if unknown == 1 else 'are'} not judged yet")
    if held:
        parts.append(f"{held} {'is' if held == 1 else 'are'} held back by a rate limit")
    if unclear:
        parts.append(f"{unclear} could not be judged just now, by the exporter's own fault")
    return _listed(parts)


def _names(watched: Iterable[Watched]) -> set[str]:
    return {each.target.name for each in watched}


def _hosts(watched: Iterable[Watched]) -> set[str]:
    return {each.target.auth_host for each in watched}


def _way(failing: Watched) -> str:
    return clause(failing.decisive, failing.expiry) if failing.decisive else ""


def _since(failing: Iterable[Watched], now: float) -> str:
    return clock(min(each.since or now for each in failing), now)


def _federations(count: int) -> str:
    return f"{count} federation{'' if count == 1 else 's'}"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
