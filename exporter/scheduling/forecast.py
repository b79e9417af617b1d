"""What a schedule of targets would do, and what that means for those who are probed. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from exporter.scheduling.offsets import first_delays
from exporter.target import Journey, Target

ENVIRONMENT_RATE = 300.0
"""Requests per second of authentication that one environment takes, as others tell; licenses differ."""

ONE_SOURCE = 0.35
"""Share of it that one source address gets (PingOne Platform API, "Rate limiting")."""

FLOW_SECONDS = 15 * 60.0
"""How long a flow lives that nobody goes on with. Each probe leaves one."""

_NEAR = 0.5


@dataclass(frozen=True, slots=True)
class Start:
    """The first probe of a target and journey.

    Args:
        target: whose.
        journey: what is done.
        delay: seconds after the start.
    """

    target: Target
    journey: Journey
    delay: float


@dataclass(frozen=True, slots=True)
class Load:
    """What falls on one place.

    Args:
        where: an auth host or a source environment.
        targets: how many targets are there.
        probes: per second.
        requests: per second, when every journey is walked to its end.
    """

    where: str
    targets: int
    probes: float
    requests: float

    @property
    def flows(self) -> float:
        """How many flows of ours are there at a time."""
        return self.probes * FLOW_SECONDS

    @property
    def is_near_the_limit(self) -> bool:
        """Whether, were this one environment and all from one address, requests would soon be refused."""
        return self.requests >= _NEAR * ONE_SOURCE * ENVIRONMENT_RATE


def starts(targets: Iterable[Target]) -> list[Start]:
    """Return the first probes, in the order of the targets."""
    keys = [(target, journey) for target in targets for journey in target.journeys]
    delays = first_delays(target.auth_host for target, _ in keys)
    return [Start(target, journey, delay) for (target, journey), delay in zip(keys, delays, strict=True)]


def loads(targets: Iterable[Target], where: Callable[[Target], str]) -> list[Load]:
    """Return what falls on each place, the heaviest first."""
    found: defaultdict[str, list[Target]] = defaultdict(list)
    for target in targets:
        found[where(target)].append(target)
    return sorted((_load(*place) for place in found.items()), key=lambda load: (-load.requests, load.where))


def _load(where: str, targets: Sequence[Target]) -> Load:
    return Load(
        where,
        len(targets),
        probes=sum(len(target.journeys) / target.interval for target in targets),
        requests=sum(
            len(journey.steps) / target.interval for target in targets for journey in target.journeys
        ),
    )
