"""Retry-After, as RFC 9110 and as it is really sent."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.probing.clock_skew import http_date, retry_after_seconds

NOW = 784_111_777.0
"""Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110's examples."""


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 120\t", 120.0),
        ("007", 7.0),
        ("9" * 5000, 1e9),
    ],
)
def test_seconds_are_taken_as_they_are(value: str, seconds: float) -> None:
    assert retry_after_seconds(value, date=None, now=NOW) == seconds


@pytest.mark.parametrize(
    "value",
    [
        "Sun, 06 Nov 1994 08:50:37 GMT",  # IMF-fixdate
        "Sunday, 06-Nov-94 08:50:37 GMT",  # RFC 850
        "Sun Nov  6 08:50:37 1994",  # asctime
        "Sun, 06 Nov 1994 08:50:37 -0000",
        "Sun, 06 Nov 1994 09:50:37 +0100",
    ],
)
def test_a_date_is_counted_from_our_clock_when_the_response_has_none(value: str) -> None:
    assert retry_after_seconds(value, date=None, now=NOW) == 60.0
    assert retry_after_seconds(value, date="not a date", now=NOW) == 60.0


def test_a_date_is_counted_from_the_clock_of_its_server() -> None:
    value, date = "Sun, 06 Nov 1994 08:50:37 GMT", "Sun, 06 Nov 1994 08:49:07 GMT"
    assert retry_after_seconds(value, date=date, now=NOW + 86_400) == 90.0


def test_a_date_that_has_passed_asks_for_no_wait() -> None:
    assert retry_after_seconds("Sun, 06 Nov 1994 08:00:00 GMT", date=None, now=NOW) == 0.0


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        " ",
        "-1",
        "1.5",
        "1e3",
        "+1",
        "\u0663",
        "\u00b2",
        "soon",
        "1 2",
        "Sun, 99 Nov 1994 08:50:37 GMT",
    ],
)
def test_anything_else_has_no_code(value: str | None) -> None:
    assert retry_after_seconds(value, date=None, now=NOW) is None


@given(
    value=st.text(st.characters())
    | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,20} (Jan|Feb) [0-9]{1,6} [0-9:]{1,12} .{0,9}"),
    date=st.none() | st.text(st.characters()),
    now=st.floats(-1e12, 1e12),
)
def test_any_text_is_a_bounded_wait_or_none(value: str, date: str | None, now: float) -> None:
    seconds = retry_after_seconds(value, date=date, now=now)
    assert seconds is None or (math.isfinite(seconds) and 0.0 <= seconds <= 1e9)


@given(st.text(st.characters()))
def test_any_text_is_a_date_or_none(value: str) -> None:
    moment = http_date(value)
    assert moment is None or math.isfinite(moment)
