"""A timer wakes when slots are due, whatever is done to the wall clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial

import pytest
from scheduling.virtual_time import EPOCH, VirtualTime, virtual_time

from exporter.scheduling import SteadyClock
from exporter.scheduling.slots import Slots
from exporter.scheduling.timer import Timer

Cue = Callable[[VirtualTime], None]

HOUR = 3600.0
LATE = 0.3
"""Seconds. The wall clock is looked at every quarter of a second."""


def every(seconds: float, *, clock: SteadyClock, phase: float = 0.0) -> Slots:
    """Return slots every so many seconds, the first of them at once."""
    now = clock()
    return Slots(interval=seconds, offset=(now + phase) % seconds, first=now, timeout=seconds / 2)


@dataclass(slots=True)
class Sleeper:
    """Is woken, takes what is due, and notes how late it was."""

    time: VirtualTime
    clock: SteadyClock
    slots: Slots
    taken: list[float] = field(default_factory=list)
    lags: list[float] = field(default_factory=list)
    wakes: int = 0

    def wake(self) -> None:
        self.wakes += 1
        now = self.clock()
        for slot in self.slots.take(now).slots:
            self.taken.append(slot - EPOCH)
            self.lags.append(now - slot)


def sleep_through(
    seconds: float,
    cues: Iterable[tuple[float, Cue]] = (),
    *,
    scene: Callable[[Timer], Awaitable[None]] | None = None,
) -> Sleeper:
    """Let a timer wake a sleeper every 5 s for so many seconds, while `cues` happen to the time.

    Its slots do not fall on a look at the wall clock: 0, then 5.1, 10.1 and so on.
    """
    with virtual_time() as time:

        async def main() -> None:
            timer = Timer(clock)
            timer.start({"sleeper": (sleeper.slots, sleeper.wake)})
            for at, cue in cues:
                time.loop.call_at(at, cue, time)
            await (asyncio.sleep(seconds) if scene is None else scene(timer))
            await timer.stop()

        clock = time.clock()
        sleeper = Sleeper(time, clock, every(5.0, clock=clock, phase=0.1))
        time.run(main())
        return sleeper


def together(
    phases: list[float],
    seconds: float,
    cues: Iterable[tuple[float, Cue]] = (),
    prepare: Cue = lambda _: None,
) -> list[Sleeper]:
    """Let one timer wake several sleepers, each every 5 s in a phase of its own."""
    with virtual_time() as time:

        async def main() -> None:
            timer = Timer(clock)
            timer.start({f"{n}": (sleeper.slots, sleeper.wake) for n, sleeper in enumerate(sleepers)})
            prepare(time)
            for at, cue in cues:
                time.loop.call_at(at, cue, time)
            await asyncio.sleep(seconds)
            await timer.stop()

        clock = time.clock()
        sleepers = [Sleeper(time, clock, every(5.0, clock=clock, phase=phase)) for phase in phases]
        time.run(main())
        return sleepers


def step(seconds: float) -> Cue:
    """Return the setting of the wall clock so far away from where it would be."""
    return lambda time: time.set_wall(seconds)


FIVE_SLOTS = pytest.approx([0.0, 5.1, 10.1, 15.1, 20.1], abs=1e-3)


def test_it_wakes_for_each_slot_and_not_in_between() -> None:
    sleeper = sleep_through(21.0)
    assert sleeper.taken == FIVE_SLOTS
    assert sleeper.wakes == 5
    assert max(sleeper.lags) < 0.001


def test_each_sleeper_is_woken_for_its_own_slots() -> None:
    assert [[round(slot, 3) for slot in sleeper.taken] for sleeper in together([0.1, 2.6, 0.2], 21.0)] == [
        [0, 5.1, 10.1, 15.1, 20.1],
        [0, 2.6, 7.6, 12.6, 17.6],
        [0, 5.2, 10.2, 15.2, 20.2],
    ]


@pytest.mark.parametrize("seconds", [HOUR, -HOUR, 5.0, -5.0, 0.2, -0.2])
def test_a_step_of_the_wall_clock_costs_a_look_at_most_and_no_slot(seconds: float) -> None:
    sleeper = sleep_through(21.0, [(7.0, step(seconds))])
    assert sleeper.taken == FIVE_SLOTS
    assert max(sleeper.lags) < LATE


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_step_does_not_make_it_wake_time_and_again(seconds: float) -> None:
    sleeper = sleep_through(21.0, [(7.0, step(seconds)), (12.0, step(0.0))])
    assert sleeper.taken == FIVE_SLOTS
    assert sleeper.wakes <= 9


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_step_that_is_taken_back_before_the_next_look_is_seen_too(seconds: float) -> None:
    """A wake that was planned while it lasted is planned in a wall time that never comes."""
    sleeper = sleep_through(21.0, [(5.05, step(seconds)), (5.15, step(0.0))])
    assert sleeper.taken == FIVE_SLOTS
    assert max(sleeper.lags) < LATE


def test_after_a_step_everything_is_planned_anew_once_and_not_at_each_look() -> None:
    """Planning a thousand targets anew takes tens of milliseconds of the loop."""
    quiet = together([0.1] * 40, 21.0, [])[0].time.wall_reads
    stepped = together([0.1] * 40, 21.0, [(7.0, step(HOUR))])[0].time.wall_reads
    assert stepped < quiet + 3 * 40


@pytest.mark.parametrize("lasts", [1, 2, 1_000_000])
@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
def test_a_step_at_any_reading_of_the_wall_clock_costs_no_slot(seconds: float, lasts: int) -> None:
    """It does the most harm between two readings of one decision: set back, APScheduler asks on and on."""
    for first in range(1, 130):  # two slots and the looks between them

        def prepare(time: VirtualTime, first: int = first) -> None:
            readings = range(time.wall_reads + first, time.wall_reads + first + lasts)
            time.on_wall_read = lambda number: time.set_wall(seconds if number in readings else 0.0)

        # Of two that are planned one after the other, one may be planned right and the other wrong.
        for sleeper in together([0.1, 0.1], 11.0, prepare=prepare):
            assert sleeper.taken == pytest.approx([0.0, 5.1, 10.1], abs=1e-3), f"from reading {first}"
            assert max(sleeper.lags) < LATE, f"from reading {first}"


def test_a_wake_that_fails_is_logged_and_the_next_one_comes(caplog: pytest.LogCaptureFixture) -> None:
    with virtual_time() as time:
        calls: list[float] = []

        def fail() -> None:
            calls.append(slots.take(clock()).slots[0] - EPOCH)
            raise ValueError("a bug")

        async def main() -> None:
            timer = Timer(clock)
            timer.start({"failing": (slots, fail)})
            await asyncio.sleep(11.0)
            await timer.stop()

        clock = time.clock()
        slots = every(5.0, clock=clock)
        time.run(main())
    assert calls == pytest.approx([0.0, 5.0, 10.0], abs=1e-3)
    errors = [record.exc_info[1] for record in caplog.records if record.exc_info]
    assert [str(error) for error in errors] == ["a bug"] * 3


@pytest.mark.parametrize("seconds", [0.0, HOUR, -HOUR])
def test_once_paused_it_wakes_nobody_even_when_the_wall_clock_is_set(seconds: float) -> None:
    async def scene(timer: Timer) -> None:
        await asyncio.sleep(7.0)
        timer.pause()
        await asyncio.sleep(14.0)

    sleeper = sleep_through(21.0, [(8.0, step(seconds))], scene=scene)
    assert sleeper.taken == pytest.approx([0.0, 5.1], abs=1e-3)
    assert sleeper.wakes == 2


def test_it_may_be_stopped_twice_also_at_once() -> None:
    """What stage the first stop has reached when the second comes is the loop's affair."""

    async def scene(timer: Timer) -> None:
        await asyncio.sleep(7.0)
        await asyncio.gather(timer.stop(), timer.stop())
        timer.pause()
        await timer.stop()
        await asyncio.sleep(14.0)

    assert sleep_through(21.0, scene=scene).wakes == 2


