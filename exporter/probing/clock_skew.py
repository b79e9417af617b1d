"""The provider's clock against ours, and the times that HTTP headers give. No I/O.

A timestamp was made somewhere between the start of the request and the end of the response's head, and is no
more exact than its resolution. Of several timestamps the one with the smallest error is used: createdAt has
milliseconds, `Date` seconds.
"""

import re
from collections.abc import Iterable
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import NamedTuple

from exporter.probing.messages import Timestamp

_DATE_RESOLUTION_SECONDS = 1.0
_HAS_SECONDS = re.compile(r"\d:\d\d:\d\d")
_DELAY_SECONDS = re.compile(r"[0-9]+")
MAX_RETRY_AFTER_SECONDS = 1e9


class ClockSkew(NamedTuple):
    """The provider's clock minus ours, and the bound of its error, both in seconds."""

    seconds: float
    error: float


def clock_skew(timestamps: Iterable[Timestamp | None], *, sent: float, received: float) -> ClockSkew | None:
    """Return the skew by the best of `timestamps`, or None if there is none.

    Args:
        timestamps: moments that the provider wrote between the two.
        sent: when the request was sent; our wall clock, seconds since the epoch.
        received: when the response's headers were complete; likewise.
    """
    found = [
        ClockSkew(
            timestamp.at + timestamp.resolution / 2 - (sent + received) / 2,
            (received - sent) / 2 + timestamp.resolution / 2,
        )
        for timestamp in timestamps
        if timestamp is not None
    ]
    return min(found, key=lambda skew: skew.error, default=None)


def date_timestamp(date: str | None) -> Timestamp | None:
    """Return a `Date` header as a timestamp, if it has seconds."""
    at = http_date(date) if _HAS_SECONDS.search(date or "") else None
    return None if at is None else Timestamp(at, _DATE_RESOLUTION_SECONDS)


def retry_after_seconds(value: str | None, *, date: str | None, now: float) -> float | None:
    """Return how long the provider asks for a pause, in seconds (RFC 9110, 10.2.3), or None.

    Args:
        value: the `Retry-After` header.
        date: the response's `Date` header: the clock that a date in `value` was written by.
        now: our wall clock, seconds since the epoch; counts if there is no `Date`.
    """
    value = (value or "").strip()
    if _DELAY_SECONDS.fullmatch(value):
        return min(float(value), MAX_RETRY_AFTER_SECONDS)
    until = http_date(value)
    if until is None:
        return None
    reference = http_date(date)
    return min(max(0.0, until - (now if reference is None else reference)), MAX_RETRY_AFTER_SECONDS)


@lru_cache(maxsize=256)
def http_date(value: str | None) -> float | None:
    """Return an HTTP date as seconds since the epoch, or None if it is not one."""
    try:
        moment = parsedate_to_datetime(value or "")
        # "-0000" and the asctime form carry no zone; an HTTP date is always UTC.
        return moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
