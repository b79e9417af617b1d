"""The control API lists and changes weather, and tells every mistake as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from simulator.desk import ENVIRONMENT_ID, emea, header

from exporter.simulator import Environment, Kind, Weather
from exporter.simulator.control import BODY_LIMIT, control
from exporter.simulator.message import Reply, Request
from exporter.simulator.world import check_weather


@dataclass
class FakeStation:
    """An environment without a port."""

    environment: Environment = field(default_factory=emea)
    weather: Weather = field(default_factory=Weather)
    broken: OSError | None = None

    def as_json(self) -> dict[str, Any]:
        return {"id": self.environment.id, "url": "http://127.0.0.1:1", **self.weather.as_json()}

    def set_weather(self, weather: Weather) -> None:
        check_weather(self.environment, weather)
        if self.broken:
            raise self.broken
        self.weather = weather


def call(
    station: FakeStation, method: str, path: str, body: bytes = b"", *, whole: bool = True
) -> tuple[int, Any]:
    reply = control(Request(method=method, path=path, body=body, whole=whole), {"emea": station})
    return reply.status, json.loads(reply.body)


def put(station: FakeStation, body: bytes) -> tuple[int, Any]:
    return call(station, "PUT", "/weather/emea", body)


def test_weather_is_listed_for_all_and_for_one() -> None:
    station = FakeStation(weather=Weather.of("slow", ms=800))
    one = {"id": ENVIRONMENT_ID, "url": "http://127.0.0.1:1", "weather": "slow", "ms": 800, "jitter": 0}
    assert call(station, "GET", "/weather") == (200, {"environments": [one]})
    assert call(station, "GET", "/weather/emea") == (200, one)


@pytest.mark.parametrize("name", ["emea", "EMEA", ENVIRONMENT_ID, "%65mea"])
def test_weather_is_changed_by_name_or_id(name: str) -> None:
    station = FakeStation()
    status, document = call(station, "PUT", f"/weather/{name}", b'{"weather": "slow", "ms": 800}')
    assert (status, document["weather"], document["ms"]) == (200, "slow", 800)
    assert station.weather == Weather.of("slow", ms=800)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", 'the body must be JSON such as {"weather": "slow", "ms": 800}'),
        (b"\xff", 'the body must be JSON such as {"weather": "slow", "ms": 800}'),
        (b"[" * 4000, 'the body must be JSON such as {"weather": "slow", "ms": 800}'),
        (b"[]", 'weather must be an object such as {"weather": "slow", "ms": 800}'),
        (b'{"weather": "slow", "ms": -1}', "ms of slow must be a whole number from 0 to 600000, not -1"),
    ],
)
def test_a_mistake_is_a_400_with_what_would_be_right(body: bytes, text: str) -> None:
    station = FakeStation()
    assert put(station, body) == (400, {"error": text})
    assert station.weather == Weather()


def test_a_bad_certificate_for_an_environment_without_tls_is_a_conflict() -> None:
    text = "emea is served over http; tls_expired needs an environment with https"
    assert put(FakeStation(), b'{"weather": "tls_expired"}') == (409, {"error": text})


def test_a_port_that_was_taken_meanwhile_is_told() -> None:
    station = FakeStation(broken=OSError(98, "Address already in use"))
    text = "its port could not be opened or closed: Address already in use"
    assert put(station, b'{"weather": "healthy"}') == (503, {"error": text})


def test_an_unknown_environment_is_a_404_that_names_the_known_ones() -> None:
    status, document = call(FakeStation(), "PUT", "/weather/other", b"{}")
    assert (status, document["error"]) == (404, "no environment has this name or id; there are emea")


@pytest.mark.parametrize("path", ["/wether", "/weatherx", "//weather"])
def test_an_unknown_path_is_a_404_that_names_the_known_ones(path: str) -> None:
    assert call(FakeStation(), "GET", path)[0] == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/", "GET, HEAD"),
        ("PUT", "/weather", "GET, HEAD"),
        ("DELETE", "/weather/emea", "GET, HEAD, PUT"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(method: str, path: str, allowed: str) -> None:
    reply: Reply = control(Request(method=method, path=path), {"emea": FakeStation()})
    assert (reply.status, header(reply, "allow")) == (405, allowed)


def test_a_body_is_read_up_to_its_limit_and_no_further() -> None:
    station = FakeStation()
    fitting = b'{"weather": "slow"}'.ljust(BODY_LIMIT)
    assert put(station, fitting)[0] == 200
    assert put(station, fitting + b" ")[0] == 413
    assert call(station, "PUT", "/weather/emea", fitting, whole=False)[0] == 413


def test_the_front_page_explains_every_kind_of_weather_in_plain_text() -> None:
    reply = control(Request(method="GET", path="/"), {"emea": FakeStation()})
    lines = reply.body.decode().splitlines()
    assert header(reply, "content-type") == "text/plain; charset=utf-8"
    assert all(any(line.split()[:1] == [kind.value] for line in lines) for kind in Kind)
    assert any("http://127.0.0.1:1" in line and "emea" in line for line in lines)
