"""When a target's probes fall within its period. Pure.

A hash of target and journey, not chance: it spreads the load over the period and stays where it is
over restarts, so that a graph does not jump and two replicas do not drift onto one another.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable

from exporter.target import Journey

FIRST_PROBE_SPACING = 0.05
"""Seconds between the first probes of one auth host: a restart must not look like an attack."""


def offset(target: str, journey: Journey, interval: float) -> float:
    """Return the fixed shift of a target's slots within its period, in seconds, `0 <= shift < interval`."""
    digest = hashlib.sha256(f"{journey.value}/{target}".encode()).digest()
    # 53 bits are what a float holds exactly, so that the share stays below 1.
    share = (int.from_bytes(digest[:8], "big") >> 11) / (1 << 53)
    return min(share * interval, interval * (1 - 2**-53))


def first_delays(auth_hosts: Iterable[str]) -> list[float]:
    """Return how long after the start each first probe is due, given the hosts in their order."""
    seen: Counter[str] = Counter()
    delays = []
    for host in auth_hosts:
        delays.append(seen[host] * FIRST_PROBE_SPACING)
        seen[host] += 1
    return delays
