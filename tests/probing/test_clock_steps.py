"""The wall clock is set while a probe runs: its times are those of the monotonic clock."""

from __future__ import annotations

import asyncio
import socket
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from harness.http_server import HttpServer
from probing.examples import SOURCE, a_target
from probing.loopback import Talk, answer, listening, no_tls, resolving, run

from exporter.outcome import Phase, TransportStats
from exporter.probing import Prober, ProbeTransport
from exporter.probing.messages import Request as ProbeRequest
from exporter.probing.timing import MIN_PHASE_SECONDS, Deadline, TcpInfo, arrival_timestamp, tcp_info
from exporter.probing.transport import Network
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


def test_after_a_step_back_the_next_request_on_the_connection_is_timed_by_the_kernel_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An older timestamp than before is no sign of segments out of order then."""
    behind = 0.0
    monkeypatch.setattr("exporter.probing.timing.time", SimpleNamespace(time=lambda: time.time() - behind))

    def timestamp(ancillary: list[tuple[int, int, bytes]]) -> float | None:
        at = arrival_timestamp(ancillary)
        return None if at is None else at - behind

    def info(sock: socket.socket) -> TcpInfo | None:
        found = tcp_info(sock)
        return None if found is None else found._replace(last_data_recv=HOUR)

    monkeypatch.setattr("exporter.probing.stream.arrival_timestamp", timestamp)
    monkeypatch.setattr("exporter.probing.stream.tcp_info", info)

    async def behave(talk: Talk) -> None:
        for _ in range(2):
            await talk.hear()
            await talk.say(answer())

    async def main() -> None:
        nonlocal behind
        async with listening(behave) as peer:
            deadline = Deadline(60.0)
            async with ProbeTransport(Network(resolving("127.0.0.1")), deadline, no_tls()) as transport:
                request = ProbeRequest("GET", f"http://idp.example:{peer.port}/")
                assert (await transport.exchange(request)).phases[Phase.PROCESSING] > MIN_PHASE_SECONDS
                behind = HOUR
                again = await transport.exchange(request)
                assert again.phases[Phase.PROCESSING] > MIN_PHASE_SECONDS
                assert not again.timed_by_loop
            deadline.close()
            await peer.left_alone()

    run(main())


def test_a_step_during_a_request_is_counted_for_that_one_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = 0.0
    monkeypatch.setattr("exporter.probing.timing.time", SimpleNamespace(time=lambda: time.time() - behind))

    def timestamp(ancillary: list[tuple[int, int, bytes]]) -> float | None:
        at = arrival_timestamp(ancillary)
        return None if at is None else at - behind

    monkeypatch.setattr("exporter.probing.stream.arrival_timestamp", timestamp)

    async def behave(talk: Talk) -> None:
        nonlocal behind
        for _ in range(2):
            await talk.hear()
            behind = HOUR
            await talk.say(answer())

    async def main() -> None:
        async with listening(behave) as peer:
            network, deadline = Network(resolving("127.0.0.1")), Deadline(60.0)
            async with ProbeTransport(network, deadline, no_tls()) as transport:
                request = ProbeRequest("GET", f"http://idp.example:{peer.port}/")
                timed_by_loop = [(await transport.exchange(request)).timed_by_loop for _ in range(2)]
            assert timed_by_loop == [True, False]
            assert network.stats.loop_timed_exchanges == 1
            deadline.close()
            await peer.left_alone()

    run(main())
