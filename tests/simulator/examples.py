"""Environments to simulate, and clients of theirs."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from harness.waiting import PATIENCE

from exporter.simulator import Application, Clock, Environment, SignOnPolicy, SimulatedEnvironment, User

REQUESTS = Counter[SimulatedEnvironment]()
"""What each environment received in this run of tests; conftest.py counts."""
CONNECTIONS = Counter[int]()
"""How many each port accepted; likewise."""

ENVIRONMENT_ID = "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"
CLIENT_ID = "6d3f7f5a-7c55-4a0e-bb29-3a52a0ec9ed1"
STRICT_CLIENT_ID = "1b2c3d4e-7c55-4a0e-bb29-3a52a0ec9ed1"
DESTINATION_ID = "b7c2c6f0-0d8c-4d8e-9a35-0f7f5b1c2a11"
REDIRECT_URI = f"https://auth.pingone.com/{DESTINATION_ID}/rp/callback/openid_connect"
URI_WITH_QUERY = "https://rp.example/callback?tenant=7"
APPLICATION = Application(
    client_id=CLIENT_ID, redirect_uris=(REDIRECT_URI, URI_WITH_QUERY), name="SourceApp_1776714341"
)
NOW = 1_776_714_849.271  # 2026-04-20T19:54:09.271Z, the seed's createdAt


def emea(**changes: Any) -> Environment:  # noqa: ANN401  any field of an environment
    """Return an ordinary environment with some of its fields changed."""
    fields: dict[str, Any] = {
        "name": "emea",
        "id": ENVIRONMENT_ID,
        "applications": (APPLICATION,),
        "users": (User(username="ada", password="lovelace"),),
    }
    return Environment(**{**fields, **changes})


def other_id(number: int) -> str:
    """Return the id of another environment."""
    return f"0d9ff6b8-45f1-4b7e-9d0f-{number:012}"


def with_policy(policy: SignOnPolicy) -> tuple[Application, ...]:
    """Return applications of this sign-on policy."""
    return (Application(client_id=CLIENT_ID, redirect_uris=(REDIRECT_URI,), sign_on_policy=policy),)


ENVIRONMENTS = (
    emea(
        applications=(
            APPLICATION,
            Application(client_id=STRICT_CLIENT_ID, redirect_uris=(REDIRECT_URI,), pkce_required=True),
        )
    ),
    emea(name="apac", id=other_id(1), https=True),
    emea(name="custom", id=other_id(2), https=True, custom_domain=True),
    emea(name="first", id=other_id(3), applications=with_policy(SignOnPolicy.IDENTIFIER_FIRST)),
    emea(name="davinci", id=other_id(4), applications=with_policy(SignOnPolicy.DAVINCI)),
)


def query(**changes: str | None) -> str:
    """Return the seed's query, with parameters added, replaced or (None) left out."""
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


class FakeClock(Clock):
    """A clock that a test sets; `sleep` moves it, and records by how much."""

    def __init__(self, now: float = NOW) -> None:
        super().__init__(time=lambda: self.now, monotonic=lambda: self.now, sleep=self.let_pass)
        self.now = now
        self.slept = list[float]()

    async def let_pass(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)


def exchange(port: int, *parts: bytes, half_close: bool = False) -> bytes:
    """Send raw bytes in parts and return everything until the server closes."""
    with connect(port) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            client.sendall(part)
        if half_close:
            client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


def descriptors() -> int:
    """Count this process's open files and sockets, without those that only await collection."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))
