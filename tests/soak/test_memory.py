"""What a soak says about memory: a leak breaks its bound, the allocator's steps do not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from benchmarks.soak.accounting import GROWTH_SECONDS, Matched
from benchmarks.soak.programs import Reading
from benchmarks.soak.readings import Log
from benchmarks.soak.report import MAX_FREE_MB, MAX_MEMORY_GROWTH_MB, MIN_MEASURED_SECONDS, judge
from benchmarks.soak.run import Soaked

SECONDS = range(int(GROWTH_SECONDS) + 1)
IN_USE = 64.0


def load(second: int) -> float:
    """Return megabytes that come and go with the load."""
    return second * 37 % 50 / 10


def leak(per_ten_minutes: float) -> Callable[[int], float]:
    """Return megabytes in use, of which some are never freed again."""
    return lambda second: IN_USE + load(second) + per_ten_minutes * second / GROWTH_SECONDS


def step(second: int) -> float:
    """Return megabytes that the process has: a step of the allocator, half of which it returns."""
    return IN_USE + 12.0 + 2.6 * (second >= 280) - 1.3 * (second >= 450)


def readings(
    in_use: Callable[[int], float], own: Callable[[int], float] = step, seconds: Iterable[int] = SECONDS
) -> list[Reading]:
    return [
        Reading(
            at=1000.0 + second,
            megabytes=own(second) + 10.0,
            own_megabytes=own(second),
            live_megabytes=in_use(second),
            descriptors=20,
            threads=7,
            tasks=10,
        )
        for second in seconds
    ]


def verdicts(of: list[Reading], *, is_full: bool = True) -> dict[str, bool | None]:
    """Return whether each bound of memory is kept, by the name of its row."""
    nowhere = Path("nowhere")
    soaked = Soaked(200, (), Log(nowhere), nowhere, seconds=1.0, readings=of, is_full=is_full)
    rows = {row.what.strip(): row.kept for row in judge(soaked, {}, Matched())}
    return {name: rows[name] for name in ("memory (PSS)", "without files", "in use", "not in use")}


def test_memory_that_comes_and_goes_in_steps_is_no_leak() -> None:
    assert verdicts(readings(leak(0.0))) == {
        "memory (PSS)": None,
        "without files": None,
        "in use": True,
        "not in use": True,
    }


@pytest.mark.parametrize("per_ten_minutes", [1.1 * MAX_MEMORY_GROWTH_MB, 2.0, 10.0])
def test_a_leak_breaks_its_bound_though_the_process_has_room_for_it(per_ten_minutes: float) -> None:
    assert verdicts(readings(leak(per_ten_minutes)))["in use"] is False


def test_a_leak_below_the_bound_keeps_it() -> None:
    assert verdicts(readings(leak(0.9 * MAX_MEMORY_GROWTH_MB)))["in use"] is True


def test_free_memory_that_is_not_returned_is_bounded() -> None:
    found = verdicts(readings(leak(0.0), lambda second: IN_USE + load(second) + MAX_FREE_MB + 0.1))
    assert (found["in use"], found["not in use"]) == (True, False)


def test_a_short_run_and_one_whose_histories_are_not_full_are_not_judged() -> None:
    leaking = readings(leak(10.0))
    short = [each for each in leaking if each.at < leaking[0].at + MIN_MEASURED_SECONDS]
    assert set(verdicts(short).values()) == set(verdicts(leaking, is_full=False).values()) == {None}
