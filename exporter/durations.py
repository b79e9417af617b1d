"""Durations in Prometheus' notation, such as `1m30s`: units descend, each at most once; or a plain 0. No I/O.

Source: `ParseDuration` and `Duration.String` of prometheus/common, model/time.go.
"""

import re

INVALID_DURATION = "invalid duration; use e.g. 500ms, 30s, 1m30s or 2h"

_UNIT_MILLISECONDS = {
    "y": 365 * 24 * 60 * 60 * 1000,
    "w": 7 * 24 * 60 * 60 * 1000,
    "d": 24 * 60 * 60 * 1000,
    "h": 60 * 60 * 1000,
    "m": 60 * 1000,
    "s": 1000,
    "ms": 1,
}
_UNITS_WITHOUT_REMAINDER = {"y", "w"}
"""Prometheus formats these only if nothing remains: 8d stays 8d, not 1w1d."""

_MAX_MILLISECONDS = (2**63 - 1) // 1_000_000
"""Prometheus keeps nanoseconds in 64 bits."""

_PATTERN = re.compile("".join(rf"(?:([0-9]{{1,19}}){unit})?" for unit in _UNIT_MILLISECONDS))


def parse_duration(text: str) -> float:
    """Parse a duration to seconds, exact to the millisecond.

    Raises:
        ValueError: it is not a duration, or longer than 292 years; the message does not contain `text`.
    """
    if text == "0":
        return 0.0
    match = _PATTERN.fullmatch(text)
    if match is None or not text:
        raise ValueError(INVALID_DURATION)
    parts = zip(match.groups(default="0"), _UNIT_MILLISECONDS.values(), strict=True)
    milliseconds = sum(int(digits) * size for digits, size in parts)
    if milliseconds > _MAX_MILLISECONDS:
        raise ValueError("duration too long; the maximum is 292y")
    return milliseconds / 1000


def format_duration(seconds: float) -> str:
    """Format seconds as a duration, rounded to the millisecond; `parse_duration` is the inverse."""
    remaining = round(seconds * 1000)
    if remaining == 0:
        return "0s"
    parts = []
    for unit, size in _UNIT_MILLISECONDS.items():
        if unit in _UNITS_WITHOUT_REMAINDER and remaining % size:
            continue
        count, remaining = divmod(remaining, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def format_latency(seconds: float) -> str:
    """Format how long something took, with about three digits: `<0.1 ms`, `0.4 ms`, `98 ms`, `1.23 s`."""
    if seconds >= 0.9995:  # noqa: PLR2004  would be formatted as 1000 ms
        return f"{seconds:.2f} s"
    digits = 1 if seconds < 0.00995 else 0  # noqa: PLR2004  would be formatted as 10.0 ms
    return f"{seconds * 1000:.{digits}f} ms" if seconds >= 0.00005 else "<0.1 ms"  # noqa: PLR2004  not 0.0 ms
