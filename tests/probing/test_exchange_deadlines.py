"""The deadline bounds a whole probe, whatever it is doing; and cancellation goes through."""

from __future__ import annotations

import asyncio
import json
import resource
from typing import TYPE_CHECKING

import pytest
from probing.examples import SOURCE, a_flow, a_target
from probing.loopback import (
    PATIENCE,
    Behaviour,
    Talk,
    answer,
    listening,
    loop,
    no_tls,
    resolving,
    run,
    says,
    then_an_hour_passes,
    turns,
)
from probing.visit import NAME, visit

from exporter.outcome import Outcome, Phase
from exporter.probing.probe import Prober
from exporter.probing.resolver import ResolvedName
from exporter.target import IpFamily, Journey

if TYPE_CHECKING:
    from harness.certificates import Authority
    from harness.http_server import FullBacklog

FLOW = json.dumps(a_flow()).encode()
GOOD = answer(FLOW)
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"


def test_a_deadline_in_resolution_is_a_timeout_of_the_network() -> None:
    async def main() -> Outcome:
        def resolve(_: str, _family: IpFamily) -> asyncio.Future[ResolvedName]:
            loop().call_soon(loop().skip)
            return loop().create_future()

        return await Prober(no_tls, resolve=resolve)(a_target(), Journey.AUTHORIZE)

    outcome = run(main())
    assert (outcome.reason, outcome.fault, outcome.phase) == ("timeout", "network", "resolve")
    assert outcome.steps[0].phases == {}
    assert outcome.steps[0].address is None


def test_a_deadline_in_connecting_is_a_timeout_of_the_network(full_backlog: FullBacklog) -> None:
    async def main() -> Outcome:
        target = a_target(source_url=f"http://{NAME}:{full_backlog.port}/{SOURCE}", timeout=60.0)
        probe = asyncio.create_task(Prober(no_tls, resolve=resolving("127.0.0.1"))(target, Journey.AUTHORIZE))
        await turns()
        loop().skip()
        return await probe

    outcome = run(main())
    assert (outcome.reason, outcome.fault, outcome.phase) == ("timeout", "network", "connect")
    assert outcome.steps[0].address == "127.0.0.1"
    assert outcome.duration == 60.0


async def hear_hello(talk: Talk) -> None:
    await talk.reader.read(1)


def test_a_deadline_in_the_handshake_is_a_timeout_of_the_network_and_closes_the_socket() -> None:
    visited = visit(then_an_hour_passes(hear_hello), scheme="https")
    assert visited.finding == ("timeout", "network", "tls")
    assert set(visited.step.phases) == {Phase.RESOLVE, Phase.CONNECT}


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    ("raw", "phase", "code"),
    [
        (b"", "processing", None),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3, "processing", None),
        (b"HTTP/1.1 200 OK\r\nContent-", "processing", None),
        (CUT, "transfer", 200),
    ],
    ids=["nothing", "1xx only", "half a head", "half a body"],
)
def test_a_deadline_after_the_request_is_a_timeout_of_the_provider(
    raw: bytes, phase: str, code: int | None, *, secure: bool, authority: Authority
) -> None:
    visited = visit(then_an_hour_passes(says(raw)), authority=authority if secure else None)
    assert visited.finding == ("timeout", "provider", phase)
    assert visited.step.http_status_code == code
    assert Phase(phase) not in visited.step.phases
    assert visited.outcome.duration == 60.0


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
        def resolve(name: str, family: IpFamily) -> asyncio.Future[ResolvedName]:
            # Every descriptor in use is beyond this limit already; only new ones are refused.
            resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
            return resolving("127.0.0.1", "127.0.0.2")(name, family)

        prober = Prober(no_tls, resolve=resolve)
        try:
            return await prober(a_target(), Journey.AUTHORIZE)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    outcome = run(main())
    assert (outcome.reason, outcome.fault) == ("internal", "exporter")


@pytest.mark.parametrize(
    ("scheme", "behave"),
    [("https", hear_hello), ("http", says(b"")), ("http", says(CUT))],
    ids=["handshake", "head", "body"],
)
def test_cancellation_goes_through_and_closes_the_socket(scheme: str, behave: Behaviour) -> None:
    async def main() -> None:
        reached = asyncio.Event()

        async def behaving(talk: Talk) -> None:
            await behave(talk)
            await turns()
            reached.set()

        async with listening(behaving) as peer:
            target = a_target(source_url=f"{scheme}://127.0.0.1:{peer.port}/{SOURCE}", timeout=60.0)
            probe = asyncio.create_task(Prober(no_tls)(target, Journey.AUTHORIZE))
            async with asyncio.timeout(PATIENCE):
                await reached.wait()
            probe.cancel()
            with pytest.raises(asyncio.CancelledError):
                await probe
            await peer.left_alone()

    run(main())
