"""What a stall of our own can hide, and what it cannot, since the kernel took the time."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Sequence
from contextlib import closing, suppress
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from probing.examples import a_flow, a_target
from probing.loopback import (
    Behaviour,
    Talk,
    answer,
    loop,
    no_tls,
    not_resolving,
    run,
    says,
    turns,
)
from probing.visit import Visit, visit

from exporter.outcome import Outcome, Phase
from exporter.probing.probe import Prober, stalls_explain
from exporter.probing.resolver import ResolvedName
from exporter.probing.timing import Deadline
from exporter.probing.transport import Exchange
from exporter.target import IpFamily, Journey

if TYPE_CHECKING:
    from harness.certificates import Authority, Certificate

Stalls = Sequence[tuple[float, float]]
GOOD = answer(json.dumps(a_flow()).encode())
HEAD, _, BODY = GOOD.partition(b"\r\n\r\n")
HOUR = 3600.0
SCHEMES = pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])


def always(since: float) -> Stalls:
    """Stand still from then on, the deadline included."""
    return [(since, since + 7200)]


@pytest.fixture(autouse=True)
def _wall_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the wall clock go on while the loop stands still."""
    monkeypatch.setattr("exporter.probing.timing.time", SimpleNamespace(time=lambda: loop().wall()))


def stalled_visit(behave: Behaviour, authority: Authority | None = None, **changes: Any) -> Visit:  # noqa: ANN401  any of its arguments
    return visit(behave, authority=authority, stalls=lambda since: loop().stalls_since(since), **changes)


# What arrived in time counts, however late it is read


@SCHEMES
def test_an_answer_that_arrived_in_time_counts_though_the_loop_woke_after_the_deadline(
    *, secure: bool, authority: Authority
) -> None:
    async def behave(talk: Talk) -> None:
        await talk.hear()
        await talk.say(GOOD)
        loop().stand_still(2 * HOUR)

    visited = stalled_visit(behave, authority if secure else None)
    assert visited.finding == ("ok", "none", "transfer")
    assert 0 < visited.outcome.duration < 60


def test_a_long_answer_that_arrived_in_time_is_read_to_its_end(authority: Authority) -> None:
    long = answer(json.dumps(a_flow(more="x" * 20_000)).encode())

    async def behave(talk: Talk) -> None:
        await talk.hear()
        await talk.say(long)
        loop().stand_still()

    assert stalled_visit(behave).finding == ("ok", "none", "transfer")
    assert stalled_visit(behave, authority).finding == ("ok", "none", "transfer")


def shakes_hands(certificate: Certificate, stall: float, *, hangs_up: bool = False) -> Behaviour:
    """Return a behaviour that answers a client's hello, whereupon the loop stands still; then it goes on."""

    async def behave(talk: Talk) -> None:
        received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = certificate.tls.wrap_bio(received, sent, server_side=True)
        received.write(await talk.reader.read(65536))
        with suppress(ssl.SSLWantReadError):
            server.do_handshake()
        await talk.say(sent.read())
        loop().stand_still(stall)
        if hangs_up:
            talk.reset()
            return
        received.write(await talk.reader.read(65536))
        server.do_handshake()
        assert server.read(65536)
        server.write(GOOD)
        await talk.say(sent.read())

    return behave


@pytest.mark.parametrize(("stall", "reason"), [(70.0, "ok"), (HOUR, "internal")])
def test_a_stall_in_a_handshake_is_none_of_the_servers_time(
    stall: float, reason: str, authority: Authority
) -> None:
    """Nothing more is waited for when twice the timeout has passed: that is our own fault."""
    behave = shakes_hands(authority.issue("idp.example"), stall)
    visited = stalled_visit(behave, authority, scheme="https")
    assert visited.outcome.reason.value == reason
    assert visited.step.phases[Phase.TLS] < 60
    assert visited.outcome.duration <= 60


def test_a_peer_that_hung_up_because_we_kept_it_waiting_is_our_own_fault(authority: Authority) -> None:
    behave = shakes_hands(authority.issue("idp.example"), 30.0, hangs_up=True)
    visited = stalled_visit(behave, authority, scheme="https")
    assert visited.outcome.reason == "internal"
    assert visited.outcome.stalled


# What a stall makes inexact


@pytest.mark.parametrize(("pieces", "stalled"), [((GOOD,), False), ((HEAD + b"\r\n\r\n", BODY), True)])
def test_head_and_body_that_a_stall_merged_are_one_processing_and_marked(
    pieces: tuple[bytes, ...], *, stalled: bool
) -> None:
    async def behave(talk: Talk) -> None:
        await talk.hear()
        for piece in pieces:
            await talk.say(piece)
        loop().stand_still(30.0)

    visited = stalled_visit(behave)
    assert visited.outcome.success
    assert visited.outcome.stalled is stalled
    assert (Phase.TRANSFER in visited.step.phases) is not stalled
    assert visited.step.phases[Phase.PROCESSING] < 30


