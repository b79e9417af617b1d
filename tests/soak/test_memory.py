"""What a soak says about memory: a leak breaks its bound, the allocator's steps do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.soak.accounting import GROWTH_SECONDS, Matched
from benchmarks.soak.programs import Reading
from benchmarks.soak.readings import Log
from benchmarks.soak.report import MAX_FREE_MB, MAX_MEMORY_GROWTH_MB, MIN_MEASURED_SECONDS, judge
from benchmarks.soak.run import Soaked

BEFORE, AFTER = range(30), range(730, 760)
SOAK = range(40, 641)
IN_USE = 64.0
SHOWN = ("memory (PSS)", "without files", "in use")
"""Rows without a bound: they follow the load, and the allocator's steps."""


def load(second: int) -> float:
    """Return megabytes that come and go with the load."""
    return second * 37 % 50 / 10


def weather(second: int) -> float:
    """Return megabytes that what is kept of failures takes, by what goes wrong during the soak."""
    return 2.0 * (second - SOAK[0]) / len(SOAK) if second in SOAK else 0.0


def leak(per_ten_minutes: float) -> Callable[[int], float]:
    """Return megabytes in use, of which some are never freed again."""
    return lambda second: IN_USE + load(second) + weather(second) + per_ten_minutes * second / GROWTH_SECONDS


def step(second: int) -> float:
    """Return megabytes that the process has: a step of the allocator, half of which it returns."""
    return IN_USE + 12.0 + 2.6 * (second >= 280) - 1.3 * (second >= 450)


def soaked(
    in_use: Callable[[int], float],
    own: Callable[[int], float] = step,
    *,
    after: range = AFTER,
    is_full: bool = True,
) -> Soaked:
    def readings(seconds: range) -> list[Reading]:
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

    nowhere = Path("nowhere")
    found = Soaked(200, (), Log(nowhere), nowhere, seconds=1.0, is_full=is_full)
    found.before, found.readings, found.after = (readings(seconds) for seconds in (BEFORE, SOAK, after))
    return found


def verdicts(of: Soaked) -> dict[str, bool | None]:
    """Return whether each bound of memory is kept, by the name of its row."""
    rows = {row.what.strip(): row.kept for row in judge(of, {}, Matched())}
    return {name: rows[name] for name in (*SHOWN, "memory in use, compared", "memory not in use")}


def test_memory_that_comes_and_goes_is_no_leak() -> None:
    assert verdicts(soaked(leak(0.0))) == {
        **dict.fromkeys(SHOWN),
        "memory in use, compared": True,
        "memory not in use": True,
    }


@pytest.mark.parametrize("per_ten_minutes", [1.1 * MAX_MEMORY_GROWTH_MB, 2.0, 10.0])
def test_a_leak_breaks_its_bound_though_the_process_has_room_for_it(per_ten_minutes: float) -> None:
    assert verdicts(soaked(leak(per_ten_minutes)))["memory in use, compared"] is False


def test_a_leak_below_the_bound_keeps_it() -> None:
    assert verdicts(soaked(leak(0.9 * MAX_MEMORY_GROWTH_MB)))["memory in use, compared"] is True


def test_free_memory_that_is_not_returned_is_bounded() -> None:
    found = verdicts(soaked(leak(0.0), lambda second: IN_USE + load(second) + MAX_FREE_MB + 2.1))
    assert (found["memory in use, compared"], found["memory not in use"]) == (True, False)


def test_a_short_run_and_one_whose_histories_are_not_full_are_not_judged() -> None:
    short = soaked(leak(10.0), after=range(int(MIN_MEASURED_SECONDS) - 1, int(MIN_MEASURED_SECONDS) + 9))
    not_full = soaked(leak(10.0), is_full=False)
    assert {*verdicts(short).values(), *verdicts(not_full).values()} == {None}
