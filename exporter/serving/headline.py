"""The headline about all federations: how many are failing, the likely cause, and what fails. No I/O.

3 of 5 federations failing. Likely cause: provider. auth.pingone.eu: no response in time (in phase processing)
since 12:04 UTC (3 of its 4 federations).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from exporter.reasons import Fault
from exporter.serving.texts import FAULT_LABELS, Health, clock, describe_status, health, is_old_failure
from exporter.status import EgressStatus, TargetStatus

_MAX_NAMED_ERRORS = 2


def headline(statuses: Sequence[TargetStatus], now: float, egress: EgressStatus | None = None) -> str:
    """Return the headline.

    Args:
        statuses: every target and journey.
        now: seconds since the epoch.
        egress: the exporter's own egress check, if there is one.
    """
    failing = [status for status in statuses if status.failing]
    total = len(_names(statuses))
    egress_down = egress is not None and not egress.up
    if not total:
        text = "No federations are configured here."
    elif not failing:
        text = _no_failure(statuses, now, total)
    elif egress is not None and has_no_network(statuses, egress):
        return (
            "The exporter has no network access: its own egress check has been failing since "
            f"{clock(egress.since, now)}. {_count(failing, total)}, which says nothing about any provider."
        )
    else:
        text = _failure(failing, statuses, now, total, egress_up=egress is not None and egress.up)
    if egress is None or not egress_down:
        return text
    return f"{text} The exporter's own egress check has been failing since {clock(egress.since, now)}."


def has_no_network(statuses: Iterable[TargetStatus], egress: EgressStatus) -> bool:
    """Return whether no target has responded since the egress check began to fail."""
    return not egress.up and not any(_responded(status, egress.since) for status in statuses)


def _responded(status: TargetStatus, since: float) -> bool:
    last = status.last
    if last is None or last.ended_at < since:
        return False
    return any(record.http_status_code is not None for record in last.steps)


def _failure(
    failing: Sequence[TargetStatus],
    statuses: Sequence[TargetStatus],
    now: float,
    total: int,
    *,
    egress_up: bool,
) -> str:
    count = _count(failing, total)
    # What has been failing for days must not hide what began tonight, and since when.
    recent = [status for status in failing if not is_old_failure(status, now)] or failing
    if len(recent) < len(failing):
        count += f", {len(_names(failing)) - len(_names(recent))} of them for more than a day"
    faults = Counter(status.decisive.fault for status in recent if status.decisive).most_common()
    cause = ", ".join(f"{FAULT_LABELS[fault]} ({number})" for fault, number in faults)
    if len(faults) == 1:
        fault = faults[0][0]
        everything = len(_names(failing)) == total and len(_hosts(recent)) > 1
        own = fault is Fault.NETWORK and everything and not egress_up
        cause = "the exporter's own network" if own else FAULT_LABELS[fault]
    errors = _errors(recent, statuses, now)
    if len(errors) <= _MAX_NAMED_ERRORS:
        return f"{count}. Likely cause: {cause}. {'; '.join(text for _, text in errors)}."
    kinds = len({describe_status(status, with_address=False) for status in recent})
    text = f"{_plural(kinds, 'different error')} on {_plural(len(_hosts(recent)), 'host')}"
    if errors[0][0] > 1:
        text += f", most frequent: {errors[0][1]}"
    return f"{count} since {_since(recent, now)}. Likely cause: {cause}. {text}."


def _errors(
    failing: Sequence[TargetStatus], statuses: Sequence[TargetStatus], now: float
) -> list[tuple[int, str]]:
    """Return number of targets and description of each kind of error, the most frequent first."""
    groups: defaultdict[tuple[str, str], list[TargetStatus]] = defaultdict(list)
    for status in failing:
        groups[describe_status(status, with_address=False), status.relevant_host].append(status)
    if len(groups) > 1 and len({text for text, _ in groups}) == 1:
        return [(len(_names(failing)), _error(f"{len(groups)} hosts", failing, statuses, now))]
    found = [(len(_names(group)), _error(host, group, statuses, now)) for (_, host), group in groups.items()]
    return sorted(found, key=lambda error: -error[0])


def _error(where: str, failing: Sequence[TargetStatus], statuses: Sequence[TargetStatus], now: float) -> str:
    """Describe one kind of error; one target is named, several are counted."""
    hosts, names = _hosts(failing), _names(failing)
    there = len(_names(status for status in statuses if {status.host, status.relevant_host} & hosts))
    share = ""
    if len(names) == 1:
        where = next(iter(names))
    elif there > len(hosts):
        share = f" ({len(names)} of {'its' if len(hosts) == 1 else 'their'} {there} federations)"
    text = describe_status(failing[0], with_address=len(failing) == 1)
    return f"{where}: {text} since {_since(failing, now)}{share}"


def _no_failure(statuses: Sequence[TargetStatus], now: float, total: int) -> str:
    names: defaultdict[Health, set[str]] = defaultdict(set)
    for status in statuses:
        names[health(status, now)].add(status.target.name)
    counts = {kind: len(members) for kind, members in names.items()}
    if counts.get(Health.NEW) == total:
        return f"Waiting for the first result of {_plural(total, 'federation')}."
    not_healthy = set[str]().union(*(names[kind] for kind in _UNKNOWN))
    parts = [f"{total - len(not_healthy)} of {total} federations healthy"]
    if slow := counts.get(Health.SLOW):
        parts[0] += f" ({slow} slow)"
    parts += [f"{counts[kind]} {text}" for kind, text in _UNKNOWN.items() if kind in counts]
    return f"{', '.join(parts)}."


_UNKNOWN = {
    Health.NEW: "not probed yet",
    Health.PAUSED: "paused (rate-limited)",
    Health.ACCOUNT: "with a failing test account",
    Health.INCONCLUSIVE: "inconclusive because of the exporter itself",
}
"""Not healthy, not failing: these may have failed in the meantime."""


def _count(failing: Iterable[TargetStatus], total: int) -> str:
    return f"{len(_names(failing))} of {total} federations failing"


def _names(statuses: Iterable[TargetStatus]) -> set[str]:
    return {status.target.name for status in statuses}


def _hosts(statuses: Iterable[TargetStatus]) -> set[str]:
    return {status.relevant_host for status in statuses}


def _since(failing: Iterable[TargetStatus], now: float) -> str:
    return clock(min(status.since or now for status in failing), now)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
