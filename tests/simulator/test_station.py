"""Every weather over real sockets, changed while the environment runs."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

import httpx
import pytest
from simulator.desk import SECURE_ID, Clock, ask, emea, exchange, pair

from exporter.simulator import (
    Kind,
    NoTLSError,
    Running,
    Surroundings,
    Weather,
    simulator,
)


def under(kind: str, scenario: Callable[[Running], Awaitable[None]], **options: Any) -> None:  # noqa: ANN401
    """Run `scenario` with that weather over emea, changed through the control API."""

    async def run() -> None:
        async with pair(**options) as running:
            async with httpx.AsyncClient(trust_env=False) as client:
                response = await client.put(f"{running.control_url}/weather/emea", json={"weather": kind})
            assert response.status_code == 200
            assert running.environments["emea"].weather.kind == kind
            await scenario(running)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("healthy", 200),
        ("rate_limited", 429),
        ("error_json", 503),
        ("error_html", 503),
        ("flow_failed", 200),
        ("policy_changed", 200),
        ("maintenance", 302),
        ("client_deleted", 302),
        ("redirect_uri_removed", 400),
        ("clock_skewed", 200),
    ],
)
def test_weather_that_answers_has_its_status_over_the_wire(kind: str, status: int) -> None:
    async def scenario(running: Running) -> None:
        station = running.environments["emea"]
        assert (await ask(station)).status_code == status
        assert dict(station.seen.answers) == {str(status): 1}
        assert dict(station.seen.paths) == {"/as/authorize": 1}

    under(kind, scenario)


def test_slow_weather_waits_before_it_answers() -> None:
    clock = Clock()

    async def scenario(running: Running) -> None:
        assert (await ask(running.environments["emea"])).status_code == 200
        assert clock.slept == [1.0]

    under("slow", scenario, surroundings=Surroundings(clock=clock, sleep=clock.sleep))


def test_flaky_weather_follows_the_chance_it_was_given() -> None:
    random = Random(11)
    expected = [503 if random.random() < 0.5 else 200 for _ in range(8)]
    assert set(expected) == {200, 503}

    async def scenario(running: Running) -> None:
        assert [(await ask(running.environments["emea"])).status_code for _ in range(8)] == expected

    under("flaky", scenario, surroundings=Surroundings(random=Random(11)))


def test_silent_weather_reads_the_request_and_never_answers() -> None:
    async def scenario(running: Running) -> None:
        station = running.environments["emea"]
        received = await exchange(station.port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", half_close=True)
        assert received == b""
        assert dict(station.seen.answers) == {"silence": 1}

    under("silent", scenario)


def test_reset_weather_reads_the_request_and_resets() -> None:
    async def scenario(running: Running) -> None:
        station = running.environments["emea"]
        with pytest.raises(httpx.ReadError):
            await ask(station)
        assert dict(station.seen.answers) == {"reset": 1}

    under("reset", scenario)


def test_refused_weather_closes_the_port_while_it_lasts() -> None:
    async def scenario(running: Running) -> None:
        station = running.environments["emea"]
        with pytest.raises(httpx.ConnectError):
            await ask(station)
        assert station.connections == 0
        running.set_weather("emea", Weather())
        assert (await ask(station)).status_code == 200

    under("refused", scenario)


@pytest.mark.parametrize(
    ("kind", "message"), [("tls_expired", "certificate has expired"), ("tls_wrong_name", "mismatch")]
)
def test_bad_certificates_fail_verification_for_their_own_reason_and_only_while_they_last(
    kind: str, message: str
) -> None:
    async def scenario() -> None:
        async with pair() as running:
            station = running.environments["apac"]
            assert (await ask(station, ca_file=running.ca_file)).status_code == 200
            running.set_weather(SECURE_ID, Weather.of(kind))
            with pytest.raises(httpx.ConnectError, match=message):
                await ask(station, ca_file=running.ca_file)
            assert (await ask(station)).status_code == 200  # who does not verify is answered
            running.set_weather("apac", Weather())
            assert (await ask(station, ca_file=running.ca_file)).status_code == 200

    asyncio.run(scenario())


@pytest.mark.parametrize("kind", ["silent", "reset", "refused", "error_html"])
def test_an_https_environment_has_all_other_weather_too_with_its_good_certificate(kind: str) -> None:
    async def scenario() -> None:
        async with pair() as running:
            running.set_weather("apac", Weather.of(kind))
            station = running.environments["apac"]
            if kind == "refused":
                with pytest.raises(ConnectionRefusedError):
                    await exchange(station.port, b"")
                return
            context = ssl.create_default_context(cafile=running.ca_file)
            reader, writer = await asyncio.open_connection("127.0.0.1", station.port, ssl=context)
            writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            if kind == "error_html":
                assert await reader.readline() == b"HTTP/1.1 503 Service Unavailable\r\n"
            if kind == "reset":
                with pytest.raises(ConnectionResetError):
                    await reader.read()
            if kind == "silent":
                while not station.seen.answers:  # noqa: ASYNC110  a station tells nobody that it was asked
                    await asyncio.sleep(0)
                assert dict(station.seen.answers) == {"silence": 1}
            writer.transport.abort()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    asyncio.run(scenario())


def test_every_kind_can_be_set_while_it_runs_and_at_start() -> None:
    async def scenario() -> None:
        async with pair() as running:
            for kind in Kind:
                running.set_weather("apac", Weather(kind))
                assert running.environments["apac"].as_json()["weather"] == kind
        for kind in (Kind.REFUSED, Kind.TLS_EXPIRED):
            async with simulator([emea(https=True, weather=Weather(kind))]) as running:
                with pytest.raises(httpx.ConnectError):
                    await ask(running.environments["emea"], ca_file=running.ca_file)

    asyncio.run(scenario())


def test_a_bad_certificate_on_an_http_environment_changes_nothing() -> None:
    async def scenario() -> None:
        async with pair() as running:
            with pytest.raises(NoTLSError):
                running.set_weather("emea", Weather.of("tls_expired"))
            assert running.environments["emea"].weather == Weather()
            with pytest.raises(LookupError, match="no environment has the name or id other"):
                running.set_weather("other", Weather())

    asyncio.run(scenario())


def test_a_kept_connection_meets_the_weather_of_its_next_request() -> None:
    async def scenario() -> None:
        async with pair() as running, httpx.AsyncClient(trust_env=False) as client:
            station = running.environments["emea"]
            statuses = []
            for kind in ("healthy", "rate_limited", "healthy"):
                running.set_weather("emea", Weather.of(kind))
                statuses.append((await client.get(f"{station.source_url}/as/jwks")).status_code)
            assert statuses == [200, 429, 200]
            assert station.connections == 1

    asyncio.run(scenario())
