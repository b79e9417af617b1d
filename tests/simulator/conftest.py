"""One simulator for all tests, each of which finds it healthy at the same time."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from harness.simulated import Simulated
from harness.waiting import PATIENCE
from simulator.examples import CONNECTIONS, ENVIRONMENTS, NOW, REQUESTS, FakeClock, query
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from exporter.simulator import SimulatedEnvironment


class Client:
    """Requests to one environment, without cookies of its own.

    Args:
        simulated: the simulator.
        name: the environment's.
    """

    def __init__(self, simulated: Simulated, name: str) -> None:
        self.environment = simulated.environment(name)
        self.root = self.environment.urls.root
        self.base_url = self.environment.base_url
        self._simulated = simulated
        self.ca_file = simulated.running.ca_file
        self._trust = ssl.create_default_context(cafile=self.ca_file)

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:  # noqa: ANN401  httpx's own
        """Send a request to a path below the environment's root, or to a URL."""
        with httpx.Client(verify=self._trust, trust_env=False, timeout=PATIENCE) as client:
            url = url if url.startswith("http") else self.root + url
            return client.request(method, url, **options)

    def get(self, url: str, cookie: str = "", **headers: str) -> httpx.Response:
        """Send a GET."""
        return self.request("GET", url, headers={"cookie": cookie, **headers} if cookie else headers)

    def authorize(
        self, text: str | None = None, cookie: str | None = "", **changes: str | None
    ) -> httpx.Response:
        """Send an authorize request: this query, or the seed's with changes."""
        return self.get(f"/as/authorize?{query(**changes) if text is None else text}", cookie or "")

    def post(self, url: str, document: object, action: str) -> httpx.Response:
        """Post a flow's action; bytes are sent as they are."""
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        headers = {"content-type": f"application/vnd.pingidentity.{action}+json"}
        return self.request("POST", url, content=body, headers=headers)

    def put_weather(self, kind: str, **parameters: float | str) -> None:
        """Change the weather."""
        self._simulated.put(self.environment.environment.name, {"weather": kind, **parameters})


@pytest.fixture(scope="session", autouse=True)
def _requests_are_counted() -> Iterator[None]:
    answer = SimulatedEnvironment.__call__

    async def counting(self: SimulatedEnvironment, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"][1:].partition("/")[0] not in self.guests:
            REQUESTS[self] += 1
        await answer(self, scope, receive, send)

    accept = H11Protocol.connection_made

    def counting_connections(self: H11Protocol, transport: asyncio.Transport) -> None:
        CONNECTIONS[transport.get_extra_info("sockname")[1]] += 1
        accept(self, transport)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SimulatedEnvironment, "__call__", counting)
        patch.setattr(H11Protocol, "connection_made", counting_connections)
        yield


@pytest.fixture(scope="session")
def clock() -> FakeClock:
    """The simulator's clock."""
    return FakeClock()


@pytest.fixture(scope="session")
def simulated(clock: FakeClock) -> Iterator[Simulated]:
    """The simulator."""
    with Simulated(ENVIRONMENTS, clock=clock) as running:
        yield running


@pytest.fixture
def client(simulated: Simulated, clock: FakeClock) -> Client:
    """A client of emea, which is healthy."""
    clock.now, clock.slept = NOW, []
    client = Client(simulated, "emea")
    client.put_weather("healthy")
    return client


@pytest.fixture
def client_of(simulated: Simulated, clock: FakeClock) -> Callable[[str], Client]:
    """Makes clients of other environments, which are healthy, by name."""
    clock.now, clock.slept = NOW, []

    def make(name: str) -> Client:
        made = Client(simulated, name)
        made.put_weather("healthy")
        return made

    return make
