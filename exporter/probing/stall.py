"""Which timeouts are explained by a stall of our own. Pure.

A stall somewhere in a long wait delays nothing that matters: what arrived meanwhile is read afterwards.
It explains a timeout only if the deadline passed within it, so that an answer may have been there
unread, or if so much of the time was lost that the rest was no fair chance. Anything more generous
would let a container that is throttled for 70 ms in each probe hide an outage for good.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Stalls = Sequence[tuple[float, float]]
StallsSince = Callable[[float], Stalls]

_FAIR_SHARE = 0.1
"""Of the timeout, that may be lost."""


def explains_timeout(stalls: Stalls, *, deadline: float, timeout: float) -> bool:
    """Whether stalls explain that an answer did not come in time.

    Args:
        stalls: begin and end of each stall during the probe; monotonic seconds.
        deadline: when the probe was given up; likewise.
        timeout: seconds that it had.
    """
    if any(begun <= deadline <= ended for begun, ended in stalls):
        return True
    return sum(ended - begun for begun, ended in stalls) >= _FAIR_SHARE * timeout
