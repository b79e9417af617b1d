"""The simulator as a whole: every weather over real sockets, changed while it runs, and a clean end."""

from __future__ import annotations

import asyncio
import ssl
import stat
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from simulator.desk import ENVIRONMENT_ID, NOW, Clock, ask, descriptors, emea, exchange

from exporter.simulator import (
    Change,
    Kind,
    NoTLSError,
    Running,
    Script,
    ScriptError,
    Surroundings,
    Weather,
    WorldError,
    simulator,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

SECURE_ID = "0d9ff6b8-45f1-4b7e-9d0f-5c1cf3a2b7aa"


@asynccontextmanager
async def pair(**options: Any) -> AsyncIterator[Running]:  # noqa: ANN401  whatever the simulator takes
    """Run two environments: emea over http, apac over https."""
    world = (emea(), emea(name="apac", id=SECURE_ID, https=True))
    async with simulator(world, **options) as running:
        yield running


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


# Weather


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
    expected = [503 if Random(11).random() < 0.5 else 200]

    async def scenario(running: Running) -> None:
        random = Random(11)
        expected[:] = [503 if random.random() < 0.5 else 200 for _ in range(8)]
        assert [(await ask(running.environments["emea"])).status_code for _ in range(8)] == expected

    under("flaky", scenario, surroundings=Surroundings(random=Random(11)))
    assert {200, 503} == set(expected)


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


# What it is made of


def test_the_date_is_the_given_clocks_and_shifts_with_a_skewed_one() -> None:
    async def scenario() -> None:
        async with simulator([emea()], surroundings=Surroundings(clock=Clock(NOW))) as running:
            station = running.environments["emea"]
            straight = await ask(station)
            running.set_weather("emea", Weather.of("clock_skewed", seconds=-3600))
            skewed = await ask(station)
        assert (straight.headers["date"], skewed.headers["date"]) == (
            "Mon, 20 Apr 2026 19:54:09 GMT",
            "Mon, 20 Apr 2026 18:54:09 GMT",
        )
        assert skewed.json()["createdAt"] == "2026-04-20T18:54:09.271Z"

    asyncio.run(scenario())


def test_a_flow_leads_by_its_own_links_back_to_the_simulator() -> None:
    async def scenario() -> None:
        async with pair() as running, httpx.AsyncClient(trust_env=False) as client:
            station = running.environments["emea"]
            begun = (await ask(station)).json()
            assert begun["resumeUrl"].startswith(f"{station.base_url}/{ENVIRONMENT_ID}/")
            assert (await client.get(begun["_links"]["self"]["href"])).json() == begun
            assert (await client.get(begun["_links"]["signOnPage"]["href"])).status_code == 200
            metadata = (await client.get(f"{station.source_url}/as/.well-known/openid-configuration")).json()
            assert metadata["issuer"] == f"{station.base_url}/{ENVIRONMENT_ID}/as"
            assert len((await client.get(metadata["jwks_uri"])).json()["keys"]) == 1
            assert station.seen.paths["/flows/{flowID}"] == 1
            assert station.seen.requests == 5

    asyncio.run(scenario())


def test_each_environment_has_a_key_of_its_own() -> None:
    async def scenario() -> None:
        async with pair() as running, httpx.AsyncClient(verify=False, trust_env=False) as client:  # noqa: S501  not about trust
            keys = [
                (await client.get(f"{station.source_url}/as/jwks")).json()["keys"][0]["kid"]
                for station in running.environments.values()
            ]
            assert len(set(keys)) == 2

    asyncio.run(scenario())


def test_the_control_api_speaks_of_what_runs() -> None:
    async def scenario() -> None:
        async with pair() as running, httpx.AsyncClient(trust_env=False) as client:
            listed = (await client.get(f"{running.control_url}/weather")).json()["environments"]
            assert [each["environment"] for each in listed] == ["emea", "apac"]
            assert [each["url"] for each in listed] == [
                station.source_url for station in running.environments.values()
            ]
            conflict = await client.put(
                f"{running.control_url}/weather/emea", json={"weather": "tls_expired"}
            )
            assert conflict.status_code == 409
            assert "date" in conflict.headers

    asyncio.run(scenario())


def test_the_authority_is_a_file_for_as_long_as_the_simulator_runs_and_no_key_lies_about(
    tmp_path: Path,
) -> None:
    def files() -> list[Path]:
        return [path for path in tmp_path.rglob("*") if path.is_file()]

    async def scenario() -> None:
        async with pair(directory=tmp_path) as running:
            assert running.ca_file is not None
            assert running.ca_file.read_bytes() == running.ca_pem
            assert files() == [running.ca_file]
            assert b"PRIVATE" not in running.ca_file.read_bytes()
            assert stat.S_IMODE(running.ca_file.parent.stat().st_mode) == 0o700

    asyncio.run(scenario())
    assert list(tmp_path.iterdir()) == []


def test_without_https_environments_nothing_is_written() -> None:
    async def scenario() -> None:
        nowhere = Path("/nonexistent")
        async with simulator([emea()], directory=nowhere) as running:
            assert (running.ca_file, running.ca_pem) == (None, None)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("host", "public_host", "base"),
    [
        ("0.0.0.0", None, "https://127.0.0.1"),  # noqa: S104  what is tested
        ("127.0.0.1", "localhost", "https://localhost"),
        ("localhost", None, "https://localhost"),
        ("::1", None, "https://[::1]"),
        ("::", None, "https://[::1]"),
    ],
)
def test_urls_and_certificates_name_a_host_that_can_be_connected_to(
    host: str, public_host: str | None, base: str
) -> None:
    async def scenario() -> None:
        async with simulator([emea(https=True)], host=host, public_host=public_host) as running:
            station = running.environments["emea"]
            assert station.base_url == f"{base}:{station.port}"
            assert (await ask(station, ca_file=running.ca_file)).status_code == 200

    asyncio.run(scenario())


