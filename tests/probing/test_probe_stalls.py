"""When our own loop stood still during a probe, no time of it can be believed, and no deadline blamed."""

from __future__ import annotations

import json
import ssl

import pytest
from probing.examples import SOURCE, a_flow, a_target
from probing.loopback import Behaviour, Talk, answer, listening, loop, run, says, upon

from exporter.outcome import Outcome, Phase
from exporter.probing.failure import ResolutionError
from exporter.probing.probe import Prober
from exporter.probing.stall import Stalls, StallsSince, explains_timeout
from exporter.target import IpFamily, Journey

GOOD = answer(json.dumps(a_flow()).encode())
TIMEOUT = 60.0


async def nothing(_: Talk) -> None:
    """Accept, and no more."""


def pass_an_hour() -> None:
    # In the next turn of the loop: the exchange has then begun to wait.
    loop().call_soon(loop().skip)


def always(since: float) -> Stalls:
    """Stand still from then on, the deadline included."""
    return [(since, since + 7200)]


def never(_since: float) -> Stalls:
    return []


def probe(behave: Behaviour, stalls: StallsSince, *, resolves: bool = True) -> Outcome:
    """Probe a peer on a loop that is said to have stood still, or not."""

    async def resolve(name: str, _family: IpFamily) -> tuple[str, ...]:
        if not resolves:
            raise ResolutionError(name)
        return ("127.0.0.1",)

    async def main() -> Outcome:
        async with listening(behave) as peer:
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            prober = Prober(lambda _: trust, resolve=resolve, clock=loop().time, stalls=stalls)
            target = a_target(source_url=f"http://idp.example:{peer.port}/{SOURCE}", timeout=TIMEOUT)
            outcome = await prober(target, Journey.AUTHORIZE)
            await peer.left_alone()
            return outcome

    return run(main())


@pytest.mark.parametrize(("stalls", "stalled"), [(always, True), (never, False)])
def test_a_good_probe_stays_good_and_says_whether_the_loop_stood_still(
    stalls: StallsSince, *, stalled: bool
) -> None:
    outcome = probe(says(GOOD), stalls)
    assert outcome.success
    assert outcome.stalled is stalled


def test_a_timeout_that_a_stall_explains_is_our_own_and_no_bug_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with upon("receive_response_headers.started", pass_an_hour):
        outcome = probe(nothing, always)
    assert (outcome.reason, outcome.fault) == ("internal", "exporter")
    assert not [entry for entry in caplog.records if entry.name.startswith("exporter")]
    assert outcome.phase is Phase.PROCESSING
    assert outcome.steps[0].reason == "internal"
    assert outcome.stalled
    assert not outcome.counts, "nobody is paged"


def test_a_timeout_without_a_stall_is_a_timeout() -> None:
    with upon("receive_response_headers.started", pass_an_hour):
        outcome = probe(nothing, never)
    assert (outcome.reason, outcome.fault) == ("timeout", "provider")
    assert not outcome.stalled


@pytest.mark.parametrize(
    ("behave", "reason", "fault"),
    [
        (says(answer(status="503 Service Unavailable")), "server_error", "provider"),
        (says(answer(status="429 Too Many Requests")), "rate_limited", "quota"),
        (says(answer(b"{}")), "not_a_flow", "provider"),
        (says(b"", then="reset"), "protocol", "provider"),
    ],
)
def test_what_is_no_timeout_is_not_explained_by_a_stall(behave: Behaviour, reason: str, fault: str) -> None:
    outcome = probe(behave, always)
    assert (outcome.reason, outcome.fault) == (reason, fault)
    assert outcome.stalled


def test_a_name_that_does_not_resolve_is_not_explained_by_a_stall() -> None:
    outcome = probe(nothing, always, resolves=False)
    assert (outcome.reason, outcome.fault) == ("dns", "network")
    assert outcome.stalled


def test_the_loop_is_asked_about_the_time_since_the_probe_began() -> None:
    asked: list[float] = []
    began: list[float] = []

    def stalls(since: float) -> Stalls:
        began.append(loop().time())
        asked.append(since)
        return []

    with upon("receive_response_headers.started", pass_an_hour):
        outcome = probe(nothing, stalls)
    assert len(asked) == 2, "for the timeout, and for the outcome"
    assert asked[0] == pytest.approx(asked[1], abs=1e-6)
    assert all(
        now - since == pytest.approx(outcome.duration, abs=5) for now, since in zip(began, asked, strict=True)
    )


def test_a_short_stall_in_the_midst_of_a_timeout_does_not_hide_an_outage() -> None:
    with upon("receive_response_headers.started", pass_an_hour):
        outcome = probe(nothing, lambda since: [(since + 0.1, since + 0.17)])
    assert (outcome.reason, outcome.fault) == ("timeout", "provider")
    assert outcome.stalled
    assert outcome.counts, "somebody is paged"


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
    assert explains_timeout(stalls, deadline=110.0, timeout=10.0) is explained
