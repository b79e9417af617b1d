"""How a target is doing: its health, the sentence about it, and the runbooks that help. No I/O; UTC."""

from collections import Counter
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from exporter.durations import format_latency
from exporter.reasons import Fault, Reason
from exporter.serving.expiry import DAY, Expiring, Expiry, expiries_of
from exporter.serving.texts import clock, describe_outcome, relative
from exporter.status import (
    CONFIRMED_FAILURES,
    MAX_BACKOFF_SECONDS,
    RECENT_PROBES,
    TargetStatus,
    count_results,
)

EXPIRES_NOW_SECONDS = 7 * DAY
"""The threshold of the alert rules."""


class Health(Enum):
    """How a target is doing, worst first: heading of its group, badge, value in the API."""

    FAILING = ("Failing", "failing", "failing")
    UNSTABLE = ("Unstable", "unstable", "unstable")
    PAUSED = ("Paused (rate-limited)", "paused", "held")
    ACCOUNT = ("Test account failing", "account", "account")
    INCONCLUSIVE = ("Inconclusive", "inconclusive", "unclear")
    SLOW = ("Slow", "slow", "slow")
    NEW = ("No result yet", "new", "unknown")
    HEALTHY = ("Healthy", "ok", "good")

    def __init__(self, heading: str, badge: str, api: str) -> None:
        self.heading = heading
        self.badge = badge
        self.api = api


_KEY_OVERLAP = "key_overlap (jwks)"  # it has an alert of its own
_SEVERITY = {health: number for number, health in enumerate(Health)}


class Row(NamedTuple):
    """A target as listed: its worst journey, with fault and cause if it is in trouble, and the others."""

    status: TargetStatus
    health: Health
    fault: Fault | None = None
    why: str = ""
    expiries: tuple[Expiry, ...] = ()  # of the worst journey
    others: tuple[TargetStatus, ...] = ()


def health(status: TargetStatus, now: float) -> Health:
    """Return how a target is doing."""
    last, (failures, _) = status.last, status.recent_results
    # In the first probes of an outage, all recent failures are in a row: that is failing, not unstable.
    if status.failing and (not status.unstable or status.consecutive >= failures):
        return Health.FAILING
    if status.unstable:
        return Health.UNSTABLE
    if status.backoff_until is not None or (last is not None and last.fault is Fault.QUOTA):
        return Health.PAUSED
    if last is None or (last.incomplete and status.decisive is None):
        return Health.NEW
    if last.fault is Fault.ACCOUNT:
        return Health.ACCOUNT
    if last.fault is Fault.EXPORTER or is_stale(status, now):
        return Health.INCONCLUSIVE
    return Health.SLOW if status.slow else Health.HEALTHY


def is_stale(status: TargetStatus, now: float) -> bool:
    """Return whether the last probe is too long ago to say anything about the target now."""
    last = status.last
    if last is None or status.backoff_until is not None:
        return False
    return now - last.ended_at > MAX_BACKOFF_SECONDS + 3 * status.timing.interval


def is_old_failure(status: TargetStatus, now: float) -> bool:
    """Return whether a target has been failing for more than a day: a ticket, not tonight's incident."""
    confirmed = bool(status.failing) and status.consecutive >= CONFIRMED_FAILURES
    return confirmed and now - (status.since or 0.0) > DAY


def severity(row: Row, now: float) -> tuple[int, int, float, str]:
    """Return a sort key, worst first: confirmed failures, then unconfirmed ones, then those of days ago."""
    status = row.status
    if row.health is not Health.FAILING:
        return _SEVERITY[row.health], 0, 0.0, status.target.name
    urgency = 2 if is_old_failure(status, now) else int(status.consecutive < CONFIRMED_FAILURES)
    return _SEVERITY[row.health], urgency, status.since or 0.0, status.target.name


def likely_fault(status: TargetStatus) -> Fault | None:
    """Return the fault of a failing target, or the most frequent one of an unstable target."""
    if status.failing and status.decisive is not None:
        return status.decisive.fault
    recent = [Fault(fault) for _, fault in status.points[-RECENT_PROBES:]]
    failed = Counter(fault for fault in recent if fault.is_conclusive and fault is not Fault.NONE)
    return failed.most_common(1)[0][0] if failed else None


class Summary(NamedTuple):
    """A sentence with a time in the middle: `since` 12:04 UTC `, 14 probes: server error (503)`."""

    before: str
    since: float | None
    after: str


