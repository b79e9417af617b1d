"""What the pages and the API show, as values: they are handed in, and made of outcomes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from exporter.outcome import Outcome
from exporter.target import Journey, Target

Breath: TypeAlias = Callable[[], Awaitable[None]]
"""Lets go of the event loop once it was held for long enough."""

Point: TypeAlias = "tuple[float | None, str]"
"""A probe in a sparkline: its seconds, None where our own stall spoilt them, and its fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One target and journey as it stands; times by the wall clock, seconds since the epoch.

    Args:
        target: what is probed.
        journey: what is walked.
        failing: whether it fails; None before the first outcome that says anything of the target.
        since: since when it does.
        in_a_row: probes that ended so since then.
        last: the last outcome; None before the first.
        decisive: the last outcome that says anything of the target, so the reason of its state.
        expiry: when the certificate expires that was seen last; None when none was.
        points: the last 60 probes, oldest first.
        next_run: when it is probed next; None when nothing more is started.
        held_until: until when it is held back; None when it is not.
    """

    target: Target
    journey: Journey
    failing: bool | None = None
    since: float | None = None
    in_a_row: int = 0
    last: Outcome | None = None
    decisive: Outcome | None = None
    expiry: float | None = None
    points: tuple[Point, ...] = ()
    next_run: float | None = None
    held_until: float | None = None

    @property
    def slow(self) -> bool:
        """Whether the last probe was a success that took longer than the target's objective."""
        last = self.last
        if last is None or not last.success or last.stalled:
            return False
        return last.duration > self.target.latency_objective


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """What the exporter's own egress check says.

    Args:
        up: whether its last check got an answer.
        since: since when that is so, by the wall clock.
    """

    up: bool
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What is known of one target and journey.

    Args:
        watched: how it stands.
        recent: its last outcomes, newest first.
        failures: its last failures, newest first, kept longer.
    """

    watched: Watched
    recent: tuple[Outcome, ...]
    failures: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Where the pages and the API have it from.

    Args:
        version: the exporter's.
        watched: all that is watched, found one by one as it is asked for.
        past: all journeys of the target of that name; empty when there is none.
        now: wall clock, seconds since the epoch.
        slices: begins a piece of long work; what it returns is awaited again and again meanwhile.
        external_url: what absolute links start with; None when nobody said.
        egress: what the own egress check says; None without one, and before the first.
    """

    version: str
    watched: Callable[[], Iterator[Watched]]
    past: Callable[[str], tuple[Past, ...]]
    now: Callable[[], float]
    slices: Callable[[], Breath]
    external_url: Callable[[], str | None]
    egress: Callable[[], Egress | None]
