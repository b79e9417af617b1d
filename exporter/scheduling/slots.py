"""The slots of one target and journey: when a run is due, and which were never done. Pure.

    first        regular slots: offset + n * interval
      |     x  |        |        |
      +---timeout---+              a regular slot this close behind the first probe is dropped

Times are seconds since the epoch on the steady clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

_TOLERANCE = 0.001
"""Seconds. A timer may fire a little early, since wall time is kept in microseconds."""


@dataclass(frozen=True, slots=True)
class Due:
    """What became due.

    Args:
        missed: slots that can no longer be started within the grace.
        slots: the others, oldest first.
    """

    missed: int
    slots: tuple[float, ...]


class Slots:
    """Hands out each slot once.

    Args:
        interval: seconds between two regular slots.
        offset: their shift within the period.
        first: when the first probe is due.
        timeout: seconds behind the first probe in which no regular slot may lie.
    """

    def __init__(self, *, interval: float, offset: float, first: float, timeout: float) -> None:
        self.grace = max(1.0, interval / 2)
        self._interval = interval
        self._offset = offset
        self._first: float | None = first
        self._next = math.ceil((first + timeout - offset) / interval)

    @property
    def upcoming(self) -> float:
        """The earliest slot that was not handed out yet."""
        return self._at(self._next) if self._first is None else self._first

    def after(self, now: float) -> float:
        """Return the earliest slot not yet handed out that lies behind `now`."""
        if self._first is not None and self._first > now + _TOLERANCE:
            return self._first
        return self._at(max(self._next, self._index_after(now)))

    def take(self, now: float) -> Due:
        """Hand out all slots that are due at `now`."""
        slots: list[float] = []
        missed = 0
        if self._first is not None and self._first <= now + _TOLERANCE:
            if self._first + self.grace < now:
                missed += 1
            else:
                slots.append(self._first)
            self._first = None
        end = max(self._next, self._index_after(now))
        # Counted, not walked: after an hour asleep there are thousands.
        startable = min(end, max(self._next, math.ceil((now - self.grace - self._offset) / self._interval)))
        missed += startable - self._next
        slots += [self._at(index) for index in range(startable, end)]
        self._next = end
        return Due(missed, tuple(slots))

    def _at(self, index: int) -> float:
        return self._offset + index * self._interval

    def _index_after(self, now: float) -> int:
        """Return the index of the earliest regular slot that is not due at `now`."""
        return math.floor((now + _TOLERANCE - self._offset) / self._interval) + 1
