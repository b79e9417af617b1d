"""What weather does to a request before the application sees it."""

from __future__ import annotations

import json
from random import Random

import pytest
from simulator.desk import header

from exporter.simulator import Kind, Weather
from exporter.simulator.climate import MAINTENANCE_URL, delay, interposed
from exporter.simulator.message import Misdeed, Reply

PASSES = {
    Kind.HEALTHY, Kind.SLOW, Kind.REFUSED, Kind.TLS_EXPIRED, Kind.TLS_WRONG_NAME, Kind.FLOW_FAILED,
    Kind.POLICY_CHANGED, Kind.CLIENT_DELETED, Kind.REDIRECT_URI_REMOVED, Kind.CLOCK_SKEWED,
}  # fmt: skip


def reply_in(kind: str, **parameters: float) -> Reply:
    reply = interposed(Weather.of(kind, **parameters), Random(1))
    assert isinstance(reply, Reply)
    return reply


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_either_passes_a_request_on_or_does_not(kind: Kind) -> None:
    weather = Weather(kind, {"ratio": 1} if kind is Kind.FLAKY else {})
    assert (interposed(weather, Random(1)) is None) == (kind in PASSES)


@pytest.mark.parametrize(("ratio", "failing"), [(0, 0), (1, 1000)])
def test_flaky_at_its_ends_fails_no_request_or_every_one(ratio: float, failing: int) -> None:
    random = Random(7)
    answers = [interposed(Weather.of("flaky", ratio=ratio), random) for _ in range(1000)]
    assert sum(answer is not None for answer in answers) == failing


def test_the_same_chance_makes_the_same_requests_fail() -> None:
    def failures(seed: int) -> list[bool]:
        random = Random(seed)
        return [interposed(Weather.of("flaky", ratio=0.3), random) is not None for _ in range(200)]

    assert failures(3) == failures(3)
    assert failures(3) != failures(4)
    assert 30 < sum(failures(3)) < 90


def test_the_failing_share_is_answered_with_503_and_pingones_error() -> None:
    reply = reply_in("flaky", ratio=1)
    assert (reply.status, json.loads(reply.body)["code"]) == (503, "UNEXPECTED_ERROR")
    assert header(reply, "correlation-id")


def test_rate_limited_says_when_to_come_back() -> None:
    reply = reply_in("rate_limited", retry_after=17)
    assert (reply.status, header(reply, "retry-after")) == (429, "17")
    assert json.loads(reply.body)["code"] == "REQUEST_LIMITED"


def test_an_error_of_the_application_is_json() -> None:
    reply = reply_in("error_json", code=500)
    assert (reply.status, header(reply, "content-type")) == (500, "application/json")
    assert json.loads(reply.body)["code"] == "UNEXPECTED_ERROR"


def test_an_error_of_the_edge_is_a_page_without_a_correlation_id() -> None:
    reply = reply_in("error_html", code=502)
    assert (reply.status, header(reply, "content-type")) == (502, "text/html; charset=utf-8")
    assert b"<h1>502 ERROR</h1>" in reply.body
    assert header(reply, "correlation-id") is None


def test_maintenance_leads_elsewhere_and_not_to_the_sign_on_page() -> None:
    reply = reply_in("maintenance")
    assert (reply.status, header(reply, "location")) == (302, MAINTENANCE_URL)
    assert "signon" not in MAINTENANCE_URL


def test_silence_and_reset_are_no_replies() -> None:
    assert interposed(Weather.of("silent"), Random(1)) is Misdeed.SILENCE
    assert interposed(Weather.of("reset"), Random(1)) is Misdeed.RESET


def test_only_slow_weather_delays() -> None:
    assert [delay(Weather(kind), Random(1)) for kind in Kind if kind is not Kind.SLOW] == [0.0] * (
        len(Kind) - 1
    )
    assert delay(Weather.of("slow", ms=800), Random(1)) == 0.8


def test_jitter_adds_a_random_part_of_itself() -> None:
    random = Random(5)
    delays = [delay(Weather.of("slow", ms=100, jitter=50), random) for _ in range(200)]
    assert all(0.1 <= each < 0.15 for each in delays)
    assert max(delays) - min(delays) > 0.03
