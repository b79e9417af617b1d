"""Estimate the load that the probes of a list of targets put on their providers. No I/O."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from exporter.target import Side, Target, side_of

ENVIRONMENT_RATE = 300.0
"""Authentication requests per second that one environment is reported to accept; licenses differ."""

IP_SHARE = 0.35  # share of it that one source address gets (PingOne Platform API, "Rate limiting")

_WARNING_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """The load on one auth host or environment."""

    where: str  # the host or environment
    targets: int  # how many targets send requests there
    probes: float  # probes per second that send requests there
    requests: float  # per second, if every probe takes all steps that its target's settings ask for

    @property
    def is_near_the_limit(self) -> bool:
        """Whether it is near the limit of one environment for requests from one source address."""
        return self.requests >= _WARNING_SHARE * IP_SHARE * ENVIRONMENT_RATE


def loads(targets: Iterable[Target], where: Callable[[Target, Side], str | None]) -> list[Load]:
    """Return the load at each host or environment, the one with the most requests first.

    `where` maps a side of a target to its host or environment, or to None if that is unknown.
    """
    rates: defaultdict[str, list[tuple[str, float, float]]] = defaultdict(list)
    for target in targets:
        for journey in target.journeys:
            rate = 1 / target.timing(journey).interval
            counts = Counter(where(target, side_of(step)) for step in target.steps(journey))
            for place, steps in counts.items():
                if place is not None:
                    rates[place].append((target.name, rate, steps * rate))
    found = []
    for place, of_place in rates.items():
        names, probes, requests = zip(*of_place, strict=True)
        found.append(Load(place, len(set(names)), sum(probes), sum(requests)))
    return sorted(found, key=lambda load: (-load.requests, load.where))
