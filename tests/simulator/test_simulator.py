"""The simulator as a whole: what it refuses, what it writes, how it ends, and how an exporter watches it."""

from __future__ import annotations

import asyncio
import socket
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.simulated import Simulated
from harness.waiting import PATIENCE
from simulator.conftest import Client
from simulator.examples import (
    APPLICATION,
    CLIENT_ID,
    CONNECTIONS,
    DESTINATION_ID,
    ENVIRONMENT_ID,
    REQUESTS,
    FakeClock,
    descriptors,
    emea,
    other_id,
    with_policy,
)

from exporter.simulator import (
    Change,
    Script,
    SignOnPolicy,
    SimulatedEnvironment,
    User,
    WeatherError,
    parse_weather,
    simulator,
)

LATER = Script(
    changes=(Change(after=3600, environment="emea", weather=parse_weather({"weather": "healthy"})),)
)


# Environments that share a port

GUESTS = (emea(), emea(name="guest", id=other_id(9), port_of="emea"))


def test_an_environment_answers_at_the_port_of_another_one_with_weather_and_keys_of_its_own(
    tmp_path: Path,
) -> None:
    with Simulated(GUESTS, tmp_path) as simulated, httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        host, guest = (simulated.environment(name) for name in ("emea", "guest"))
        simulated.put("guest", {"weather": "error_json", "code": 503})
        codes = [client.get(f"{each.urls.issuer}/jwks").status_code for each in (host, guest)]
        simulated.put("guest", {"weather": "healthy"})
        keys = [client.get(f"{each.urls.issuer}/jwks").json()["keys"][0]["kid"] for each in (host, guest)]
        assert (host.base_url, codes) == (guest.base_url, [200, 503])
        assert len(set(keys)) == 2
        assert (REQUESTS[host], REQUESTS[guest]) == (2, 2)
        refused = client.put(f"{simulated.control_url}/weather/guest", json={"weather": "refused"})
        assert refused.status_code == 400
        assert refused.json() == {"error": "guest answers at the port of emea; set refused for emea"}
        simulated.put("emea", {"weather": "refused"})
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{guest.urls.issuer}/jwks", trust_env=False, timeout=PATIENCE)  # on another connection


# What it refuses


def test_secrets_are_not_in_a_repr() -> None:
    assert "hunter2" not in repr(User(username="ada", password="hunter2"))


