"""The books balance: each due slot is a probe, or skipped with one cause, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from scheduling.stage import Act, Stage, due_slots, make_target, perform

from exporter.outcome import Observer, Outcome
from exporter.reasons import Reason
from exporter.scheduling import first_delays
from exporter.target import Target

if TYPE_CHECKING:
    from scheduling.virtual_time import VirtualTime


NAMES = ("a", "b", "c", "d", "e")
SPAN = 60.0


@dataclass(frozen=True, slots=True)
class Play:
    """A schedule, and everything that happens to it.

    Args:
        targets: what is probed.
        limit: the bound on all probes.
        acts: what the n-th probe of a target does, taken round by round.
        failing: which observations fail, taken round by round.
        stalls: when the loop stands still, and for how long.
        steps: when the wall clock is set, and how far away.
        grace: of the stop at the end.
    """

    targets: list[Target]
    limit: int
    acts: dict[str, list[Act]]
    failing: list[bool]
    stalls: list[tuple[float, float]]
    steps: list[tuple[float, float]]
    grace: float

    def act(self, name: str, number: int) -> Act:
        acts = self.acts[name]
        return acts[number % len(acts)]


acts = st.builds(
    Act,
    lasts=st.floats(0.0, 30.0),
    blocks=st.sampled_from([0.0, 0.0, 0.0, 0.5, 4.0]),
    reason=st.sampled_from([Reason.OK, Reason.OK, Reason.TIMEOUT, Reason.RATE_LIMITED]),
    retry_after=st.one_of(st.none(), st.floats(0.0, 40.0)),
    error=st.sampled_from([None, None, None, ValueError("a bug")]),
)
moments = st.floats(0.0, SPAN)


@st.composite
def plays(draw: st.DrawFn) -> Play:
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    intervals = [draw(st.floats(1.0, 40.0)) for _ in names]
    return Play(
        targets=[
            make_target(
                name,
                host=draw(st.sampled_from(["h", "i"])),
                environment=draw(st.sampled_from(["e", "f"])),
                interval=interval,
                timeout=draw(st.floats(0.05, 0.95)) * interval,
            )
            for name, interval in zip(names, intervals, strict=True)
        ],
        limit=draw(st.integers(1, 4)),
        acts={name: draw(st.lists(acts, min_size=1, max_size=4)) for name in names},
        failing=draw(st.lists(st.booleans(), min_size=1, max_size=4)),
        stalls=draw(st.lists(st.tuples(moments, st.floats(0.0, 50.0)), max_size=3)),
        steps=draw(st.lists(st.tuples(moments, st.floats(-4000.0, 4000.0)), max_size=3)),
        grace=draw(st.floats(0.0, 20.0)),
    )


class Failing:
    """An observer some of whose observations fail."""

    def __init__(self, failing: list[bool]) -> None:
        self._failing = failing
        self._count = 0

    def observe(self, _: Outcome, /) -> None:
        self._count += 1
        if self._failing[self._count % len(self._failing)]:
            raise ValueError("a bug")


def perform_play(play: Play) -> tuple[Stage, float]:
    """Perform it; return what was noted and when it was stopped."""
    stopped_at = 0.0

    async def scene(stage: Stage, time: VirtualTime) -> None:
        nonlocal stopped_at
        observers: list[Observer] = [Failing(play.failing), stage]
        schedule = stage.schedule(play.targets, limit=play.limit, observers=observers)
        schedule.start()
        for at, seconds in play.stalls:
            time.loop.call_at(at, time.loop.stall, seconds)
        for at, seconds in play.steps:
            time.loop.call_at(at, time.set_wall, seconds)
        await asyncio.sleep(SPAN)
        stopped_at = time()
        await schedule.stop(play.grace)

    logging.disable()  # each planned bug would write a traceback
    try:
        return perform(scene, play.act), stopped_at
    finally:
        logging.disable(logging.NOTSET)


@given(plays())
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_each_due_slot_is_one_probe_or_skipped_with_one_cause_and_bounds_hold(play: Play) -> None:
    stage, stopped_at = perform_play(play)
    delays = first_delays(target.auth_host for target in play.targets)
    for target, delay in zip(play.targets, delays, strict=True):
        slots = due_slots(target, stopped_at + 1.0, first=delay)
        # Within a millisecond of the stop it may be due or not.
        assume(not any(abs(slot - stopped_at) < 0.002 for slot in slots))
        due = sum(slot <= stopped_at for slot in slots)
        observed = sum(outcome.target == target.name for _, outcome in stage.outcomes)
        skipped = sum(skip.count for skip in stage.skips if skip.target == target.name)
        assert due == observed + stage.raised[target.name] + skipped
    assert stage.most_in_flight <= play.limit
    assert stage.twice_at_once == []
    assert stage.in_flight == 0
    for note, lag in zip(stage.begun, stage.lags, strict=True):
        grace = next(max(1.0, target.interval / 2) for target in play.targets if target.name == note.target)
        assert 0.0 <= lag <= grace + 0.001
