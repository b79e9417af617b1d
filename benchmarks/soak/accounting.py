"""The arithmetic of a soak: runs that were due, probes that were sent and seen, growth. No I/O.

Times are seconds since the epoch by a clock that does not jump.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from exporter.scheduling import interval_offset
from exporter.target import Journey

SLACK_SECONDS = 0.02
"""How far the clocks of two processes, and a line of the log, may be off."""
GROWTH_SECONDS = 600.0
FLOOR_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened, as exactly as it is known.

    Args:
        earliest: not before.
        latest: not after.
    """

    earliest: float
    latest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """From when to when a target was probed in one way; a reload that changes it begins another one.

    Args:
        began: when its first probe was planned.
        ended: when no more probes were started.
        delay: seconds from the plan to the first probe.
    """

    began: Moment
    ended: Moment
    delay: float


def runs_due(name: str, journey: Journey, interval: float, timeout: float, lives: Iterable[Life]) -> Moment:
    """Return how many runs were due at least and at most.

    The first probe comes `delay` after the plan, and then one in each interval, at the target's own offset,
    the first of them not before the first probe has had its timeout.
    """
    least = most = 0
    offset = interval_offset(name, journey, interval)

    def due(began: float, ended: float, delay: float) -> int:
        first = began + delay
        start = offset + math.ceil((first + timeout - offset) / interval) * interval
        return (first <= ended) + (math.floor((ended - start) / interval) + 1 if start <= ended else 0)

    for life in lives:
        began, ended = life.began, life.ended
        least += due(began.latest + SLACK_SECONDS, ended.earliest - SLACK_SECONDS, life.delay)
        most += due(began.earliest - SLACK_SECONDS, ended.latest + SLACK_SECONDS, life.delay)
    return Moment(least, most)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A probe that the exporter has reported.

    Args:
        target: its name.
        reason: how it ended.
        steps: how many it has begun.
        requests: how many requests it has sent; one that was repeated counts once.
        started_at: when.
        ended_at: when.
    """

    target: str
    reason: str
    steps: int
    requests: int
    started_at: float
    ended_at: float


@dataclass(slots=True)
class Seen:
    """What the provider saw of a probe.

    Args:
        environment: where its first request came to.
        path: of its first request.
        firsts: how many requests like the first there were.
        requests: how many there were of all.
    """

    environment: str
    path: str
    firsts: int = 0
    requests: int = 0

    def add(self, environment: str, path: str) -> None:
        """Take in one request."""
        self.requests += 1
        self.firsts += (environment, path) == (self.environment, self.path)


@dataclass(slots=True)
class Matched:
    """The exporter's probes beside those that the provider saw, by transaction id.

    Args:
        sent: requests that the exporter reports.
        seen: requests that the provider saw of the same probes.
        lost: probes with requests that the provider never saw.
        doubled: probes with more requests at the provider than the exporter reports.
        repeated: later requests of a probe that were sent once more, since the provider had closed the kept
            connection (RFC 9110, 9.2.2).
        closing: requests that were in a port's queue while it was closed or its certificate changed.
        unreported: probes of each environment that the provider saw and the exporter never reported.
    """

    sent: int = 0
    seen: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    repeated: int = 0
    closing: int = 0
    unreported: dict[str, int] = field(default_factory=dict)


_NEVER = Seen("", "")


def match(
    probes: Mapping[str, Probe],
    seen: Mapping[str, Seen],
    switches: Mapping[str, Sequence[Moment]],
    environments: Mapping[str, Sequence[str]],
) -> Matched:
    """Compare what the exporter reports with what the provider saw.

    Args:
        probes: what the exporter reports, by transaction id.
        seen: what the provider saw, likewise.
        switches: when the provider may have dropped what waited in an environment's queue.
        environments: of each target.
    """
    found = Matched()
    for transaction, probe in probes.items():
        one = seen.get(transaction, _NEVER)
        requests = one.requests
        found.sent += probe.requests
        found.seen += requests
        if one.firsts > 1 or requests > probe.requests + 1:
            found.doubled.append(transaction)
        elif requests > probe.requests and probe.steps > 1:
            found.repeated += 1
        elif requests > probe.requests:
            found.doubled.append(transaction)
        elif requests < probe.requests:
            during = Moment(probe.started_at - SLACK_SECONDS, probe.ended_at + SLACK_SECONDS)
            dropped = any(
                moment.earliest <= during.latest and during.earliest <= moment.latest
                for name in environments[probe.target]
                for moment in switches.get(name, ())
            )
            if dropped and probe.requests - requests == 1:
                found.closing += 1
            else:
                found.lost.append(transaction)
    for transaction, one in seen.items():
        if transaction not in probes:
            found.unreported[one.environment] = found.unreported.get(one.environment, 0) + 1
    return found


def slope(points: Sequence[tuple[float, float]]) -> float:
    """Return the slope of the line of least squares through `points`; 0 through fewer than two."""
    if len(points) < 2:  # noqa: PLR2004  a line
        return 0.0
    mean_x = math.fsum(x for x, _ in points) / len(points)
    mean_y = math.fsum(y for _, y in points) / len(points)
    spread = math.fsum((x - mean_x) ** 2 for x, _ in points)
    return math.fsum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def floor(points: Sequence[tuple[float, float]], seconds: float = FLOOR_SECONDS) -> list[tuple[float, float]]:
    """Return the least point of each so many seconds.

    What comes and goes with the load does not raise it, what is never returned does.
    """
    least: dict[int, tuple[float, float]] = {}
    for x, y in points:
        part = int((x - points[0][0]) // seconds)
        if part not in least or y < least[part][1]:
            least[part] = x, y
    return list(least.values())


def growth(points: Sequence[tuple[float, float]]) -> float:
    """Return by how much the line of least squares rises in 10 minutes, or in what was measured if less.

    A slope of one minute times ten would be ten times the noise of a minute.
    """
    measured = points[-1][0] - points[0][0] if points else 0.0
    return slope(points) * (GROWTH_SECONDS if measured >= GROWTH_SECONDS / 2 else measured)
