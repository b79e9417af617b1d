"""The headline about all federations: how many are failing, since when, and the likely cause. No I/O."""

from collections import Counter
from collections.abc import Iterable, Sequence

from exporter.reasons import Fault
from exporter.serving.health import Health, Row, is_old_failure
from exporter.serving.texts import clock
from exporter.status import DestinationStatus, EgressStatus, TargetStatus


def headline(
    rows: Sequence[Row], now: float, egress: EgressStatus | None, destinations: Iterable[DestinationStatus]
) -> str:
    """Return the headline about all targets and about destinations that were never listed.

    `egress` is the exporter's own egress check, if there is one.
    """
    text = _about_targets(rows, now, egress)
    if unlisted := [one.name for one in destinations if one.never_listed]:
        text += f" Not watched: the federations of {', '.join(unlisted)}, which could not be listed."
    return text


def _about_targets(rows: Sequence[Row], now: float, egress: EgressStatus | None) -> str:
    failing = [row for row in rows if row.health is Health.FAILING]
    unstable = [row for row in rows if row.health is Health.UNSTABLE]
    statuses = (status for row in rows for status in (row.status, *row.others))
    if not rows:
        text = "No federations are watched here."
    elif failing and egress is not None and has_no_network(statuses, egress):
        return (
            "The exporter has no network access: its own egress check has been failing since "
            f"{clock(egress.since, now)}. {len(failing)} of {len(rows)} federations failing, which says "
            "nothing about any provider."
        )
    elif failing or unstable:
        text = _failing_text(failing, unstable, len(rows), now, egress_up=egress is not None and egress.up)
    else:
        text = _healthy_text(rows)
    if egress is None or egress.up:
        return text
    return f"{text} The exporter's own egress check has been failing since {clock(egress.since, now)}."


def has_no_network(statuses: Iterable[TargetStatus], egress: EgressStatus) -> bool:
    """Return whether no target has responded since the egress check began to fail, or just before that."""
    lasts = [status.last for status in statuses if status.last]
    lasts = [last for last in lasts if last.ended_at >= egress.since] or lasts
    return not egress.up and all(step.http_status_code is None for last in lasts for step in last.steps)


def _failing_text(
    failing: Sequence[Row], unstable: Sequence[Row], total: int, now: float, *, egress_up: bool
) -> str:
    if not failing:
        return f"{len(unstable)} of {total} federations unstable; likely cause: {_cause(unstable)}."
    # What has been failing for days must not hide what began tonight, and since when.
    recent = [row for row in failing if not is_old_failure(row.status, now)] or failing
    text = f"{len(failing)} of {total} federations failing"
    if len(recent) < len(failing):
        text += f" ({len(failing) - len(recent)} for more than a day)"
    text += f" since {clock(min(row.status.since or now for row in recent), now)}"
    if unstable:
        text += f", {len(unstable)} unstable"
    cause, hosts = _cause(recent), {row.status.relevant_host for row in recent}
    everywhere = len(failing) == total and len(hosts) > 1
    if cause == Fault.NETWORK.label and everywhere and not egress_up:
        cause = "the exporter's own network"
    return f"{text}; likely cause: {cause}."


def _cause(rows: Iterable[Row]) -> str:
    """Return the faults of targets, the most frequent first, with their numbers if there are several."""
    faults = Counter(row.fault for row in rows if row.fault is not None)
    if len(faults) == 1:
        return next(iter(faults)).label
    return ", ".join(f"{fault.label} ({number})" for fault, number in faults.most_common())


def _healthy_text(rows: Sequence[Row]) -> str:
    counts = Counter(row.health for row in rows)
    if counts[Health.NEW] == len(rows):
        return f"Waiting for the first result of {len(rows)} federation{'' if len(rows) == 1 else 's'}."
    healthy = counts[Health.HEALTHY] + counts[Health.SLOW]
    parts = [f"{healthy} of {len(rows)} federations healthy"]
    if slow := counts[Health.SLOW]:
        parts[0] += f" ({slow} slow)"
    parts += [f"{counts[kind]} {text}" for kind, text in _UNKNOWN.items() if counts[kind]]
    return f"{', '.join(parts)}."


_UNKNOWN = {
    Health.NEW: "without a result yet",
    Health.PAUSED: "paused (rate-limited)",
    Health.ACCOUNT: "with a failing test account",
    Health.INCONCLUSIVE: "inconclusive because of the exporter itself",
}
"""Not healthy, not failing: these may have failed in the meantime."""
