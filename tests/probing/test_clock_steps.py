"""The wall clock is set while a probe runs: its times are those of the monotonic clock."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from harness.http_server import HttpServer
from probing.examples import SOURCE, a_target

from exporter.outcome import Phase, TransportStats
from exporter.probing import Prober
from exporter.target import Journey

if TYPE_CHECKING:
    from harness.http_messages import Request

    from exporter.outcome import Outcome

HOUR, DAY = 3600.0, 86_400.0


@pytest.mark.parametrize("step", [HOUR, -HOUR, DAY, 0.5])
def test_a_step_of_the_clock_during_a_probe_changes_neither_its_times_nor_its_verdict(
    step: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead, stats = 0.0, TransportStats()
    monkeypatch.setattr("exporter.probing.timing.time", SimpleNamespace(time=lambda: time.time() + ahead))

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        nonlocal ahead
        ahead = step  # after the request was sent, before the response comes
        await server.answer_flow(request, writer)

    async def main() -> tuple[Outcome, float]:
        prober = Prober(lambda _: None, wall=lambda: time.time() + ahead, stats=stats)  # type: ignore[arg-type,return-value]
        began = time.monotonic()
        outcome = await prober(a_target(source_url=f"{server.base_url}/{SOURCE}"), Journey.AUTHORIZE)
        return outcome, time.monotonic() - began

    server = HttpServer()
    server.always(answer)
    with server:
        outcome, took = asyncio.run(main())
    (record,) = outcome.steps
    assert outcome.success
    assert set(record.phases) == {Phase.RESOLVE, Phase.CONNECT, Phase.PROCESSING, Phase.TRANSFER}
    assert all(0.0 <= seconds <= took for seconds in record.phases.values())
    assert 0.0 <= outcome.duration <= took
    assert stats.loop_timed_exchanges == 1
