"""The provider's clock against ours, with a bound of the error. Pure.

A stamp was made somewhere between when the request began to be sent and the response was received, and says
no more than its resolution. So, for a stamp s of resolution r, sent at a and received at b:

    skew   s + r/2 - (a + b)/2
    error  (b - a)/2 + r/2

Of several stamps the one with the smaller error is believed: createdAt has milliseconds, `Date` seconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from exporter.probing.contract import Stamp
from exporter.probing.retry_after import http_date

_DATE_RESOLUTION = 1.0
_SECOND = re.compile(r"\d:\d\d:\d\d")


class Skew(NamedTuple):
    """The provider's clock minus ours, and the bound of its error, both in seconds."""

    seconds: float
    error: float


def clock_skew(stamps: Iterable[Stamp | None], *, sent: float, received: float) -> Skew | None:
    """Return the skew by the best of `stamps`, or None if there is none.

    Args:
        stamps: moments that the provider wrote between the two.
        sent: when the request began to be sent; our wall clock, seconds since the epoch.
        received: when the response's headers were complete; likewise.
    """
    found = [
        Skew(
            stamp.at + stamp.resolution / 2 - (sent + received) / 2,
            (received - sent) / 2 + stamp.resolution / 2,
        )
        for stamp in stamps
        if stamp is not None
    ]
    return min(found, key=lambda skew: skew.error, default=None)


def date_stamp(date: str | None) -> Stamp | None:
    """Return a `Date` header as a stamp, if it says its second."""
    at = None if date is None or _SECOND.search(date) is None else http_date(date)
    return None if at is None else Stamp(at, _DATE_RESOLUTION)