def test_a_fixed_port_is_taken_for_an_environment_and_for_control() -> None:
    async def scenario() -> None:
        async with pair() as first:
            ports = first.environments["emea"].port, int(first.control_url.rpartition(":")[2])
        async with simulator([emea(port=ports[0])], control_port=ports[1]) as second:
            assert second.environments["emea"].port == ports[0]
            assert second.control_url == f"http://127.0.0.1:{ports[1]}"

    asyncio.run(scenario())


# The script


def test_a_script_changes_the_weather_by_the_given_clock() -> None:
    async def scenario() -> None:
        clock = Clock(0.0)
        asleep = asyncio.Event()
        ticks = asyncio.Semaphore(0)

        async def sleep(seconds: float) -> None:
            asleep.set()
            await ticks.acquire()
            asleep.clear()
            clock.now += seconds

        script = Script(
            changes=(
                Change(after=0, environment="emea", weather=Weather.of("reset")),
                Change(after=30, environment=ENVIRONMENT_ID, weather=Weather.of("maintenance")),
            ),
            repeat=60,
        )
        surroundings = Surroundings(monotonic=clock, sleep=sleep)
        seen = []
        async with simulator([emea()], script=script, surroundings=surroundings) as running:
            for _ in range(4):
                await asleep.wait()
                seen.append((clock.now, running.environments["emea"].weather.kind.value))
                ticks.release()
                await asyncio.sleep(0)
        assert seen == [(0.0, "reset"), (30.0, "maintenance"), (60.0, "reset"), (90.0, "maintenance")]

    asyncio.run(scenario())


def test_a_script_that_does_not_fit_the_world_opens_no_port() -> None:
    async def scenario() -> None:
        script = Script(changes=(Change(after=0, environment="apac", weather=Weather()),))
        with pytest.raises(ScriptError, match="no environment has the name or id apac"):
            async with simulator([emea()], script=script):
                pytest.fail("it must not start")

    asyncio.run(scenario())


def test_a_script_that_has_ended_lets_the_simulator_run_and_end() -> None:
    async def scenario() -> None:
        script = Script(changes=(Change(after=0, environment="emea", weather=Weather.of("error_json")),))
        async with simulator([emea()], script=script) as running:
            assert (await ask(running.environments["emea"])).status_code == 503

    asyncio.run(scenario())


# The end


def test_an_end_amid_connections_leaves_no_task_no_socket_and_no_file() -> None:
    async def scenario() -> None:
        before = descriptors()
        async with pair(
            script=Script(changes=(Change(after=9, environment="emea", weather=Weather()),))
        ) as running:
            running.set_weather("emea", Weather.of("silent"))
            waiting = asyncio.create_task(ask(running.environments["emea"]))
            while not running.environments["emea"].seen.requests:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0)
            handshake = await asyncio.open_connection("127.0.0.1", running.environments["apac"].port)
            while not running.environments["apac"].connections:  # noqa: ASYNC110  it tells nobody
                await asyncio.sleep(0)
        with pytest.raises(httpx.TransportError):
            await waiting
        handshake[1].close()
        await asyncio.gather(handshake[1].wait_closed(), return_exceptions=True)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert descriptors() == before

    asyncio.run(scenario())


def test_an_error_in_the_body_comes_out_as_it_is_after_all_was_stopped() -> None:
    async def broken(ports: list[int]) -> None:
        async with pair() as running:
            ports.append(running.environments["emea"].port)
            raise ZeroDivisionError

    async def scenario() -> None:
        ports: list[int] = []
        with pytest.raises(ZeroDivisionError):
            await broken(ports)
        with pytest.raises(ConnectionRefusedError):
            await exchange(ports[0], b"")

    asyncio.run(scenario())


def test_a_port_in_use_is_an_error_and_what_was_opened_is_closed_again() -> None:
    async def scenario() -> None:
        async with pair() as running:
            taken = int(running.control_url.rpartition(":")[2])
            before = descriptors()
            for world, control_port in (
                ([emea()], taken),
                ([emea(), emea(name="b", id=SECURE_ID, port=taken)], 0),
            ):
                with pytest.raises(OSError, match="in use"):
                    async with simulator(world, control_port=control_port):
                        pytest.fail("it must not start")
            assert descriptors() == before

    asyncio.run(scenario())


def test_a_world_that_cannot_be_is_refused() -> None:
    async def scenario() -> None:
        with pytest.raises(WorldError):
            async with simulator([]):
                pytest.fail("it must not start")

    asyncio.run(scenario())
