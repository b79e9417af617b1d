"""Weather is a closed set of kinds with checked parameters; errors are tested word for word."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from weather_outcomes import REPORTED

from exporter.outcome import Phase
from exporter.reasons import FAULTS, Reason
from exporter.simulator import (
    KINDS,
    WeatherError,
    parse_weather,
    parse_weather_text,
)

STATUS = "a flow status such as SIGN_ON_REQUIRED (for FAILED use flow_failed)"


def test_parameters_have_defaults() -> None:
    weather = parse_weather({"weather": "slow", "ms": 800})
    assert weather.as_json() == {"weather": "slow", "ms": 800, "jitter": 0}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_used_alone_and_reads_what_it_writes(kind: str) -> None:
    weather = parse_weather({"weather": kind})
    assert weather.kind == kind
    assert parse_weather(json.loads(json.dumps(weather.as_json()))) == weather
    assert parse_weather_text(kind) == weather


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ([], 'invalid weather; use an object such as {"weather": "slow", "ms": 800}'),
        ({"ms": 1}, 'missing member "weather", the kind; use e.g. "slow"'),
        ({"weather": "healthy", "ms": 1}, 'healthy has no parameter "ms"; it has none'),
        (
            {"weather": "slow", "endpoint": "signon"},
            (
                "endpoint of slow must be one of authorize, initiate, sign_on, flow, resume, callback, keys, "
                'token, not "signon"'
            ),
        ),
        (
            {"weather": "id_token_invalid", "wrong": "sub"},
            'wrong of id_token_invalid must be iss, aud, nonce, exp, kid or signature, not "sub"',
        ),
        ({"weather": "slow", "sec": 1}, 'slow has no parameter "sec"; it has ms, jitter, endpoint'),
        ({"weather": "slow", "ms": -1}, "ms of slow must be a whole number from 0 to 600000, not -1"),
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
            {"weather": "slow", "ms": -1, "sec": 1},
            (
                "ms of slow must be a whole number from 0 to 600000, not -1; "
                'slow has no parameter "sec"; it has ms, jitter, endpoint'
            ),
        ),
    ],
)
def test_errors_say_what_would_be_right(document: object, text: str) -> None:
    with pytest.raises(WeatherError) as caught:
        parse_weather(document)
    assert str(caught.value) == text


@pytest.mark.parametrize("status", ["otp_required", "A" * 64, "OTP REQUIRED", 7, "OTP_REQUIRED\n", "FAILED"])
def test_a_status_is_in_capitals_and_not_failed(status: object) -> None:
    with pytest.raises(WeatherError) as caught:
        parse_weather({"weather": "policy_changed", "status": status})
    assert str(caught.value).startswith(f"status of policy_changed must be {STATUS}, not ")


@pytest.mark.parametrize("kind", ["sunny", "Slow", 7, None, ["slow"], "x" * 5000])
def test_an_unknown_kind_is_answered_with_the_known_ones(kind: object) -> None:
    with pytest.raises(
        WeatherError, match=r"^unknown weather .{1,60}; use one of healthy, slow, .*, id_token_invalid$"
    ):
        parse_weather({"weather": kind})


@pytest.mark.parametrize(
    ("kind", "name", "limit"),
    [
        ("slow", "ms", 600_000),
        ("slow", "jitter", 0),
        ("flaky", "ratio", 0),
        ("flaky", "ratio", 1),
        ("rate_limited", "retry_after", 86_400),
        ("error_json", "code", 599),
        ("error_html", "code", 500),
        ("clock_skewed", "seconds", -86_400),
    ],
)
def test_both_ends_of_a_range_belong_to_it(kind: str, name: str, limit: float) -> None:
    assert parse_weather({"weather": kind, name: limit}).as_json()[name] == limit


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists), st.text())
def test_any_other_value_is_weather_or_a_weather_error(value: object, name: str) -> None:
    for document in (
        value,
        {"weather": value},
        {"weather": "slow", name: value},
        {"weather": "slow", "ms": value},
    ):
        try:
            weather = parse_weather(document)
        except WeatherError:
            continue
        assert parse_weather(weather.as_json()) == weather


def test_the_command_line_uses_commas() -> None:
    slow = parse_weather({"weather": "slow", "ms": 800, "jitter": 100})
    assert parse_weather_text("slow, ms=800,jitter=100") == slow
    assert hash(slow) == hash(parse_weather_text("slow,jitter=100,ms=800"))
    assert parse_weather_text("flaky,ratio=0.25").as_json()["ratio"] == 0.25
    assert parse_weather_text("policy_changed,status=OTP_REQUIRED").as_json()["status"] == "OTP_REQUIRED"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("slow,800", 'invalid parameter "800"; use e.g. slow,ms=800'),
        ("slow,=800", 'invalid parameter "=800"; use e.g. slow,ms=800'),
        ("slow,ms=1,ms=2", 'duplicate parameter "ms"'),
        ("slow,weather=healthy", 'duplicate parameter "weather"'),
        ("slow,ms=nan", 'ms of slow must be a whole number from 0 to 600000, not "nan"'),
    ],
)
def test_errors_on_the_command_line(text: str, message: str) -> None:
    with pytest.raises(WeatherError) as caught:
        parse_weather_text(text)
    assert str(caught.value) == message


def test_parameters_are_listed_with_valid_values_and_default() -> None:
    def parameters(kind: str) -> list[tuple[str, str | None, Any]]:
        fields = KINDS[kind].model_fields
        return [(name, field.description, field.default) for name, field in fields.items()]

    assert parameters("slow") == [
        ("ms", "a whole number from 0 to 600000", 1000),
        ("jitter", "a whole number from 0 to 600000", 0),
        (
            "endpoint",
            "one of authorize, initiate, sign_on, flow, resume, callback, keys, token",
            None,
        ),
    ]
    assert parameters("flaky")[0] == ("ratio", "a number from 0 to 1", 0.5)
    assert parameters("policy_changed") == [("status", STATUS, None)]
    assert parameters("refused") == []


@pytest.mark.parametrize("kind", KINDS)
def test_expected_outcomes_are_possible_ones(kind: str) -> None:
    assert REPORTED[kind].authorize
    for expected in REPORTED[kind].authorize:
        assert expected.fault in FAULTS[expected.reason]
        assert (expected.code is not None) is (expected.phase is Phase.TRANSFER)


def test_only_harmless_weather_is_ok() -> None:
    harmless = {
        kind
        for kind, reported in REPORTED.items()
        if {expected.reason for expected in reported.authorize} == {Reason.OK}
        and not (reported.federation or reported.discovery)
    }
    assert harmless == {"healthy", "slow", "clock_skewed", "keys_rotated"}
