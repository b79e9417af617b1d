"""How a target is doing, in words: times, reasons, health and the sentence about it. No I/O; UTC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple

from exporter.outcome import Outcome
from exporter.reasons import Fault, Reason, reason_text
from exporter.status import MAX_BACKOFF_SECONDS, TargetStatus
from exporter.target import Journey

CONFIRMED_FAILURES = 3
"""Consecutive failures that raise an alert."""
NO_VALUE = "-"

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

FAULT_LABELS: Mapping[Fault, str] = {
    Fault.PROVIDER: "provider",
    Fault.NETWORK: "network",
    Fault.CONFIGURATION: "configuration",
    Fault.QUOTA: "rate limit",
    Fault.EXPORTER: "the exporter itself",
    Fault.ACCOUNT: "the test account",
    Fault.NONE: "none",
}


def clock(timestamp: float, now: float, *, seconds: bool = False) -> str:
    """Format a time of day, such as `12:04 UTC`, with the date unless it is today.

    Args:
        timestamp: seconds since the epoch, like `now`.
        now: the current time.
        seconds: whether to include seconds.
    """
    then, today = datetime.fromtimestamp(timestamp, UTC), datetime.fromtimestamp(now, UTC)
    time = then.strftime("%H:%M:%S" if seconds else "%H:%M")
    if then.date() == today.date():
        return f"{time} UTC"
    year = "" if then.year == today.year else f" {then.year}"
    return f"{then.day} {_MONTHS[then.month - 1]}{year} {time} UTC"


def relative(timestamp: float, now: float) -> str:
    """Format a time relative to now: `4 min ago`, `in 12 s`, `just now`."""
    seconds = abs(timestamp - now)
    if seconds < 1:
        return "just now"
    return f"in {span(seconds)}" if timestamp > now else f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """Format a time span roughly: `12 s`, `4 min`, `119 min`, `3 h`, `2 d`."""
    for size, at_least, unit in ((_DAY, 2, "d"), (_HOUR, 2, "h"), (_MINUTE, 1, "min")):
        if seconds >= at_least * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def latency(seconds: float) -> str:
    """Format how long something took: `1.2 ms`, `312 ms`, `2.41 s`."""
    if seconds < 0.01:  # noqa: PLR2004  10 ms
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def latency_range(low: float, high: float) -> str:
    """Format a range of latencies: `2.8-36 ms`, `870 ms-1.20 s`."""
    first, last = latency(low), latency(high)
    if first == last:
        return first
    value, unit = first.split(" ")
    return f"{value}-{last}" if last.endswith(f" {unit}") else f"{first}-{last}"


def describe_points(points: Sequence[tuple[float | None, str]], interval: float) -> str:
    """Describe the last probes in one line: how many were ok, how fast, how many failed.

    Args:
        points: duration and fault of each.
        interval: seconds between two probes.
    """
    if not points:
        return "No probes yet"
    ok = [seconds for seconds, fault in points if fault == Fault.NONE]
    took = [seconds for seconds in ok if seconds is not None]
    inconclusive = sum(not Fault(fault).is_conclusive for _, fault in points)
    parts = [f"{len(ok)} ok ({latency_range(min(took), max(took))})" if took else f"{len(ok)} ok"]
    if failed := len(points) - len(ok) - inconclusive:
        parts.append(f"{failed} failed")
    if inconclusive:
        parts.append(f"{inconclusive} inconclusive")
    probes = f"{len(points)} probes" if len(points) > 1 else "probe"
    return f"Last {probes} ({span(len(points) * interval)}): {', '.join(parts)}"


def describe_outcome(
    outcome: Outcome,
    expected: Sequence[str] = (),
    certificate_expiry: float | None = None,
    *,
    with_address: bool = True,
) -> str:
    """Return the reason's text and, in parentheses, what the response or connection adds to it.

    Args:
        outcome: a finished probe.
        expected: flow statuses that the target expects.
        certificate_expiry: when the host's certificate expires, if another probe has seen it.
        with_address: whether to include the remote address.
    """
    text = reason_text(outcome.reason, outcome.fault)
    expects = outcome.step in {"authorize", "source_authorize"}
    details = _details(outcome, expected if expects else (), certificate_expiry)
    record = outcome.steps[-1] if outcome.steps else None
    if with_address and outcome.reason is Reason.CONNECT and record and record.address:
        details = record.address
    if outcome.journey is Journey.FEDERATION and not outcome.success:
        step = f"step {outcome.step} at the {outcome.side}"
        details = f"{step}, {details}" if details else step
    return f"{text} ({details})" if details else text


def _details(outcome: Outcome, expected: Sequence[str], certificate_expiry: float | None) -> str:
    record = outcome.steps[-1] if outcome.steps else None
    if outcome.reason is Reason.TIMEOUT:
        return f"in phase {outcome.phase}"
    if record is None:
        return ""
    if outcome.reason is Reason.TLS and outcome.fault is Fault.PROVIDER:
        own = record.tls.not_after if record.tls else None
        expiry = certificate_expiry if own is None else own
        if expiry is None:
            return ""
        return "expired" if expiry <= outcome.ended_at else "not yet valid, or for another name"
    if outcome.reason is Reason.UNEXPECTED_STATUS:
        parts = [record.flow_status or "", f"expected {' or '.join(expected)}" if expected else ""]
    elif outcome.reason in _WITH_RESPONSE:
        parts = [str(record.http_status_code or ""), *record.error_codes]
    else:
        parts = []
    return ", ".join(filter(None, parts))


_WITH_RESPONSE = frozenset(
    {
        *(Reason.SERVER_ERROR, Reason.CLIENT_ERROR, Reason.OAUTH_ERROR, Reason.BLOCKED, Reason.FLOW_FAILED),
        *(
            Reason.EXCHANGE_REJECTED,
            Reason.TOKEN_REFUSED,
            Reason.CREDENTIALS_REJECTED,
            Reason.LOGIN_PAGE_ERROR,
        ),
    }
)
"""Reasons for which HTTP status and error codes say more."""


def describe_response(outcome: Outcome) -> str:
    """Return HTTP status and flow status of the last response, or why there is none."""
    parts = [part for record in outcome.steps[-1:] for part in (record.http_status_code, record.flow_status)]
    if outcome.fault is Fault.ACCOUNT and not any(parts):
        return "sign-on suspended, password not sent"
    return " ".join(str(part) for part in parts if part is not None) or "no response"


class Health(Enum):
    """How a target is doing, worst first: heading of its group, badge, value in the API."""

    FAILING = ("Failing", "failing", "failing")
    PAUSED = ("Paused (rate-limited)", "paused", "held")
    ACCOUNT = ("Test account failing", "account", "account")
    INCONCLUSIVE = ("Inconclusive", "inconclusive", "unclear")
    SLOW = ("Slow", "slow", "slow")
    NEW = ("Not probed yet", "new", "unknown")
    HEALTHY = ("Healthy", "ok", "good")

    def __init__(self, heading: str, badge: str, api: str) -> None:
        self.heading = heading
        self.badge = badge
        self.api = api


_SEVERITY = {health: number for number, health in enumerate(Health)}


def health(status: TargetStatus, now: float) -> Health:
    """Return how a target is doing."""
    last = status.last
    if status.failing:
        return Health.FAILING
    if status.backoff_until is not None or (last is not None and last.fault is Fault.QUOTA):
        return Health.PAUSED
    if last is None:
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
    return confirmed and now - (status.since or 0.0) > _DAY


def severity(status: TargetStatus, now: float) -> tuple[int, int, float, str]:
    """Return a sort key, worst first: confirmed failures, then unconfirmed ones, then those of days ago."""
    current = health(status, now)
    if current is not Health.FAILING:
        return _SEVERITY[current], 0, 0.0, status.target.name
    urgency = 2 if is_old_failure(status, now) else int(status.consecutive < CONFIRMED_FAILURES)
    return _SEVERITY[current], urgency, status.since or 0.0, status.target.name


class Summary(NamedTuple):
    """A sentence with a time in the middle: `failing since` 12:04 UTC `, 14 probes: server error (503)`."""

    before: str
    since: float | None
    after: str


def summarize(status: TargetStatus, now: float) -> Summary:
    """Return how a target is doing, since when, and why."""
    last, decisive = status.last, status.decisive
    if last is None:
        return Summary("not probed yet", None, "")
    why = describe_status(status)
    if decisive is None:
        return Summary(f"no conclusive probe yet: {why}", None, "")
    if last is not decisive and not status.failing:
        return Summary(f"{_pause(last)}; last ok at", decisive.ended_at, "")
    after = f", {status.consecutive} probe{'' if status.consecutive == 1 else 's'}"
    if status.failing:
        after += f": {why}"
    elif status.slow:
        objective = latency(status.timing.latency_objective)
        after += f"; last probe took {latency(last.duration)}, objective {objective}"
    if last is not decisive:
        after += f"; {_pause(last)} since {clock(decisive.ended_at, now)}"
    elif is_stale(status, now):
        after += f"; not probed since {clock(last.ended_at, now)}"
    return Summary("failing since" if status.failing else "healthy since", status.since, after)


def describe_status(status: TargetStatus, *, with_address: bool = True) -> str:
    """Describe the outcome that explains a target's status; empty if it was not probed."""
    outcome = status.decisive or status.last
    if outcome is None:
        return ""
    return describe_outcome(
        outcome, status.target.expected_statuses, status.certificate_expiry, with_address=with_address
    )