def test_without_a_stall_head_and_body_have_their_own_times() -> None:
    async def behave(talk: Talk) -> None:
        await talk.hear()
        await talk.say(HEAD + b"\r\n\r\n")
        await talk.say(BODY)

    visited = stalled_visit(behave)
    assert not visited.outcome.stalled
    assert Phase.TRANSFER in visited.step.phases


def test_a_stall_in_a_long_answer_slows_its_sender_and_is_marked() -> None:
    body = b"x" * 100_000

    async def behave(talk: Talk) -> None:
        await talk.hear()
        await talk.say(answer(body)[:-1])
        await turns(200)
        loop().stand_still(1.0)
        await talk.say(body[-1:])

    assert stalled_visit(behave).outcome.stalled


def test_a_stall_while_a_name_resolves_is_marked() -> None:
    assert visit(says(GOOD), stalls=always).outcome.stalled


# Timeouts and failures


@pytest.mark.parametrize("stall", [61.0, HOUR])
def test_a_silent_provider_is_a_timeout_even_if_the_loop_stalls(stall: float) -> None:
    async def behave(talk: Talk) -> None:
        await talk.hear()
        loop().stand_still(stall)

    assert stalled_visit(behave).finding == ("timeout", "provider", "processing")


@pytest.mark.parametrize(
    ("end", "stalled"),
    [
        (lambda talk: talk.say(b"SSH-2.0-x\r\n\r\n"), False),
        (lambda talk: asyncio.sleep(0, talk.reset()), True),
    ],
    ids=["not HTTP", "reset"],
)
def test_a_stall_is_not_in_the_time_of_a_failure(end: Behaviour, *, stalled: bool) -> None:
    """It is marked where the kernel does not know when the failure came."""

    async def behave(talk: Talk) -> None:
        await talk.hear()
        await end(talk)
        loop().stand_still(30.0)

    visited = stalled_visit(behave)
    assert visited.finding == ("protocol", "provider", "processing")
    assert visited.outcome.duration < 30
    assert visited.outcome.stalled is stalled


@pytest.mark.parametrize(("stalls", "reason"), [(always, "internal"), (lambda _: [], "timeout")])
def test_a_timeout_in_resolution_is_our_own_if_a_stall_explains_it(
    stalls: object, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> Outcome:
        def resolve(_: str, _family: IpFamily) -> asyncio.Future[ResolvedName]:
            loop().call_soon(loop().skip)
            return loop().create_future()

        return await Prober(no_tls, resolve=resolve, stalls=stalls)(a_target(), Journey.AUTHORIZE)  # type: ignore[arg-type]

    outcome = run(main())
    assert outcome.reason.value == reason
    assert outcome.steps[0].reason.value == reason
    assert outcome.stalled is (reason == "internal")
    assert not [entry for entry in caplog.records if entry.name.startswith("exporter")]


@pytest.mark.parametrize(
    ("behave", "reason", "fault"),
    [
        (says(answer(status="503 Service Unavailable")), "server_error", "provider"),
        (says(answer(status="429 Too Many Requests")), "rate_limited", "quota"),
        (says(answer(b"{}")), "not_a_flow", "provider"),
        (says(b"", then="reset"), "protocol", "provider"),
    ],
)
def test_only_a_timeout_is_explained_by_a_stall(behave: Behaviour, reason: str, fault: str) -> None:
    outcome = visit(behave, stalls=always).outcome
    assert (outcome.reason, outcome.fault) == (reason, fault)


def test_a_name_that_does_not_resolve_is_not_explained_by_a_stall() -> None:
    async def main() -> Outcome:
        return await Prober(no_tls, resolve=not_resolving, stalls=always)(a_target(), Journey.AUTHORIZE)

    outcome = run(main())
    assert (outcome.reason, outcome.fault) == ("dns", "network")
    assert outcome.stalled


@pytest.mark.parametrize(
    ("stalls", "explained"),
    [
        ([], False),
        ([(101.0, 101.07)], False),
        ([(101.0, 101.99)], False),
        ([(101.0, 102.0)], True),
        ([(101.0, 101.5), (103.0, 103.5)], True),
        ([(109.9, 110.02)], True),
        ([(110.0, 110.06)], True),
        ([(110.01, 110.08)], False),
    ],
)
def test_a_stall_explains_a_timeout_across_the_deadline_or_by_a_tenth_of_the_time(
    stalls: Stalls, *, explained: bool
) -> None:
    async def main() -> list[bool]:
        with closing(Deadline(10.0)) as deadline:
            deadline.started = 100.0
            exchanges = Exchange(phase=Phase.RESOLVE), Exchange(phase=Phase.CONNECT, timed_by_loop=True)
            return [stalls_explain(exchange, deadline, lambda _: stalls) for exchange in exchanges]

    assert run(main()) == [explained] * 2
