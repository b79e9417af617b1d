"""The control API lists and changes weather, and reports errors as JSON."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import httpx
import pytest
from harness.simulated import Simulated
from harness.waiting import PATIENCE
from simulator.examples import ENVIRONMENT_ID, emea

if TYPE_CHECKING:
    from simulator.conftest import Client

EXAMPLE = 'the body must be JSON such as {"weather": "slow", "ms": 800}'


@pytest.fixture
def control(simulated: Simulated, client: Client) -> httpx.Client:  # noqa: ARG001  it makes emea healthy
    """A client of the control API, while emea is healthy."""
    return httpx.Client(base_url=simulated.control_url, trust_env=False, timeout=PATIENCE, verify=False)  # noqa: S501  plain http


def test_weather_is_listed_for_all_and_for_one(control: httpx.Client, client: Client) -> None:
    with control:
        one = {"environment": "emea", "id": ENVIRONMENT_ID, "url": client.root, "weather": "healthy"}
        assert control.get("/weather/emea").json() == one
        listed = control.get("/weather").json()["environments"]
        assert listed[0] == one
        assert [each["environment"] for each in listed] == ["emea", "apac", "custom", "first", "davinci"]
        assert control.head("/weather").status_code == 200


@pytest.mark.parametrize("name", ["emea", "EMEA", ENVIRONMENT_ID, "%65mea"])
def test_weather_is_changed_by_name_or_id(control: httpx.Client, name: str) -> None:
    with control:
        response = control.put(f"/weather/{name}", json={"weather": "slow", "ms": 800})
        assert response.status_code == 200
        assert response.json()["ms"] == 800
        assert control.get("/weather/emea").json() == response.json()


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        (b"", 400, EXAMPLE),
        (b"\xff", 400, EXAMPLE),
        (b"[" * 4000, 400, EXAMPLE),
        (b"[]", 400, 'invalid weather; use an object such as {"weather": "slow", "ms": 800}'),
        (b'{"weather": "slow", "ms": -1}', 400, "ms of slow must be a whole number from 0 to 600000, not -1"),
        (
            b'{"weather": "tls_expired"}',
            400,
            "emea is served over http; tls_expired needs an environment with https",
        ),
        (b'{"weather": "slow"}'.ljust(4097), 413, "the body must be at most 4096 bytes long"),
    ],
)
def test_an_error_changes_nothing(control: httpx.Client, body: bytes, status: int, text: str) -> None:
    with control:
        response = control.put("/weather/emea", content=body)
        assert (response.status_code, response.json()) == (status, {"error": text})
        assert control.get("/weather/emea").json()["weather"] == "healthy"
        assert control.put("/weather/emea", content=b'{"weather": "slow"}'.ljust(4096)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("PUT", "/weather/other", 404, "no environment has this name or id; there are emea, apac, "),
        ("GET", "/wether", 404, "not found; use /weather, /weather/<environment> or /status-page/"),
        ("GET", "//weather", 404, "not found; "),
        ("PUT", "/weather", 405, "wrong method; use GET, or PUT for one environment"),
        ("DELETE", "/weather/emea", 405, "wrong method; "),
    ],
)
def test_unknown_paths_and_wrong_methods(
    control: httpx.Client, method: str, path: str, status: int, text: str
) -> None:
    with control:
        response = control.request(method, f"{control.base_url}".rstrip("/") + path)
        assert response.status_code == status
        assert response.json()["error"].startswith(text)
        assert ("allow" in response.headers) is (status == 405)


def test_a_port_that_another_program_took_while_it_was_closed_can_be_opened_later() -> None:
    with Simulated([emea()]) as simulated, httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        url = f"{simulated.control_url}/weather/emea"
        client.put(url, json={"weather": "refused"})
        with socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            other.bind(("127.0.0.1", simulated.environment("emea").port))
            other.listen()
            response = client.put(url, json={"weather": "healthy"})
            assert response.status_code == 503
            text = response.json()["error"]
            assert text.startswith("its port could not be opened: ")
            assert text.endswith("address already in use")
        assert client.put(url, json={"weather": "healthy"}).status_code == 200
        assert client.get(simulated.environment("emea").urls.root).status_code == 403


def test_a_refusing_port_stays_its_own(control: httpx.Client, client: Client) -> None:
    with control:
        control.put("/weather/emea", json={"weather": "refused"})
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", client.environment.port))
