"""The step `sign_on` of a prober: one password at a time, and none while lock-out protection holds it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest
from probing.federation import (
    Federation,
    Heard,
    Response,
    a_federation_target,
    converse,
    resolves,
)
from probing.loopback import HOUR, listening, loop, run, turns

from exporter.outcome import Outcome, Phase
from exporter.probing.findings import MAX_OWN_DELAY_SECONDS
from exporter.probing.probe import Prober
from exporter.probing.timing import Deadline
from exporter.reasons import Reason
from exporter.target import Journey, Target

REJECTED = Response(400, document={"code": "INVALID_DATA", "details": [{"code": "INVALID_CREDENTIALS"}]})


class Clock:
    """The prober's clock, set by the test."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


Main = Callable[[Federation, Prober, Clock, Target], Awaitable[None]]


def play(main: Main, *, one_shot: bool = False) -> None:
    """Run `main` against two environments on loopback."""

    async def running() -> None:
        federation, clock = Federation(), Clock()
        async with listening(lambda talk: converse(federation, talk)) as peer:
            federation.url = f"http://127.0.0.1:{peer.port}"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            prober = Prober(lambda _: context, resolve=resolves({}), clock=clock, one_shot=one_shot)
            await main(federation, prober, clock, a_federation_target(federation.url))

    run(running())


def patient(target: Target) -> Target:
    """Return the target with a timeout that does not pass."""
    return replace(target, federation=replace(target.timing(Journey.FEDERATION), timeout=100 * HOUR))


async def in_vain(prober: Prober, federation: Federation, target: Target) -> Outcome:
    """Probe another target of the same user, and let time pass from the step before its sign-on."""
    second = asyncio.create_task(prober(replace(target, name="second"), Journey.FEDERATION))
    authorized = federation.steps().count("source_authorize") + 1
    while not second.done():
        if federation.steps().count("source_authorize") == authorized:
            loop().skip(1.0)
        await turns()
    return second.result()


def finding(outcome: Outcome) -> tuple[str, str, str]:
    return outcome.step, outcome.reason.value, outcome.fault.value


def test_until_an_interval_has_passed_probes_end_incomplete_before_sign_on() -> None:
    async def main(federation: Federation, prober: Prober, clock: Clock, target: Target) -> None:
        first = await prober(target, Journey.FEDERATION)
        assert finding(first) == ("source_authorize", "ok", "none")
        assert (first.success, first.incomplete, first.conclusive) == (True, True, False)
        clock.now = target.timing(Journey.FEDERATION).interval
        federation.heard.clear()
        second = await prober(target, Journey.FEDERATION)
        assert finding(second) == ("token", "ok", "none")
        assert (second.incomplete, second.conclusive) == (False, True)

    play(main)


def test_while_suspended_a_probe_fails_at_sign_on_without_a_request() -> None:
    async def main(federation: Federation, prober: Prober, clock: Clock, target: Target) -> None:
        federation.answers["sign_on"] = REJECTED
        clock.now = 1000.0
        first = await prober(target, Journey.FEDERATION)
        federation.answers.clear()
        second = await prober(target, Journey.FEDERATION)
        assert finding(first) == finding(second) == ("sign_on", "credentials_rejected", "account")
        assert federation.steps().count("sign_on") == 1
        record = second.steps[-1]
        assert (record.step, record.phases, record.http_status_code) == ("sign_on", {}, None)
        assert second.phase is Phase.RESOLVE
        assert second.duration > 0
        assert prober.guard.suspended(target) is Reason.CREDENTIALS_REJECTED
        prober.guard.reload_requested()
        federation.heard.clear()
        assert finding(await prober(target, Journey.FEDERATION)) == ("token", "ok", "none")
        assert prober.guard.suspended(target) is None

    play(main)


def test_a_probe_that_waits_in_vain_for_the_sign_on_of_another_target_is_neither_good_nor_a_failure() -> None:
    """It saw nothing of its own sign-on; the other probe reports the silence."""

    async def main(federation: Federation, prober: Prober, clock: Clock, target: Target) -> None:
        clock.now = 1000.0
        attempted = asyncio.Event()

        def silent(_: Federation, __: Heard) -> Response:
            attempted.set()
            return Response(102)

        federation.answers["sign_on"] = silent
        first = asyncio.create_task(prober(patient(target), Journey.FEDERATION))
        await attempted.wait()
        second = await in_vain(prober, federation, target)
        first.cancel()
        assert finding(second) == ("sign_on", "internal", "exporter")
        assert "another target's sign-on of the same user" in (second.detail or "")
        assert second.steps[-1].http_status_code is None
        assert federation.steps().count("sign_on") == 1

    play(main)


def test_a_probe_that_waits_in_vain_for_the_attempt_of_a_suspended_user_fails_as_suspended() -> None:
    async def main(federation: Federation, prober: Prober, clock: Clock, target: Target) -> None:
        federation.answers["sign_on"] = REJECTED
        clock.now = 1000.0
        await prober(target, Journey.FEDERATION)
        clock.now += HOUR
        attempted = asyncio.Event()

        def silent(_: Federation, __: Heard) -> Response:
            attempted.set()
            return Response(102)

        federation.answers["sign_on"] = silent
        attempt = asyncio.create_task(prober(patient(target), Journey.FEDERATION))
        await attempted.wait()
        second = await in_vain(prober, federation, target)
        attempt.cancel()
        assert finding(second) == ("sign_on", "credentials_rejected", "account")

    play(main)


