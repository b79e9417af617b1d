"""Times and durations as people read them. Pure; every time of day is UTC, and says so."""

from __future__ import annotations

from datetime import UTC, datetime

_MINUTE, _HOUR, _DAY = 60.0, 3600.0, 86_400.0
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SHORT = 0.01


def clock(moment: float, now: float, *, seconds: bool = False) -> str:
    """Write a time of day, such as `12:04 UTC`; with the date when that is not today's.

    Args:
        moment: seconds since the epoch, as is `now`.
        now: what today is told from.
        seconds: whether to be exact to the second.
    """
    then, today = datetime.fromtimestamp(moment, UTC), datetime.fromtimestamp(now, UTC)
    time = then.strftime("%H:%M:%S" if seconds else "%H:%M")
    if then.date() == today.date():
        return f"{time} UTC"
    year = "" if then.year == today.year else f" {then.year}"
    return f"{then.day} {_MONTHS[then.month - 1]}{year} {time} UTC"


def relative(moment: float, now: float) -> str:
    """Write how long ago something was, or how soon it will be: `4 min ago`, `in 12 s`, `now`."""
    seconds = abs(moment - now)
    if seconds < 1:
        return "now"
    span = _span(seconds)
    return f"in {span}" if moment > now else f"{span} ago"


def latency(seconds: float) -> str:
    """Write how long something took: `1.2 ms`, `312 ms`, `2.41 s`."""
    if seconds < _SHORT:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def duration(seconds: float) -> str:
    """Write a configured duration: `500 ms`, `1 min 30 s`."""
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    parts = []
    rest = seconds
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min")):
        if rest >= size:
            parts.append(f"{int(rest // size)} {unit}")
            rest %= size
    if rest or not parts:
        parts.append(f"{rest:g} s")
    return " ".join(parts)


def _span(seconds: float) -> str:
    for size, least, unit in ((_DAY, 2, "d"), (_HOUR, 2, "h"), (_MINUTE, 1, "min")):
        # Below two days hours say more, below two hours minutes: 119 minutes are not one hour.
        if seconds >= least * size:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds)} s"
