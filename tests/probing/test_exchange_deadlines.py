"""However an exchange is cut short, by its deadline or by us, it says where, and leaves no socket behind."""

from __future__ import annotations

import asyncio
import json
import resource
import ssl
from typing import TYPE_CHECKING

import pytest
from probing.examples import SOURCE, a_flow, a_target
from probing.loopback import PATIENCE, Behaviour, Talk, answer, listening, loop, run, says, upon
from probing.visit import NAME, visit

from exporter.outcome import Outcome, Phase
from exporter.probing.exchange import Exchange, Exchanger
from exporter.probing.failure import DeadlineError
from exporter.probing.probe import Prober
from exporter.probing.route import Route
from exporter.probing.step import Request
from exporter.target import IpFamily, Journey

if TYPE_CHECKING:
    from harness.certificates import Authority
    from harness.http_server import FullBacklog

FLOW = json.dumps(a_flow()).encode()
GOOD = answer(FLOW)
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"


async def nothing(_: Talk) -> None:
    """Accept, and no more."""


def pass_an_hour() -> None:
    # In the next turn of the loop: the exchange has then begun to wait.
    loop().call_soon(loop().skip)


def test_a_deadline_in_resolution_is_a_timeout_of_the_network() -> None:
    async def main() -> Outcome:
        async def resolve(_: str, _family: IpFamily) -> tuple[str, ...]:
            pass_an_hour()
            return await asyncio.Future()

        prober = Prober(lambda _: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), resolve=resolve, clock=loop().time)
        return await prober(a_target(), Journey.AUTHORIZE)

    outcome = run(main())
    assert (outcome.reason, outcome.fault, outcome.phase) == ("timeout", "network", "resolve")
    assert outcome.steps[0].phases == {}
    assert outcome.steps[0].address is None


def test_a_deadline_in_connecting_is_a_timeout_of_the_network(full_backlog: FullBacklog) -> None:
    async def main() -> Exchange:
        async def resolve(_: str, _family: IpFamily) -> tuple[str, ...]:
            return ("127.0.0.1",)

        loop().on_attempt = lambda _: pass_an_hour()
        request = Request("GET", f"http://{NAME}:{full_backlog.port}/")
        trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        return await Exchanger(resolve, loop().time)(
            request, (), route=Route(trust, IpFamily.ANY), deadline=loop().time() + 60
        )

    exchange = run(main())
    assert isinstance(exchange.error, DeadlineError)
    assert exchange.address == "127.0.0.1"
    assert exchange.marks[-1].event == "connection.connect_tcp.failed"


def test_a_deadline_in_the_handshake_is_a_timeout_of_the_network_and_closes_the_socket() -> None:
    with upon("start_tls.started", pass_an_hour):
        visited = visit(nothing, scheme="https")
    assert visited.finding == ("timeout", "network", "tls")
    assert set(visited.step.phases) == {Phase.RESOLVE, Phase.CONNECT}


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    ("event", "behave", "phase", "code"),
    [
        ("receive_response_headers.started", nothing, "processing", None),
        (
            "receive_response_headers.started",
            says(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3),
            "processing",
            None,
        ),
        ("receive_response_headers.started", says(b"HTTP/1.1 200 OK\r\nContent-"), "processing", None),
        ("receive_response_body.started", says(CUT), "transfer", 200),
    ],
    ids=["nothing", "1xx only", "half a head", "half a body"],
)
def test_a_deadline_after_the_request_is_a_timeout_of_the_provider(
    event: str, behave: Behaviour, phase: str, code: int | None, *, secure: bool, authority: Authority
) -> None:
    with upon(event, pass_an_hour):
        visited = visit(behave, authority=authority if secure else None)
    assert visited.finding == ("timeout", "provider", phase)
    assert visited.step.http_status_code == code
    assert Phase(phase) not in visited.step.phases


def test_a_server_that_drips_is_cut_at_the_deadline_although_it_never_pauses_for_long() -> None:
    written = 0

    async def drip(talk: Talk) -> None:
        nonlocal written
        await talk.hear()
        for byte in GOOD:
            await talk.say(bytes([byte]))
            written += 1
            loop().skip(9)
            await asyncio.sleep(0)

    visited = visit(drip)
    assert visited.outcome.reason == "timeout"
    assert written < len(GOOD)


def test_a_machine_out_of_descriptors_is_our_own_fault() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def main() -> Outcome:
        async def resolve(_: str, _family: IpFamily) -> tuple[str, ...]:
            # Every descriptor in use is beyond this limit already; only new ones are refused.
            resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
            return ("127.0.0.1", "127.0.0.2")

        prober = Prober(lambda _: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), resolve=resolve, clock=loop().time)
        try:
            return await prober(a_target(), Journey.AUTHORIZE)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    outcome = run(main())
    assert (outcome.reason, outcome.fault) == ("internal", "exporter")


@pytest.mark.parametrize(
    ("event", "scheme", "behave"),
    [
        ("start_tls.started", "https", nothing),
        ("receive_response_headers.started", "http", nothing),
        ("receive_response_body.started", "http", says(CUT)),
    ],
)
def test_cancellation_goes_through_and_closes_the_socket(event: str, scheme: str, behave: Behaviour) -> None:
    async def main() -> None:
        async with listening(behave) as peer:
            prober = Prober(lambda _: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), clock=loop().time)
            target = a_target(source_url=f"{scheme}://127.0.0.1:{peer.port}/{SOURCE}", timeout=60.0)
            reached = asyncio.Event()
            with upon(event, reached.set):
                probe = asyncio.create_task(prober(target, Journey.AUTHORIZE))
                async with asyncio.timeout(PATIENCE):
                    await reached.wait()
                probe.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await probe
            await peer.left_alone()

    run(main())
