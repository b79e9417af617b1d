"""Retry-After, in seconds or as a date (RFC 9110, section 10.2.3)."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"[0-9]+")
_CAP = 1e9


def retry_after_seconds(value: str | None, *, date: str | None, now: float) -> float | None:
    """Return how long the provider asks to be left alone, in seconds, or None if it does not say.

    Args:
        value: the `Retry-After` header.
        date: the response's `Date` header. A date is relative to the clock of whoever wrote it, so
            this is what it is measured from, and our own clock only in its absence.
        now: our wall clock, seconds since the epoch.
    """
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), _CAP)
    until = http_date(value)
    if until is None:
        return None
    reference = http_date(date) if date is not None else None
    return min(max(0.0, until - (now if reference is None else reference)), _CAP)


def http_date(value: str) -> float | None:
    """Return an HTTP date as seconds since the epoch, or None if it is none."""
    try:
        moment = parsedate_to_datetime(value)
        # "-0000" and the asctime form carry no zone; an HTTP date is always UTC.
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
