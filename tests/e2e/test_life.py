"""Shutdown: running probes may finish within the grace period, and a second signal ends it at once."""

from __future__ import annotations

import asyncio
import re
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from harness.daemon import run_command
from harness.http_server import HttpServer
from harness.variables import target_variables
from harness.waiting import PATIENCE, poll

if TYPE_CHECKING:
    from harness.daemon import Daemon
    from harness.factory import Factory
    from harness.http_messages import Request

pytestmark = pytest.mark.e2e

BOTH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
STOPPING = re.compile("stopping")
STARTED = "pingone_flow_exporter_schedule_lag_seconds_count"
"""Probes that were started."""
LOOP_SAMPLES = "pingone_flow_exporter_event_loop_lag_seconds_count"
LONG = {"interval": "60s", "timeout": "50s"}
AT_ONCE = 15.0
"""Seconds: long beside what an end takes, short beside the grace or timeout that would be waited for else."""


@dataclass(slots=True)
class Gate:
    """Answers good flows, as soon as it is open."""

    server: HttpServer = field(default_factory=HttpServer)
    opened: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        while not self.opened.is_set():  # noqa: ASYNC110  the test sets it from another thread
            await asyncio.sleep(0.01)
        await self.server.answer_flow(request, writer)


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    gate.server.always(gate)
    with gate.server:
        yield gate


def probing(daemon: Factory[..., Daemon], gate: Gate, **settings: str) -> Daemon:
    """Return a daemon with a first probe that waits at the gate."""
    running = daemon(target_variables("emea", gate.server.base_url, **LONG) | settings)
    gate.server.wait_for_requests(1)
    return running


def wait_until_not_ready(running: Daemon) -> None:
    poll(
        lambda: running.get("/-/ready").status_code,
        lambda code: code == 503,
        what="not ready",
    )


@BOTH
def test_a_running_probe_finishes_while_readiness_is_off(
    daemon: Factory[..., Daemon], gate: Gate, number: signal.Signals
) -> None:
    running = probing(daemon, gate)
    assert running.get("/-/ready").status_code == 200
    with httpx.Client(base_url=running.url, trust_env=False, timeout=PATIENCE) as scraper:
        scraper.get("/metrics")  # and keeps its connection, as Prometheus does
        running.signal(number)
        wait_until_not_ready(running)
        page = running.metrics()
        assert page.value("pingone_flow_exporter_probes_in_flight") == 1.0
        assert running.get("/-/healthy").status_code == 200
        gate.opened.set()
        assert running.wait() == 0
    poll(
        lambda: [request.answered_at for request in gate.server.requests],
        lambda found: len(found) == 1 and found[0] is not None,
        what="one whole answer",
    )
    log = running.log()
    assert log.index("msg=stopping") < log.index('msg="target up"') < log.index("msg=stopped")
    assert f"signal={number.name}" in log


def test_a_probe_that_outlasts_the_grace_period_is_cancelled(
    daemon: Factory[..., Daemon], gate: Gate
) -> None:
    running = probing(daemon, gate, FLOW_EXPORTER_SHUTDOWN_GRACE="300ms")
    running.signal(signal.SIGTERM)
    assert running.wait(timeout=AT_ONCE) == 0
    assert gate.server.requests[0].answered_at is None
    assert "msg=stopped" in running.log()
    assert "Traceback" not in running.log()
    message = 'level=warning msg="probes cancelled: still running after the grace period"'
    assert f"{message} targets=emea" in running.log()


@BOTH
def test_a_second_signal_exits_at_once(
    daemon: Factory[..., Daemon], gate: Gate, number: signal.Signals
) -> None:
    running = probing(daemon, gate, FLOW_EXPORTER_SHUTDOWN_GRACE="40s")
    running.signal(signal.SIGTERM)
    running.wait_for_log(STOPPING, what="stopping")
    assert running.exit_code is None
    running.signal(number)
    assert running.wait(timeout=AT_ONCE) == 1


def test_no_probe_starts_during_shutdown(daemon: Factory[..., Daemon], gate: Gate) -> None:
    """The second target is due all the time, and the first one keeps the drain going."""
    with HttpServer() as other:
        running = daemon(
            target_variables("waits", gate.server.base_url, **LONG)
            | target_variables("frequent", other.base_url, interval="100ms", timeout="90ms")
        )
        gate.server.wait_for_requests(1)
        other.wait_for_requests(3)
        running.signal(signal.SIGTERM)
        wait_until_not_ready(running)
        drain = running.wait_until(
            lambda page: page.value("pingone_flow_exporter_probes_in_flight") == 1.0, what="the drain"
        )
        # Its own samples of the loop, a hundred a second, are the clock: five intervals of the other target.
        later = running.wait_until(
            lambda page: page.total(LOOP_SAMPLES) > drain.total(LOOP_SAMPLES) + 50, what="time to begin one"
        )
        assert later.total(STARTED) == drain.total(STARTED) > 3
        gate.opened.set()
        assert running.wait() == 0
        assert len(other.requests) < drain.total(STARTED)  # which counts the first target's, too


def test_a_port_in_use_is_reported_in_one_line(tmp_path: Path) -> None:
    with HttpServer() as server, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        environment = target_variables("emea", server.base_url) | {
            "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": f"127.0.0.1:{port}"
        }
        done = run_command(cwd=tmp_path, env=environment)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"cannot listen on 127.0.0.1:{port}: address already in use; ")
        assert len(done.stderr.splitlines()) == 1
        assert server.requests == ()


def test_it_listens_on_all_configured_addresses(daemon: Factory[..., Daemon], gate: Gate) -> None:
    gate.opened.set()
    running = daemon(
        target_variables("emea", gate.server.base_url)
        | {
            "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0, 127.0.0.2:0",
            "FLOW_EXPORTER_LOG__FORMAT": "json",
        }
    )
    addresses = running.wait_for_log(
        re.compile(r'"(127\.0\.0\.1:\d+)"(?:.|\n)*"(127\.0\.0\.2:\d+)"'),
        what="both addresses",
    )
    for address in addresses.groups():
        assert httpx.get(f"http://{address}/-/ready", trust_env=False, timeout=PATIENCE).status_code == 200
