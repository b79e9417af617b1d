"""Every slot is handed out once, or counted as missed once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from exporter.scheduling.slots import Due, Slots

EARLY = 0.001
"""Seconds by which a slot may be handed out early."""


def grid(least: float, most: float) -> st.SearchStrategy[float]:
    """Return multiples of 1/64, whose sums are exact: an oracle may then compare for equality."""
    return st.integers(math.ceil(least * 64), math.floor(most * 64)).map(lambda n: n / 64)


@dataclass(frozen=True, slots=True)
class Plan:
    """The arguments of Slots, and the times at which it is asked."""

    interval: float
    offset: float
    first: float
    timeout: float
    times: list[float]

    def slots(self) -> Slots:
        return Slots(interval=self.interval, offset=self.offset, first=self.first, timeout=self.timeout)

    @property
    def grace(self) -> float:
        return max(1.0, self.interval / 2)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    interval = draw(grid(0.25, 30))
    first = draw(grid(0, 100))
    waits = st.one_of(grid(0, 2), grid(0, 3 * interval), grid(0, 500))
    now = first
    times = []
    for wait in draw(st.lists(waits, max_size=12)):
        now += wait
        times.append(now)
    return Plan(
        interval=interval,
        offset=draw(grid(0, interval - 1 / 64)),
        first=first,
        timeout=draw(grid(1 / 64, interval - 1 / 64)),
        times=times,
    )


class Walker:
    """The naive way: writes down all slots there are, and crosses out those that it handed out."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        last = max(plan.times, default=plan.first) + 2 * plan.interval
        self.left = [plan.first]
        slot = plan.offset
        while slot <= last:
            if slot - plan.first >= plan.timeout:
                self.left.append(slot)
            slot += plan.interval

    def take(self, now: float) -> Due:
        due = [slot for slot in self.left if slot <= now + EARLY]
        self.left = [slot for slot in self.left if slot > now + EARLY]
        good = [slot for slot in due if now - slot <= self.plan.grace]
        return Due(len(due) - len(good), tuple(good))


@given(plans())
def test_what_is_counted_is_what_is_found_when_every_slot_is_walked(plan: Plan) -> None:
    slots, walker = plan.slots(), Walker(plan)
    for now in plan.times:
        assert slots.take(now) == walker.take(now)
        assert slots.upcoming == walker.left[0]


@given(plans())
def test_the_next_slot_lies_behind_now_and_is_the_earliest_that_is_left(plan: Plan) -> None:
    slots, walker = plan.slots(), Walker(plan)
    for now in plan.times:
        assert slots.after(now) == min(slot for slot in walker.left if slot > now + EARLY)
        slots.take(now)
        walker.take(now)


real_times = st.floats(1.6e9, 2.0e9)


@given(
    st.floats(1.0, 86_400.0),
    st.floats(0, 1, exclude_max=True),
    real_times,
    st.lists(st.floats(0, 1e5), min_size=1, max_size=20),
)
def test_at_the_size_of_real_times_each_slot_is_handed_out_once(
    interval: float, share: float, first: float, waits: list[float]
) -> None:
    offset = share * interval
    assume(offset < interval)
    slots = Slots(interval=interval, offset=offset, first=first, timeout=interval / 2)
    taken: list[float] = []
    missed, now = 0, first
    for wait in waits:
        now += wait
        due = slots.take(now)
        missed += due.missed
        taken += due.slots
        assert all(slot <= now + 2 * EARLY and now - slot <= slots.grace + EARLY for slot in due.slots)
        assert slots.after(now) > now
        assert slots.upcoming > now
    assert all(later > earlier for earlier, later in pairwise(taken))
    earliest = math.ceil((first + interval / 2 - offset) / interval)
    assert len(taken) + missed == 1 + round((slots.upcoming - offset) / interval) - earliest


def test_a_regular_slot_closer_to_the_first_probe_than_the_timeout_is_dropped_and_not_due() -> None:
    slots = Slots(interval=60.0, offset=5.0, first=0.0, timeout=10.0)
    assert slots.take(0.0) == Due(0, (0.0,))
    assert slots.take(5.0) == Due(0, ())
    assert slots.take(65.0) == Due(0, (65.0,))


def test_a_regular_slot_as_far_from_the_first_probe_as_the_timeout_is_due() -> None:
    slots = Slots(interval=60.0, offset=10.0, first=0.0, timeout=10.0)
    slots.take(0.0)
    assert slots.take(10.0) == Due(0, (10.0,))


def test_a_regular_slot_before_the_first_probe_is_not_due() -> None:
    slots = Slots(interval=10.0, offset=1.0, first=25.0, timeout=2.0)
    assert slots.take(24.9) == Due(0, ())
    assert slots.after(0.0) == 25.0
    assert slots.take(25.0) == Due(0, (25.0,))
    assert slots.after(25.0) == 31.0


@pytest.mark.parametrize(("interval", "grace"), [(0.5, 1.0), (1.0, 1.0), (2.0, 1.0), (60.0, 30.0)])
def test_a_slot_is_good_for_half_the_interval_but_at_least_a_second(interval: float, grace: float) -> None:
    def first_slot_at(now: float) -> Due:
        slots = Slots(interval=interval, offset=0.0, first=0.0, timeout=1_000.0)
        return slots.take(now)

    assert first_slot_at(grace) == Due(0, (0.0,))
    assert first_slot_at(grace + 1 / 64) == Due(1, ())


def test_a_timer_that_fires_half_a_millisecond_early_is_on_time() -> None:
    slots = Slots(interval=60.0, offset=0.0, first=0.0, timeout=10.0)
    slots.take(0.0)
    assert slots.take(59.9995) == Due(0, (60.0,))
    assert slots.take(60.0) == Due(0, ())
    assert slots.after(60.0) == 120.0


def test_a_timer_that_fires_five_milliseconds_early_is_told_to_come_again() -> None:
    slots = Slots(interval=60.0, offset=0.0, first=0.0, timeout=10.0)
    slots.take(0.0)
    assert slots.take(59.995) == Due(0, ())
    assert slots.after(59.995) == 60.0


def test_silence_of_any_length_costs_no_time() -> None:
    """A walk over these would end with the test's time limit."""
    slots = Slots(interval=1.0, offset=0.0, first=0.0, timeout=0.5)
    assert slots.take(1e12) == Due(10**12 - 1, (1e12 - 1, 1e12))
    assert slots.after(1e12) == 1e12 + 1