def test_it_may_be_stopped_without_having_been_started() -> None:
    with virtual_time() as time:

        async def main() -> None:
            timer = Timer(time.clock())
            timer.pause()
            await timer.stop()

        time.run(main())


def test_with_the_clocks_of_the_machine_it_wakes_time_and_again() -> None:
    """The one test in real time: APScheduler's own clock and timers, as they are in the daemon."""

    async def main() -> list[int]:
        woken = asyncio.Event()
        taken: list[int] = []

        def wake(slots: Slots) -> None:
            taken.append(len(slots.take(clock()).slots))
            if sum(taken) >= 4:
                woken.set()

        clock = SteadyClock()
        slots = every(0.05, clock=clock)
        timer = Timer(clock)
        timer.start({"sleeper": (slots, partial(wake, slots))})
        await asyncio.wait_for(woken.wait(), 60.0)
        await timer.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return taken

    assert sum(asyncio.run(main())) >= 4


def test_whoever_is_added_later_is_woken_whatever_is_done_to_the_wall_clock() -> None:
    with virtual_time() as time:

        async def main() -> None:
            timer = Timer(clock)
            timer.start({})
            time.loop.call_at(3.0, time.set_wall, HOUR)
            await asyncio.sleep(7.0)
            added.slots = every(5.0, clock=clock, phase=0.1)
            timer.add({"added": (added.slots, added.wake)})
            time.loop.call_at(10.0, time.set_wall, -HOUR)
            await asyncio.sleep(14.0)
            await timer.stop()

        clock = time.clock()
        added = Sleeper(time, clock, every(5.0, clock=clock))
        time.run(main())
    assert added.taken == pytest.approx([7.0, 12.1, 17.1], abs=1e-3)
    assert max(added.lags) < LATE