def test_a_signal_is_handled_before_all_environments_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand of them take most of a minute."""
    made: list[int] = []
    make = SimulatedEnvironment.__init__

    def counted(self: SimulatedEnvironment, *given: Any, **named: Any) -> None:  # noqa: ANN401  as they come
        made.append(len(made))
        make(self, *given, **named)

    monkeypatch.setattr(SimulatedEnvironment, "__init__", counted)

    async def scenario() -> int:
        handled: list[int] = []
        asyncio.get_running_loop().call_soon(lambda: handled.append(len(made)))
        async with simulator([emea(), emea(name="apac", id=other_id(1))]):
            return handled[0]

    assert asyncio.run(scenario()) == 1


def test_weather_of_certificates_needs_https() -> None:
    async def scenario() -> None:
        async with simulator([emea(weather=parse_weather({"weather": "tls_expired"}))]):
            pytest.fail("it must not start")

    with pytest.raises(WeatherError) as caught:
        asyncio.run(scenario())
    assert str(caught.value) == "emea is served over http; tls_expired needs an environment with https"


def test_a_port_in_use_is_an_error_and_what_was_opened_is_closed_again() -> None:
    async def start(control_port: int) -> None:
        async with simulator([emea()], control_port=control_port):
            pytest.fail("it must not start")

    with socket.create_server(("127.0.0.1", 0)) as server:
        before = descriptors()
        with pytest.raises(OSError, match="in use"):
            asyncio.run(start(server.getsockname()[1]))
        assert descriptors() == before


# Where it is


@pytest.mark.parametrize(
    ("host", "base"),
    [
        ("0.0.0.0", "https://127.0.0.1"),  # noqa: S104  what is tested
        ("localhost", "https://localhost"),
        ("::1", "https://[::1]"),
        ("::", "https://[::1]"),
    ],
)
def test_urls_and_certificates_have_a_host_that_can_be_connected_to(host: str, base: str) -> None:
    with Simulated([emea(https=True)], host=host) as simulated:
        client = Client(simulated, "emea")
        assert client.base_url == f"{base}:{client.environment.port}"
        assert client.authorize().status_code == 200
        assert (
            httpx.get(f"{simulated.control_url}/weather", trust_env=False, timeout=PATIENCE).status_code
            == 200
        )


def test_the_control_port_may_be_fixed() -> None:
    with Simulated([emea()]) as first:
        port = int(first.control_url.rpartition(":")[2])
    with Simulated([emea()], control_port=port) as second:
        assert second.control_url == f"http://127.0.0.1:{port}"


def test_the_authority_is_a_file_while_the_simulator_runs_and_no_key_is_left(tmp_path: Path) -> None:
    with Simulated([emea(https=True)], directory=tmp_path) as simulated:
        ca_file = simulated.running.ca_file
        assert ca_file is not None
        assert [path for path in tmp_path.rglob("*") if path.is_file()] == [ca_file]
        assert b"PRIVATE" not in ca_file.read_bytes()
        assert stat.S_IMODE(ca_file.parent.stat().st_mode) == 0o700
    assert list(tmp_path.iterdir()) == []


def test_without_https_environments_nothing_is_written() -> None:
    with Simulated([emea()], directory=Path("/nonexistent")) as simulated:
        assert simulated.running.ca_file is None


# A script and the control port


def test_a_script_leaves_alone_what_the_control_port_has_changed(tmp_path: Path) -> None:
    script = Script(
        changes=tuple(
            Change(after=1, environment=name, weather=parse_weather({"weather": "silent"}))
            for name in ("emea", "apac")
        )
    )

    async def scenario() -> list[str]:
        clock, begun = FakeClock(), asyncio.Event()

        async def sleep(seconds: float) -> None:
            await begun.wait()
            clock.now += seconds

        clock.sleep = sleep  # it waits for the test
        environments = [emea(), emea(name="apac", id=other_id(1))]
        async with simulator(environments, script=script, clock=clock, directory=tmp_path) as running:
            async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
                url = f"{running.control_url}/weather/emea"
                assert (await client.put(url, json={"weather": "slow", "ms": 1})).is_success
            begun.set()
            while running.environments["apac"].weather.kind != "silent":  # noqa: ASYNC110  nothing to await
                await asyncio.sleep(0)
            return [each.weather.kind for each in running.environments.values()]

    assert asyncio.run(scenario()) == ["slow", "silent"]


# The end


def test_stopping_with_open_connections_leaves_no_task_no_socket_and_no_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        environments = [emea(), emea(name="apac", id=other_id(1), https=True)]
        async with simulator(environments, script=LATER, directory=tmp_path) as running:
            simulated = running.environments["emea"]
            await simulated.set_weather(parse_weather({"weather": "silent"}))
            silent = await asyncio.open_connection("127.0.0.1", simulated.port)
            silent[1].write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            idle = await asyncio.open_connection("127.0.0.1", simulated.port)
            while not REQUESTS[simulated] or CONNECTIONS[simulated.port] < 2:  # noqa: ASYNC110  nothing to await
                await asyncio.sleep(0)
        for reader, writer in (silent, idle):
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(scenario())
    before = descriptors()
    asyncio.run(scenario())
    assert descriptors() == before
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_the_block_is_raised_after_everything_was_stopped() -> None:
    async def scenario() -> None:
        async with simulator([emea()]) as running:
            ports.append(running.environments["emea"].port)
            raise ZeroDivisionError

    ports: list[int] = []
    with pytest.raises(ZeroDivisionError):
        asyncio.run(scenario())
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", ports[0]))


# How an exporter watches it


def variables(**changes: Any) -> tuple[dict[str, str], str, str]:  # noqa: ANN401  any field of an environment
    """Return the variables without their common prefix, the base URL and the authority's file."""
    with Simulated([emea(**changes)]) as simulated:
        prefix = "FLOW_EXPORTER_TARGETS__EMEA__"
        page = "FLOW_EXPORTER_STATUS_PAGE__"
        found = {name: value for name, value in simulated.variables.items() if not name.startswith(page)}
        assert all(name.startswith(prefix) for name in found)
        short = {name.removeprefix(prefix): value for name, value in found.items()}
        return short, simulated.environment("emea").base_url, str(simulated.running.ca_file)


def test_an_ordinary_environment_needs_ids_and_urls() -> None:
    found, base_url, _ = variables()
    assert found == {
        "SOURCE_ENVIRONMENT_ID": ENVIRONMENT_ID,
        "DESTINATION_ENVIRONMENT_ID": DESTINATION_ID,
        "CLIENT_ID": CLIENT_ID,
        "AUTH_URL": base_url,
        "DESTINATION_AUTH_URL": "https://auth.pingone.com",
    }


def test_https_needs_the_authority_and_a_custom_domain_its_port() -> None:
    found, base_url, ca_file = variables(https=True)
    assert (found["CA_FILE"], found["AUTH_URL"]) == (ca_file, base_url)
    found, base_url, _ = variables(https=True, custom_domain=True)
    assert found["CUSTOM_DOMAIN"] == base_url.removeprefix("https://")
    assert "AUTH_URL" not in found


def test_policy_and_pkce_are_settings() -> None:
    first = variables(applications=with_policy(SignOnPolicy.IDENTIFIER_FIRST))[0]
    assert first["EXPECTED_STATUSES"] == "SIGN_ON_REQUIRED"
    application = replace(APPLICATION, sign_on_policy=SignOnPolicy.DAVINCI, pkce_required=True)
    found = variables(applications=(application,))[0]
    assert (found["EXPECTED_STATUSES"], found["PKCE"]) == ("DAVINCI", "true")
