"""Times and durations as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.serving.times import clock, duration, latency, relative

NOW = datetime(2026, 11, 25, 12, 8, 31, tzinfo=UTC).timestamp()
AN_HOUR = 3600.0
A_DAY = 86_400.0


def test_a_time_of_today_is_told_without_its_date_and_any_time_says_that_it_is_utc() -> None:
    assert clock(NOW - 240, NOW) == "12:04 UTC"
    assert clock(NOW - 240, NOW, seconds=True) == "12:04:31 UTC"


def test_another_day_is_told_with_its_date_and_another_year_with_that() -> None:
    assert clock(NOW - 13 * AN_HOUR, NOW) == "24 Nov 23:08 UTC"
    assert clock(NOW + 365 * A_DAY, NOW) == "25 Nov 2027 12:08 UTC"


def test_the_same_day_of_another_month_is_another_day() -> None:
    assert clock(NOW - 30 * A_DAY, NOW) == "26 Oct 12:08 UTC"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "now"),
        (0.9, "now"),
        (1, "1 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (240, "4 min ago"),
        (2 * AN_HOUR - 1, "119 min ago"),
        (2 * AN_HOUR, "2 h ago"),
        (2 * A_DAY - 1, "47 h ago"),
        (2 * A_DAY, "2 d ago"),
        (-12, "in 12 s"),
        (-90, "in 1 min"),
    ],
)
def test_what_was_and_what_will_be_is_told_relatively(seconds: float, told: str) -> None:
    assert relative(NOW - seconds, NOW) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0.00006, "0.1 ms"),
        (0.0021, "2.1 ms"),
        (0.312, "312 ms"),
        (0.9994, "999 ms"),
        (1.0, "1.00 s"),
        (2.414, "2.41 s"),
        (60.0, "60.00 s"),
    ],
)
def test_a_latency_is_told_as_exactly_as_it_matters(seconds: float, told: str) -> None:
    assert latency(seconds) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 ms"),
        (0.5, "500 ms"),
        (2.0, "2 s"),
        (90.0, "1 min 30 s"),
        (900.0, "15 min"),
        (7200.5, "2 h 0.5 s"),
        (A_DAY, "1 d"),
    ],
)
def test_a_duration_is_told_in_its_units(seconds: float, told: str) -> None:
    assert duration(seconds) == told


@given(st.floats(0, 4e9), st.floats(0, 4e9))
def test_any_two_moments_can_be_told(moment: float, now: float) -> None:
    assert clock(moment, now).endswith(" UTC")
    assert relative(moment, now)