@pytest.mark.parametrize("seconds", [0.0, HOUR, -HOUR])
def test_whoever_is_removed_is_woken_no_more_and_the_others_are(seconds: float) -> None:
    with virtual_time() as time:

        async def main() -> None:
            timer = Timer(clock)
            timer.start({f"{n}": (sleeper.slots, sleeper.wake) for n, sleeper in enumerate(sleepers)})
            await asyncio.sleep(7.0)
            timer.remove("0")
            time.loop.call_at(8.0, time.set_wall, seconds)
            await asyncio.sleep(14.0)
            await timer.stop()

        clock = time.clock()
        sleepers = [Sleeper(time, clock, every(5.0, clock=clock, phase=0.1)) for _ in range(2)]
        time.run(main())
    assert sleepers[0].taken == pytest.approx([0.0, 5.1], abs=1e-3)
    assert sleepers[1].taken == FIVE_SLOTS


@pytest.mark.parametrize("turns", range(6))
def test_who_takes_the_name_of_one_that_is_being_woken_is_woken_too(turns: int) -> None:
    """APScheduler runs no second job of an id while a wake of the first one is under way."""
    with virtual_time() as time:

        async def main() -> None:
            timer = Timer(clock)
            timer.start({"name": (first.slots, first.wake)})
            for _ in range(turns):
                await asyncio.sleep(0)
            timer.remove("name")
            timer.add({"name": (second.slots, second.wake)})
            await asyncio.sleep(7.0)
            await timer.stop()

        clock = time.clock()
        first, second = (Sleeper(time, clock, every(5.0, clock=clock, phase=0.1)) for _ in range(2))
        time.run(main())
    assert second.taken == pytest.approx([0.0, 5.1], abs=1e-3)
