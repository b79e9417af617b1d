"""The clock that the schedule runs by: wall time as of the start, continued by the monotonic clock.

An operator, or a virtual machine that resumes, may set the wall clock by an hour. That makes no probe due
and delays none.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo


class SteadyClock(tzinfo):
    """Seconds since the epoch that never jump; `monotonic` may have any origin.

    It is also UTC by this clock, which is the one public way to give APScheduler a clock: that calls
    `datetime.now(scheduler.timezone)`, and datetime has the zone convert the wall time (`tzinfo.fromutc`).
    This zone returns the steady time instead. Run times must be in this zone as well: APScheduler would
    convert those of another one, and get the present time.
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, wall: Callable[[], float] = time.time
    ) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._origin = wall() - monotonic()

    def __call__(self) -> float:
        """Return the steady time."""
        return self._origin + self._monotonic()

    def wall_shift(self) -> float:
        """Return how far the wall clock has been set since the start, in seconds."""
        return self._wall() - self()

    def moment(self, timestamp: float) -> datetime:
        """Return seconds of this clock as a run time."""
        return datetime.fromtimestamp(timestamp, UTC).replace(tzinfo=self)

    def fromutc(self, _wall: datetime, /) -> datetime:
        """Return the present time."""
        return self.moment(self())

    def utcoffset(self, _moment: datetime | None, /) -> timedelta:
        """Return no offset."""
        return timedelta(0)

    def dst(self, _moment: datetime | None, /) -> timedelta:
        """Return no offset."""
        return timedelta(0)

    def tzname(self, _moment: datetime | None, /) -> str:
        """Return the name of the zone."""
        return "UTC, steady"
