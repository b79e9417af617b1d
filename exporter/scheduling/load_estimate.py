"""Estimates what probing a list of targets asks of their providers. No I/O."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from exporter.scheduling.job import first_delays
from exporter.target import Journey, Target

ENVIRONMENT_RATE = 300.0
"""Authentication requests per second that one environment is reported to accept; licenses differ."""

ONE_SOURCE = 0.35
"""Share of it that one source address gets (PingOne Platform API, "Rate limiting")."""

FLOW_SECONDS = 15 * 60.0
"""Lifetime of a flow that is left alone. Each probe leaves one."""

_WARNING_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class FirstProbe:
    """The first probe of a target and journey.

    Args:
        target: the target.
        journey: the journey.
        delay: seconds after the start.
    """

    target: Target
    journey: Journey
    delay: float


@dataclass(frozen=True, slots=True)
class Load:
    """The load on one auth host or source environment.

    Args:
        where: the host or environment.
        targets: how many targets are there.
        probes: per second.
        requests: per second, if every journey runs to its end.
    """

    where: str
    targets: int
    probes: float
    requests: float

    @property
    def flows(self) -> float:
        """How many of the exporter's flows exist at a time."""
        return self.probes * FLOW_SECONDS

    @property
    def is_near_the_limit(self) -> bool:
        """Whether the limit is near, if this is one environment and all requests have one source address."""
        return self.requests >= _WARNING_SHARE * ONE_SOURCE * ENVIRONMENT_RATE


def first_probes(targets: Iterable[Target]) -> list[FirstProbe]:
    """Return the first probes after a start, in the order of the targets."""
    planned = [(target, journey) for target in targets for journey in target.journeys]
    delays = first_delays(target.auth_host for target, _ in planned)
    return [
        FirstProbe(target, journey, delay) for (target, journey), delay in zip(planned, delays, strict=True)
    ]


def loads(targets: Iterable[Target], where: Callable[[Target], str]) -> list[Load]:
    """Return the load at each place that `where` maps targets to, heaviest first."""
    found: defaultdict[str, list[Target]] = defaultdict(list)
    for target in targets:
        found[where(target)].append(target)
    return sorted((_load(*group) for group in found.items()), key=lambda load: (-load.requests, load.where))


def _load(where: str, targets: Sequence[Target]) -> Load:
    return Load(
        where,
        len(targets),
        probes=sum(len(target.journeys) / target.interval for target in targets),
        requests=sum(
            len(journey.steps) / target.interval for target in targets for journey in target.journeys
        ),
    )
