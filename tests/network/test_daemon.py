"""A daemon that gets no CPU, or with a clock that is set, reports neither wrong times nor wrong verdicts."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.http_server import HttpServer
from harness.variables import SOURCE, target_variables
from network.played import started
from network.wire import TICK

from exporter.probing import Prober
from exporter.target import Journey, Target

if TYPE_CHECKING:
    import pytest
    from harness.daemon import Daemon
    from harness.factory import Factory
    from harness.http_messages import Connection, Request
    from harness.samples import Samples

STOP = 0.4
DELAY = 0.1
"""Seconds that the provider takes; a stopped daemon that took the time itself would be late by the rest."""
STOPS = 3
STEP = 100.0
SILENT = 20
BURNERS = 4


def test_a_daemon_that_is_stopped_around_answers_reports_their_true_times(
    daemon: Factory[..., Daemon], http_server: Factory[..., HttpServer]
) -> None:
    server = http_server()
    answers: list[float] = []

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(DELAY)
        await server.answer_flow(request, writer)
        answers.append(time.time())

    server.always(answer)
    running = daemon(target_variables("stopped", server.base_url, interval="5s", timeout="4900ms"))
    for number in range(1, STOPS + 1):
        server.wait_for_requests(number)
        running.signal(signal.SIGSTOP)
        time.sleep(STOP)
        running.signal(signal.SIGCONT)
    server.wait_for_requests(STOPS + 1)
    outcomes = recent(running, "stopped")
    assert len(outcomes) >= STOPS
    assert {outcome["reason"] for outcome in outcomes} == {"ok"}
    for outcome, answered_at in zip(reversed(outcomes), answers, strict=False):
        phases = outcome["steps"][0]["phases"]
        assert phases["processing"] > DELAY / 2
        before_transfer = sum(seconds for phase, seconds in phases.items() if phase != "transfer")
        assert started(outcome) + before_transfer <= answered_at + TICK


def test_silent_providers_are_the_providers_fault_on_a_busy_machine(
    daemon: Factory[..., Daemon], http_server: Factory[..., HttpServer]
) -> None:
    async def read_and_wait(connection: Connection) -> None:
        await connection.read_to_end()

    silent = http_server(behavior=read_and_wait)
    environment: dict[str, str] = {}
    for number in range(SILENT):
        environment |= target_variables(f"silent_{number}", silent.base_url, interval="6s", timeout="5s")

    def twice_each(samples: Samples) -> bool:
        return samples.total("pingone_flow_probes_total") >= 2 * SILENT

    with cpu_burners(BURNERS):
        page = daemon(environment).wait_until(twice_each, what="two probes of each target")
    finished = page.total("pingone_flow_probes_total")
    assert page.total("pingone_flow_probes_total", reason="timeout", fault="provider") == finished


def test_a_clock_that_is_set_during_an_exchange_changes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    real, step = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: real() + step[0])

    async def probe() -> Any:  # noqa: ANN401  see the assertions
        async with HttpServer() as server:

            async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
                step[0] += STEP
                await server.answer_flow(request, writer)

            server.always(answer)
            target = Target(
                name="stepped",
                source_environment_id=SOURCE,
                destination_environment_id=SOURCE,
                client_id="client",
                source_url=f"{server.base_url}/{SOURCE}",
                redirect_uri="https://destination.example/callback",
            )
            return await Prober(lambda _: ssl.create_default_context())(target, Journey.AUTHORIZE)

    outcome = asyncio.run(probe())
    assert outcome.reason == "ok"
    assert outcome.duration < STEP / 2
    assert all(0 <= seconds < STEP / 2 for seconds in outcome.steps[0].phases.values())


def recent(running: Daemon, target: str) -> list[dict[str, Any]]:
    """Return the last outcomes of a target."""
    page = json.loads(running.get(f"/api/v1/targets/{target}").text)
    outcomes: list[dict[str, Any]] = page["journeys"][0]["recent"]
    return outcomes


@contextmanager
def cpu_burners(count: int) -> Iterator[None]:
    """Run processes that take all the CPU they get."""
    burners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for burner in burners:
            burner.kill()
            burner.wait()
