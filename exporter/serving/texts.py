"""Times, reasons and responses in words. No I/O; UTC."""

from collections.abc import Sequence
from datetime import UTC, datetime

from exporter.durations import format_duration, format_latency
from exporter.outcome import Outcome
from exporter.reasons import Fault, reason_text
from exporter.status import Point, count_results
from exporter.target import Journey


def clock(timestamp: float, now: float, *, seconds: bool = False) -> str:
    """Format a time of day, such as `12:04 UTC` or `12:04:31 UTC`, with the date unless it is today."""
    then, today = datetime.fromtimestamp(timestamp, UTC), datetime.fromtimestamp(now, UTC)
    time = then.strftime("%H:%M:%S" if seconds else "%H:%M")
    if then.date() == today.date():
        return f"{time} UTC"
    year = "" if then.year == today.year else f" {then.year}"
    return f"{then.day} {then:%b}{year} {time} UTC"


def relative(timestamp: float, now: float) -> str:
    """Format a time relative to now: `4 min ago`, `in 12 s`, `just now`."""
    seconds = abs(timestamp - now)
    if seconds < 1:
        return "just now"
    return f"in {span(seconds)}" if timestamp > now else f"{span(seconds)} ago"


def span(seconds: float) -> str:
    """Format a time span roughly: `12 s`, `4 min`, `119 min`, `3 h`, `2 d`; none is below 0."""
    for size, at_least, unit in ((86_400, 2, "d"), (3600, 2, "h"), (60, 1, "min")):
        if seconds >= at_least * size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(int(seconds), 0)} s"  # the clock may have been set back


def describe_points(points: Sequence[Point], interval: float) -> str:
    """Describe the last probes in one line: how many were ok, how slow, how many failed."""
    if not points:
        return "No probes yet"
    failed, ok = count_results(points)
    took = [seconds for seconds, fault in points if fault == Fault.NONE and seconds is not None]
    parts = [f"{ok} ok (at most {format_latency(max(took))})" if took else f"{ok} ok"]
    counts = {"failed": failed, "inconclusive": len(points) - ok - failed}
    parts += [f"{number} {kind}" for kind, number in counts.items() if number]
    probes = f"{len(points)} probes (one every {format_duration(interval)})" if len(points) > 1 else "probe"
    return f"Last {probes}: {', '.join(parts)}"


def describe_outcome(outcome: Outcome) -> str:
    """Return the reason's text, the step if there are several, and the exact cause."""
    if outcome.incomplete:
        return "ended before sign_on: lock-out protection withheld the password"
    text = reason_text(outcome.reason, outcome.fault)
    if outcome.journey is Journey.FEDERATION and not outcome.success:
        text = f"{text} (step {outcome.step} at the {outcome.side})"
    return text if outcome.detail is None else f"{text}: {outcome.detail}"


def describe_result(outcome: Outcome) -> str:
    """Return HTTP status and flow status of the response to a success, or why a probe failed."""
    if not (outcome.success and outcome.conclusive):
        return describe_outcome(outcome)
    last = outcome.steps[-1]
    return " ".join(str(part) for part in (last.http_status_code, last.flow_status) if part is not None)


def was_not_sent(outcome: Outcome) -> bool:
    """Return whether the last step made no request, because sign-on was suspended."""
    codes = [record.http_status_code for record in outcome.steps[-1:]]
    return outcome.fault is Fault.ACCOUNT and codes == [None]


def ok_share(points: Sequence[Point]) -> str:
    """Return the share of successes among conclusive probes, rounded down: `98%`; empty without any."""
    failed, ok = count_results(points)
    return f"{100 * ok // (failed + ok)}%" if failed + ok else ""
