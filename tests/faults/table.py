"""The fault table: what a provider may do, and what must be said of it. The one home of such rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from faults.codes import CODES
from faults.content import CONTENT
from faults.fields import fields
from faults.framing import HTTP
from faults.network import PROXIES, RESOLUTION, TCP, TLS
from faults.pingone import PINGONE
from faults.redirects import REDIRECTS
from faults.tolerated import TOLERATED

if TYPE_CHECKING:
    from collections.abc import Mapping

    from faults.case import Case

GROUPS: Mapping[str, tuple[Case, ...]] = {
    "Names": RESOLUTION,
    "Connections": TCP,
    "TLS": TLS,
    "Our own proxy": PROXIES,
    "HTTP": HTTP,
    "Status codes": CODES,
    "Redirects": REDIRECTS,
    "Errors of PingOne": PINGONE,
    "Bodies": CONTENT,
    "Fields of another type": tuple(fields()),
    "Odd, and no fault": TOLERATED,
}
"""By heading."""

CASES: tuple[Case, ...] = tuple(case for cases in GROUPS.values() for case in cases)
