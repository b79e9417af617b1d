"""The simulator as a whole: every weather over real sockets, changed while it runs, and a clean end."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import httpx
import pytest
from simulator.desk import ENVIRONMENT_ID, NOW, SECURE_ID, Clock, ask, descriptors, emea, exchange, pair

from exporter.simulator import (
    Change,
    Script,
    ScriptError,
    Surroundings,
    Weather,
    WorldError,
    simulator,
)


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
