"""A small world, and two ways to ask it: `Desk` without a socket, `ask` over one."""

from __future__ import annotations

import asyncio
import gc
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx

from exporter.simulator import Application, Environment, Running, Station, User, Weather, simulator
from exporter.simulator.message import Reply, Request
from exporter.simulator.provider import Provider
from exporter.simulator.urls import Urls

ENVIRONMENT_ID = "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"
CLIENT_ID = "6d3f7f5a-7c55-4a0e-bb29-3a52a0ec9ed1"
DESTINATION_ID = "b7c2c6f0-0d8c-4d8e-9a35-0f7f5b1c2a11"
REDIRECT_URI = f"https://auth.pingone.com/{DESTINATION_ID}/rp/callback/openid_connect"
APPLICATION = Application(client_id=CLIENT_ID, redirect_uris=(REDIRECT_URI,), name="SourceApp_1776714341")
SECURE_ID = "0d9ff6b8-45f1-4b7e-9d0f-5c1cf3a2b7aa"
NOW = 1_776_714_849.271  # 2026-04-20T19:54:09.271Z, the seed's createdAt


def emea(**changes: Any) -> Environment:  # noqa: ANN401  whatever the dataclass takes
    """Return an ordinary environment with some of its fields changed."""
    facts: dict[str, Any] = {
        "name": "emea",
        "id": ENVIRONMENT_ID,
        "applications": (APPLICATION,),
        "users": (User(username="ada", password="lovelace"),),
    }
    return Environment(**{**facts, **changes})


def query(**changes: str | None) -> str:
    """Return the seed's query, with what is given added, replaced or (None) left out."""
    parameters: dict[str, str | None] = {
        "response_type": "code",
        "redirect_uri": REDIRECT_URI,
        "scope": "openid",
        "client_id": CLIENT_ID,
        "nonce": "a-nonce",
        "state": "a-state",
        "response_mode": "pi.flow",
        **changes,
    }
    return urlencode({name: value for name, value in parameters.items() if value is not None})


@dataclass
class Clock:
    """A clock that a test sets; `sleep` moves it, and remembers by how much."""

    now: float = NOW
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Return the time, as `time.time` does."""
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


@dataclass
class Desk:
    """A provider without a socket, and its clock."""

    environment: Environment = field(default_factory=emea)
    clock: Clock = field(default_factory=Clock)
    base_url: str = "https://auth.pingone.com"
    provider: Provider = field(init=False)

    def __post_init__(self) -> None:
        """Set the provider up."""
        urls = Urls.of(self.environment, self.base_url)
        self.provider = Provider(self.environment, urls, {"kid": "one"}, self.clock)

    def get(self, path: str, query: str = "", *, weather: str = "healthy", cookie: str = "") -> Reply:
        headers = (("cookie", cookie),) if cookie else ()
        request = Request(method="GET", path=path, query=query, headers=headers)
        return self.provider.answer(request, Weather.of(weather))

    def post(self, path: str, body: bytes, action: str) -> Reply:
        headers = (("content-type", f"application/vnd.pingidentity.{action}+json"),)
        return self.provider.answer(Request(method="POST", path=path, headers=headers, body=body), Weather())

    def authorize(self, query: str, *, weather: str = "healthy", cookie: str = "") -> Reply:
        return self.get(f"/{self.environment.id}/as/authorize", query, weather=weather, cookie=cookie)


def header(reply: Reply, name: str) -> str | None:
    """Return the only header of that name."""
    values = [value for key, value in reply.headers if key.lower() == name.lower()]
    assert len(values) < 2
    return values[0] if values else None


@asynccontextmanager
async def pair(**options: Any) -> AsyncIterator[Running]:  # noqa: ANN401  whatever the simulator takes
    """Run two environments: emea over http, apac over https."""
    world = (emea(), emea(name="apac", id=SECURE_ID, https=True))
    async with simulator(world, **options) as running:
        yield running


async def ask(
    station: Station, changes: Mapping[str, str | None] | None = None, *, ca_file: Path | None = None
) -> httpx.Response:
    """Send an authorize request on a new connection."""
    verify = ssl.create_default_context(cafile=ca_file) if ca_file else False
    async with httpx.AsyncClient(verify=verify, trust_env=False, timeout=10) as client:
        return await client.get(f"{station.source_url}/as/authorize?{query(**(changes or {}))}")


async def exchange(port: int, *parts: bytes, half_close: bool = False) -> bytes:
    """Send raw bytes, each part when the one before has been handed over, and read to the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if half_close:
            writer.write_eof()
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def descriptors() -> int:
    """Count this process's open files and sockets, after what nobody refers to is gone."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))
