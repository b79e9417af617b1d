"""Weather is a closed set of kinds with checked parameters, and what is wrong is told word for word."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator import Kind, Weather, WeatherError
from exporter.simulator.weather import PARAMETERS, StatusName


def test_parameters_that_are_not_given_have_their_defaults() -> None:
    assert Weather.parse({"weather": "slow", "ms": 800}).as_json() == {
        "weather": "slow",
        "ms": 800,
        "jitter": 0,
    }


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_can_be_named_alone_and_is_read_back_from_what_it_writes(kind: Kind) -> None:
    weather = Weather.of(kind.value)
    assert weather.kind is kind
    assert Weather.parse(json.loads(json.dumps(weather.as_json()))) == weather


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], 'weather must be an object such as {"weather": "slow", "ms": 800}'),
        ({"ms": 1}, 'the member "weather" is missing; it names the kind, such as "slow"'),
        ({"weather": "healthy", "ms": 1}, 'healthy has no parameter "ms"; it has none'),
        ({"weather": "slow", "sec": 1}, 'slow has no parameter "sec"; it has ms, jitter'),
        (
            {"weather": "slow", "ms": -1},
            "ms of slow must be a whole number from 0 to 600000, not -1",
        ),
        ({"weather": "slow", "ms": True}, "ms of slow must be a whole number from 0 to 600000, not true"),
        ({"weather": "slow", "ms": 1.5}, "ms of slow must be a whole number from 0 to 600000, not 1.5"),
        ({"weather": "slow", "ms": "8"}, 'ms of slow must be a whole number from 0 to 600000, not "8"'),
        ({"weather": "flaky", "ratio": 1.01}, "ratio of flaky must be a number from 0 to 1, not 1.01"),
        ({"weather": "flaky", "ratio": float("nan")}, "ratio of flaky must be a number from 0 to 1, not NaN"),
        (
            {"weather": "error_json", "code": 404},
            "code of error_json must be a whole number from 500 to 599, not 404",
        ),
        (
            {"weather": "policy_changed", "status": "FAILED"},
            (
                "status of policy_changed must be a flow status in capitals such as SIGN_ON_REQUIRED "
                '(for FAILED there is flow_failed), not "FAILED"'
            ),
        ),
    ],
)
def test_what_is_wrong_is_told_with_what_would_be_right(document: object, text: str) -> None:
    with pytest.raises(WeatherError) as caught:
        Weather.parse(document)
    assert str(caught.value) == text


@pytest.mark.parametrize("status", ["otp_required", "A" * 64, "OTP REQUIRED", 7, "OTP_REQUIRED\n"])
def test_a_status_is_written_in_capitals(status: object) -> None:
    with pytest.raises(WeatherError, match=r"^status of policy_changed must be a flow status in capitals"):
        Weather.parse({"weather": "policy_changed", "status": status})


@pytest.mark.parametrize("name", ["sunny", "Slow", 7, None, ["slow"]])
def test_an_unknown_kind_is_answered_with_the_known_ones(name: object) -> None:
    with pytest.raises(WeatherError, match=r"^unknown weather .*; one of healthy, slow, .*, clock_skewed$"):
        Weather.parse({"weather": name})


def test_a_long_wrong_value_is_cut_in_the_message() -> None:
    with pytest.raises(WeatherError) as caught:
        Weather.parse({"weather": "x" * 5000})
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("kind", "name", "limit"),
    [
        (kind, name, limit)
        for kind, parameters in PARAMETERS.items()
        for name, parameter in parameters.items()
        if not isinstance(parameter, StatusName)
        for limit in (parameter.lowest, parameter.highest)
    ],
)
def test_both_ends_of_a_range_belong_to_it(kind: Kind, name: str, limit: float) -> None:
    assert Weather(kind, {name: limit}).number(name) == limit


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists), st.text())
def test_any_other_value_is_weather_or_a_weather_error(value: object, name: str) -> None:
    for document in (
        value,
        {"weather": value},
        {"weather": "slow", name: value},
        {"weather": "slow", "ms": value},
    ):
        try:
            weather = Weather.parse(document)
        except WeatherError:
            continue
        assert Weather.parse(weather.as_json()) == weather


def test_weather_cannot_be_changed_after_it_was_made() -> None:
    weather = Weather.of("slow", ms=800)
    with pytest.raises(TypeError):
        weather.parameters["ms"] = 1  # type: ignore[index]  # the point of the test
    assert hash(weather) == hash(Weather.of("slow", ms=800))


def test_a_command_line_writes_weather_with_commas() -> None:
    assert Weather.parse_text("slow, ms=800,jitter=100") == Weather.of("slow", ms=800, jitter=100)
    assert Weather.parse_text("flaky,ratio=0.25") == Weather.of("flaky", ratio=0.25)
    assert Weather.parse_text("policy_changed,status=OTP_REQUIRED").as_json()["status"] == "OTP_REQUIRED"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slow,800", '"800" is no parameter; write for example slow,ms=800'),
        ("slow,=800", '"=800" is no parameter; write for example slow,ms=800'),
        ("slow,ms=1,ms=2", '"ms" is given twice'),
        ("slow,ms=nan", "ms of slow must be a whole number from 0 to 600000, not NaN"),
        ("slow,weather=healthy", '"weather" is given twice'),
    ],
)
def test_a_mistake_on_the_command_line_is_named(text: str, message: str) -> None:
    with pytest.raises(WeatherError) as caught:
        Weather.parse_text(text)
    assert str(caught.value) == message
