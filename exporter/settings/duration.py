"""Durations as Prometheus writes them: `500ms`, `30s`, `1m30s`, `2h`.

    [<n>y][<n>w][<n>d][<n>h][<n>m][<n>s][<n>ms]     descending, each unit at most once; or a plain 0

Source: `ParseDuration` and `Duration.String` of prometheus/common, model/time.go.
"""

from __future__ import annotations

import re

_MILLISECONDS = {
    "y": 365 * 24 * 60 * 60 * 1000,
    "w": 7 * 24 * 60 * 60 * 1000,
    "d": 24 * 60 * 60 * 1000,
    "h": 60 * 60 * 1000,
    "m": 60 * 1000,
    "s": 1000,
    "ms": 1,
}
_ONLY_WHOLE = {"y", "w"}
"""Units that Prometheus writes only when nothing is left over: 8d stays 8d, it is not 1w1d."""

_LONGEST = (2**63 - 1) // 1_000_000
"""Milliseconds; Prometheus keeps nanoseconds in 64 bits."""

_PATTERN = re.compile("".join(rf"(?:([0-9]{{1,19}}){unit})?" for unit in _MILLISECONDS))

WRONG = "is no duration; write for example 500ms, 30s, 1m30s or 2h"


def parse(text: str) -> float:
    """Read a duration.

    Returns:
        Seconds, to the millisecond.

    Raises:
        ValueError: it is no duration, or longer than 292 years; the message does not repeat `text`.
    """
    if text == "0":
        return 0.0
    match = _PATTERN.fullmatch(text)
    if match is None or not text:
        raise ValueError(WRONG)
    total = sum(
        int(digits) * size
        for digits, size in zip(match.groups(), _MILLISECONDS.values(), strict=True)
        if digits is not None
    )
    if total > _LONGEST:
        raise ValueError("is too long a duration; write at most 292y")
    return total / 1000


def write(seconds: float) -> str:
    """Write seconds as a duration, rounded to the millisecond; `parse` reads it back."""
    left = round(seconds * 1000)
    if left == 0:
        return "0s"
    parts = []
    for unit, size in _MILLISECONDS.items():
        if unit in _ONLY_WHOLE and left % size:
            continue
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