def test_forty_targets_of_one_user_at_once_send_a_rejected_password_once() -> None:
    async def main(federation: Federation, prober: Prober, clock: Clock, target: Target) -> None:
        federation.answers["sign_on"] = REJECTED
        clock.now = 1000.0
        targets = [replace(target, name=f"t{number}") for number in range(40)]
        outcomes = await asyncio.gather(*[prober(each, Journey.FEDERATION) for each in targets])
        assert {finding(outcome) for outcome in outcomes} == {("sign_on", "credentials_rejected", "account")}
        assert federation.steps().count("sign_on") == 1

    play(main)


def test_the_passwords_of_one_user_go_out_one_after_the_other() -> None:
    async def main(federation: Federation, prober: Prober, clock: Clock, target: Target) -> None:
        clock.now = 1000.0
        under_way, most = 0, 0

        def sign_on(played: Federation, heard: Heard) -> Response:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            loop().call_soon(end)
            return played.good(heard)

        def end() -> None:
            nonlocal under_way
            under_way -= 1

        federation.answers["sign_on"] = sign_on
        changed = replace(target, user=target.user and replace(target.user, username="other"))
        targets = [replace(each, name=f"{name}") for name, each in enumerate([target] * 5 + [changed])]
        outcomes = await asyncio.gather(*[prober(each, Journey.FEDERATION) for each in targets])
        assert federation.steps().count("sign_on") == 6
        assert {outcome.steps[4].reason for outcome in outcomes} == {Reason.OK}
        assert most <= 2

    play(main)


def test_three_unanswered_passwords_suspend_and_so_do_three_cancelled_probes() -> None:
    async def main(federation: Federation, prober: Prober, clock: Clock, target: Target) -> None:
        clock.now = 1000.0
        federation.answers["sign_on"] = Response(raw=b"hang up")
        found = [finding(await prober(target, Journey.FEDERATION)) for _ in range(5)]
        answered, suspended = ("sign_on", "protocol", "provider"), ("sign_on", "protocol", "account")
        assert found == [*[answered] * 3, *[suspended] * 2]
        assert federation.steps().count("sign_on") == 3
        assert prober.guard.suspended(target) is Reason.PROTOCOL

    play(main)


def test_a_probe_that_is_cancelled_while_its_password_is_out_counts_as_unanswered() -> None:
    async def main(federation: Federation, prober: Prober, clock: Clock, target: Target) -> None:
        clock.now = 1000.0
        probing: asyncio.Task[Outcome]

        def cancel(_: Federation, __: Heard) -> Response:
            probing.cancel()
            return Response(raw=b"hang up")

        federation.answers["sign_on"] = cancel
        for _ in range(3):
            probing = asyncio.create_task(prober(target, Journey.FEDERATION))
            with pytest.raises(asyncio.CancelledError):
                await probing
        assert prober.guard.suspended(target) is Reason.INTERNAL

    play(main)


def test_a_server_error_does_not_suspend() -> None:
    async def main(federation: Federation, prober: Prober, clock: Clock, target: Target) -> None:
        clock.now = 1000.0
        federation.answers["sign_on"] = Response(503)
        for _ in range(5):
            assert finding(await prober(target, Journey.FEDERATION)) == (
                "sign_on",
                "server_error",
                "provider",
            )
        assert federation.steps().count("sign_on") == 5

    play(main)


def test_a_command_that_probes_once_sends_the_password_at_once_and_once() -> None:
    async def main(federation: Federation, prober: Prober, _: Clock, target: Target) -> None:
        assert finding(await prober(target, Journey.FEDERATION))[1] == "ok"
        second = await prober(replace(target, name="second"), Journey.FEDERATION)
        assert finding(second) == ("source_authorize", "ok", "none")
        assert second.incomplete
        assert federation.steps().count("sign_on") == 1

    play(main, one_shot=True)


# The deadline


def test_one_deadline_bounds_the_whole_probe() -> None:
    async def main(federation: Federation, prober: Prober, clock: Clock, target: Target) -> None:
        clock.now = 1000.0

        def late(played: Federation, heard: Heard) -> Response:
            loop().skip(HOUR)
            return played.good(heard)

        federation.answers["callback"] = late
        outcome = await prober(target, Journey.FEDERATION)
        assert finding(outcome) == ("callback", "timeout", "provider")
        assert outcome.duration <= target.timing(Journey.FEDERATION).timeout

    play(main)


def test_the_wait_for_another_sign_on_of_the_user_is_not_a_delay_that_explains_a_hang_up() -> None:
    async def main() -> None:
        deadline = Deadline(60.0)
        loop().skip(5.0)
        deadline.discount_wait()
        deadline.start_peer_time(loop().time())
        assert deadline.own_delay < MAX_OWN_DELAY_SECONDS
        loop().skip(5.0)
        deadline.stop_peer_time(loop().time())
        loop().skip(5.0)
        deadline.start_peer_time(loop().time())
        assert deadline.own_delay >= 5.0

    run(main(), frozen=True)


def test_a_password_is_not_given_to_a_proxy_without_tls_and_the_cause_is_told() -> None:
    async def main(federation: Federation, prober: Prober, clock: Clock, target: Target) -> None:
        clock.now = HOUR
        outcome = await prober(replace(target, proxy_url=federation.url), Journey.FEDERATION)
        assert finding(outcome) == ("sign_on", "location_invalid", "configuration")
        host = federation.url.removeprefix("http://")
        cause = f"{host} not requested: address not public, or no TLS for a secret"
        assert outcome.steps[-1].detail == cause
        assert federation.steps()[-1] == "source_authorize"

    play(main)
