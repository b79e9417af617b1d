"""The arithmetic by which a soak finds what was lost, doubled, or grows."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from benchmarks.soak.accounting import (
    GROWTH_SECONDS,
    Life,
    Matched,
    Moment,
    Probe,
    Seen,
    floor,
    growth,
    match,
    runs_due,
    slope,
)
from exporter.scheduling import interval_offset
from exporter.target import Journey

NAME, INTERVAL, TIMEOUT = "emea", 10.0, 2.0
OFFSET = interval_offset(NAME, Journey.AUTHORIZE, INTERVAL)
SLOT = 1_000_000.0 + OFFSET
"""A regular slot of the target."""


def exactly(at: float) -> Moment:
    return Moment(at, at)


def due(began: Moment, ended: Moment, delay: float = 0.0) -> tuple[float, float]:
    life = Life(began=began, ended=ended, delay=delay)
    found = runs_due(NAME, Journey.AUTHORIZE, INTERVAL, TIMEOUT, [life])
    return found.earliest, found.latest


@pytest.mark.parametrize(
    ("began", "ended", "runs"),
    [
        (5.0, 5.5, 1),  # the first probe only
        (5.0, 9.9, 1),
        (5.0, 10.1, 2),
        (5.0, 105.0, 11),
        (9.0, 19.9, 1),  # no regular run before the first probe has had its timeout
        (9.0, 20.1, 2),
    ],
)
def test_the_first_probe_and_each_slot_after_it_are_due(began: float, ended: float, runs: int) -> None:
    assert due(exactly(SLOT + began), exactly(SLOT + ended)) == (runs, runs)


def test_nothing_is_due_before_the_first_probe() -> None:
    assert due(exactly(SLOT), exactly(SLOT + 0.3), delay=0.5) == (0, 0)


def test_what_is_not_known_exactly_gives_a_range() -> None:
    assert due(exactly(SLOT + 5.0), Moment(SLOT + 29.9, SLOT + 30.1)) == (3, 4)
    assert due(Moment(SLOT + 7.9, SLOT + 8.1), exactly(SLOT + 15.0)) == (1, 2)


def test_each_life_has_its_first_probe() -> None:
    borders = [exactly(SLOT + at) for at in (5.0, 5.5, 6.0, 6.5)]
    lives = [Life(began=start, ended=end, delay=0.0) for start, end in itertools.pairwise(borders)]
    found = runs_due(NAME, Journey.AUTHORIZE, INTERVAL, TIMEOUT, lives)
    assert (found.earliest, found.latest) == (3, 3)


def probe(requests: int = 1, steps: int = 1) -> Probe:
    return Probe(target=NAME, reason="ok", steps=steps, requests=requests, started_at=100.0, ended_at=101.0)


def seen(*paths: str) -> Seen:
    first = Seen("source", paths[0])
    for path in paths:
        first.add("source", path)
    return first


def matched(probes: dict[str, Probe], requests: dict[str, Seen], switched: Moment | None = None) -> Matched:
    switches = {} if switched is None else {"source": [switched]}
    return match(probes, requests, switches, {NAME: ("source",)})


def test_what_both_know_is_neither_lost_nor_doubled() -> None:
    found = matched({"a": probe(), "b": probe(2), "c": probe(0)}, {"a": seen("/"), "b": seen("/", "/keys")})
    assert found == Matched(sent=3, seen=3)


def test_a_request_that_the_provider_never_saw_is_lost() -> None:
    assert matched({"a": probe(), "b": probe(2)}, {"b": seen("/")}).lost == ["a", "b"]


def test_a_request_in_a_queue_that_was_closed_is_not_lost_by_the_exporter() -> None:
    found = matched({"a": probe()}, {}, switched=Moment(100.9, 101.2))
    assert (found.lost, found.closing) == ([], 1)
    assert matched({"a": probe()}, {}, switched=Moment(102.0, 103.0)).lost == ["a"]


def test_a_probe_that_begins_twice_is_doubled() -> None:
    assert matched({"a": probe()}, {"a": seen("/", "/")}).doubled == ["a"]
    assert matched({"a": probe(2, steps=2)}, {"a": seen("/", "/", "/keys")}).doubled == ["a"]


def test_a_later_request_may_be_repeated_once() -> None:
    found = matched({"a": probe(2, steps=2)}, {"a": seen("/", "/keys", "/keys")})
    assert (found.doubled, found.repeated) == ([], 1)
    thrice = seen("/", "/keys", "/keys", "/keys")
    assert matched({"a": probe(2, steps=2)}, {"a": thrice}).doubled == ["a"]


def test_a_request_that_could_not_be_repeated_was_sent_all_the_same() -> None:
    found = matched({"a": probe(1, steps=2)}, {"a": seen("/", "/keys")})
    assert (found.doubled, found.repeated) == ([], 1)


def test_a_probe_that_the_exporter_never_reported_is_counted_by_environment() -> None:
    assert matched({}, {"a": seen("/"), "b": seen("/")}).unreported == {"source": 2}


def test_a_line_of_least_squares_has_the_slope_of_its_points() -> None:
    assert slope([(0.0, 1.0), (1.0, 3.0), (2.0, 5.0)]) == 2.0
    assert slope([(0.0, 1.0), (1.0, 0.0), (2.0, 1.0)]) == 0.0
    assert slope([(1.0, 1.0)]) == slope([]) == 0.0


def test_growth_is_what_ten_minutes_add_but_never_more_than_a_short_run_multiplied() -> None:
    minutes = [(second, 0.01 * second) for second in range(301)]
    assert growth(minutes) == pytest.approx(0.01 * GROWTH_SECONDS)
    assert growth(minutes[:61]) == pytest.approx(0.6)


def test_the_floor_follows_what_is_kept_and_not_what_comes_and_goes() -> None:
    busy = [(float(second), 10.0 + second % 7) for second in range(100)]
    assert {least for _, least in floor(busy)} == {10.0}
    leaking = [(at, value + at) for at, value in busy]
    assert slope(floor(leaking)) == pytest.approx(1.0, abs=0.1)


def test_a_later_end_never_means_fewer_runs() -> None:
    life = Life(began=exactly(SLOT), ended=exactly(SLOT), delay=0.25)
    counts = [
        runs_due(
            NAME, Journey.AUTHORIZE, INTERVAL, TIMEOUT, [replace(life, ended=exactly(SLOT + tenth / 10))]
        )
        for tenth in range(500)
    ]
    assert [each.latest for each in counts] == sorted(each.latest for each in counts)
