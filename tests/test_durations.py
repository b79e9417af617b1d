"""Durations, against what Prometheus' ParseDuration and Duration.String do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("1ms", 0.001),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("90s", 90.0),
        ("1m30s", 90.0),
        ("2h", 7200.0),
        ("4d1h", 349200.0),
        ("3w2d", 1987200.0),
        ("1y", 31536000.0),
        ("1h500ms", 3600.5),
        ("1y1w1d1h1m1s1ms", 31536000.0 + 604800 + 86400 + 3600 + 60 + 1.001),
    ],
)
def test_a_duration_is_the_sum_of_its_units(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds, abs=1e-9)


@pytest.mark.parametrize(
    "text",
    ["", "1", "-1s", "1.5s", "s", "1s1m", "1m1m", "1M", " 1s", "1s ", "1 s", "٣s", "1us", "1s1", "00", "ms"],
)
def test_a_duration_that_prometheus_refuses_is_invalid(text: str) -> None:
    with pytest.raises(ValueError, match=r"^invalid duration; use e.g. 500ms, 30s, 1m30s or 2h$"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["300y", "9999999999999999999ms"])
def test_a_duration_beyond_prometheus_limit_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match=r"^duration too long; the maximum is 292y$"):
        parse_duration(text)


def test_more_digits_than_python_converts_are_an_invalid_duration() -> None:
    with pytest.raises(ValueError, match=r"^invalid duration;"):
        parse_duration("1" * 5000 + "s")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.05, "50ms"),
        (60, "1m"),
        (90, "1m30s"),
        (86400 * 8, "8d"),
        (86400 * 14, "2w"),
        (86400 * 366, "366d"),
        (86400 * 365, "1y"),
    ],
)
def test_seconds_are_formatted_as_prometheus_formats_them(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(min_value=0, max_value=9223372036854))
def test_a_formatted_duration_is_parsed_back(milliseconds: int) -> None:
    assert round(parse_duration(format_duration(milliseconds / 1000)) * 1000) == milliseconds


@given(st.text(alphabet="0123456789ywdhms ", max_size=12))
def test_any_text_is_a_duration_that_round_trips_or_a_value_error(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert parse_duration(format_duration(seconds)) == seconds