def summarize(status: TargetStatus, now: float) -> Summary:
    """Return since when a target has had its current health, and why."""
    last, decisive = status.last, status.decisive
    if last is None:
        return Summary("not probed yet", None, "")
    why = describe_status(status)
    if decisive is None:
        return Summary(f"no conclusive probe yet: {why}", None, "")
    failures, successes = status.recent_results
    unstable = health(status, now) is Health.UNSTABLE
    before = f"{failures} of the last {failures + successes} probes failed, " if unstable else ""
    if last is not decisive and not status.failing:
        return Summary(f"{before}{describe_outcome(last)}; last ok at", decisive.ended_at, "")
    if unstable or status.slow:  # the badge says something else
        before += "failing since" if status.failing else "ok since"
    after = ""
    if status.failing:
        earlier = " or earlier" if status.since_or_earlier else ""
        after = f"{earlier}, {status.consecutive} probe{'' if status.consecutive == 1 else 's'}: {why}"
    elif status.slow:
        objective = format_latency(status.timing.latency_objective)
        after += f"; last probe took {format_latency(last.duration)}, objective {objective}"
    if last is not decisive:
        paused = "paused: " if last.fault is Fault.QUOTA else ""
        after += f"; {paused}{describe_outcome(last)} since {clock(decisive.ended_at, now)}"
    elif is_stale(status, now):
        after += f"; not probed since {clock(last.ended_at, now)}"
    return Summary(before or "since", status.since, after)


def describe_status(status: TargetStatus) -> str:
    """Describe the outcome that explains a target's status; empty if it was not probed."""
    outcome = status.decisive or status.last
    return "" if outcome is None else describe_outcome(outcome)


def announce(status: TargetStatus, now: float) -> str:
    """Return a text for screen readers that stays the same from probe to probe unless the status changes."""
    current = health(status, now)
    if current is Health.UNSTABLE:
        return f"{status.target.name} unstable"
    before, since, _ = summarize(status, now)
    why = f": {describe_status(status)}" if status.failing and status.decisive else ""
    when = "" if since is None else f" {clock(since, now)}"
    return f"{status.target.name} {current.badge}, {before}{when}{why}"


class Advice(NamedTuple):
    """A runbook that helps, and why."""

    alert: str
    why: str


def advice(status: TargetStatus, now: float, suspended: Reason | None = None) -> Iterator[Advice]:
    """Yield the runbooks for a target and journey; `suspended` is why sign-on is suspended, if it is."""
    if suspended is not None:
        why = f"sign-on is suspended ({suspended}) so that the test account is not locked out"
        yield Advice("PingOneSignOnSuspended", f"{why}: fix the account, then change PASSWORD or reload")
    elif status.last is not None and status.last.fault is Fault.ACCOUNT:
        yield Advice("PingOneTestAccountFailing", "the test account or test application does not work")
    current, in_a_row = health(status, now), status.consecutive
    if is_old_failure(status, now):
        yield Advice("PingOneFederationNoSuccess", "no success for more than a day")
    elif current is Health.FAILING and in_a_row >= CONFIRMED_FAILURES:
        yield Advice("PingOneFederationDown", f"{in_a_row} consecutive failures")
    elif current is Health.FAILING:
        left = f"fires after {CONFIRMED_FAILURES} consecutive failures, {in_a_row} so far"
        yield Advice("PingOneFederationDown", left)
    failures, _ = count_results(status.points)
    if current is not Health.FAILING and failures > 1:
        why = f"{failures} of the last {len(status.points)} probes failed"
        yield Advice("PingOneErrorBudgetBurnFast", why)
    if current is Health.PAUSED or status.backoff_until is not None:
        yield Advice("PingOneRateLimited", "the provider rate-limits the probes")
    if status.slow:
        yield Advice("PingOneSignOnSlow", "the last probe took longer than the latency objective")
    yield from warnings(status, now)


def warnings(status: TargetStatus, now: float) -> Iterator[Advice]:
    """Yield what is about to break a target that works: what expires, and contract checks that fail."""
    soonest: dict[Expiring, float] = {}
    for expiry in expiries_of(status):
        soonest[expiry.what] = min(expiry.at, soonest.get(expiry.what, expiry.at))
    for what, at in soonest.items():
        if at - now < what.soon_seconds:
            when = "Soon" if at - now >= EXPIRES_NOW_SECONDS else "Now"
            why = f"{what.label} {'expired' if at <= now else 'expires'} {relative(at, now)}"
            yield Advice(what.alert + when, why)
    records = status.last.steps if status.last else ()
    several = len(status.journey.steps) > 1
    checks = [(record.step, *check) for record in records for check in record.checks.items()]
    if failed := [f"{name} ({step})" if several else name for step, name, passed in checks if not passed]:
        alert = "PingOneSigningKeysChanged" if failed == [_KEY_OVERLAP] else "PingOneContractCheckFailing"
        yield Advice(alert, f"failed contract checks: {', '.join(failed)}")


def urgency(expiry: Expiry, now: float) -> str:
    """Return the badge of something that expires: `failing`, `slow`, or none as long as no alert fires."""
    left = expiry.at - now
    if left < EXPIRES_NOW_SECONDS:
        return Health.FAILING.badge
    return Health.SLOW.badge if left < expiry.what.soon_seconds else ""
