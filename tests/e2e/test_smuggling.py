"""A proxy in front keeps what it forbids forbidden: no request gets past it inside of another one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from harness.daemon import Daemon
from harness.nginx import Nginx
from harness.variables import target_variables
from harness.waiting import PATIENCE, poll
from serving.test_smuggling import FRAMINGS, HIDDEN

pytestmark = pytest.mark.e2e


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    variables = target_variables("works", "http://127.0.0.1:9", interval="1d", timeout="1s")
    with Daemon(variables, directory=tmp_path / "home", logs=tmp_path / "logs") as daemon:
        yield daemon


def answers(front: Nginx, request: bytes) -> bytes:
    """Return what the proxy sends back, until it closes the connection."""
    with socket.create_connection(("127.0.0.1", front.port), timeout=PATIENCE) as attacker:
        attacker.sendall(request)
        return b"".join(iter(lambda: attacker.recv(65536), b""))


def test_nothing_gets_past_nginx_and_no_client_gets_the_response_of_another_one(
    daemon: Daemon, tmp_path: Path
) -> None:
    front = Nginx(daemon.address, directory=tmp_path)
    own = b"Host: exporter\r\nConnection: close\r\n"
    with front, httpx.Client(base_url=f"http://{front.address}", timeout=PATIENCE, trust_env=False) as victim:
        assert victim.post("/-/reload").status_code == 403
        for name, framing in FRAMINGS.items():
            for method in (b"GET", b"POST"):
                answers(front, method + b" /-/ready HTTP/1.1\r\n" + own + framing + HIDDEN + HIDDEN)
                seen = victim.get("/-/ready")
                assert (seen.status_code, seen.text) == (200, "ready"), name
        # It is possible at all. A smuggled one would have been logged before.
        assert httpx.post(f"{daemon.url}/-/reload", trust_env=False, timeout=PATIENCE).status_code == 200
    log = poll(daemon.log, lambda log: "msg=reloaded" in log, what="the log of the reload")
    assert log.count("msg=reloaded") == 1
    assert "level=error" not in daemon.log()