def _pause(inconclusive: Outcome) -> str:
    """Describe a probe that says nothing about the target."""
    text = describe_outcome(inconclusive)
    return f"paused: {text}" if inconclusive.fault is Fault.QUOTA else text


def announce(status: TargetStatus, now: float) -> str:
    """Return a text for screen readers that stays the same from probe to probe unless the status changes."""
    before, since, _ = summarize(status, now)
    why = f": {describe_status(status)}" if status.failing and status.decisive else ""
    when = "" if since is None else f" {clock(since, now)}"
    return f"{status.target.name} {before}{when}{why}"


def last_response(status: TargetStatus, now: float) -> str:
    """Return the last response and its age; empty before the first probe."""
    last = status.last
    return f"{describe_response(last)} - {relative(last.ended_at, now)}" if last else ""


def last_latency(status: TargetStatus) -> str:
    """Return the duration of the last probe, unless the exporter itself distorted it."""
    last = status.last
    if last is None or last.stalled or last.fault is Fault.EXPORTER:
        return NO_VALUE
    return latency(last.duration)


def next_probe(status: TargetStatus, now: float) -> str:
    """Return when the next probe starts."""
    if status.next_run is None:
        return "not scheduled"
    return "due now" if status.next_run - now < 1 else f"next {relative(status.next_run, now)}"
