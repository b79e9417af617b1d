"""A probe from target to outcome: what is recorded, what it leaves unsaid, and that it never raises."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import re
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from probing.examples import JUDGE, SOURCE, STATUS, a_flow, a_target
from probing.loopback import Behaviour, Talk, answer, listening, loop, no_tls, not_resolving, run, says
from probing.visit import visit

from exporter.outcome import UNKNOWN, Outcome, Phase, as_json
from exporter.probing.findings import evaluate
from exporter.probing.messages import Request, Step
from exporter.probing.probe import Prober
from exporter.probing.resolver import ResolvedName
from exporter.probing.transport import Exchange
from exporter.target import IpFamily, Journey

if TYPE_CHECKING:
    from harness.certificates import Authority

FLOW = json.dumps(a_flow()).encode()
GOOD = answer(FLOW, "Correlation-Id: 4f1c-9b")
SECRET = "planted-secret"


def echoes(template: str) -> Behaviour:
    """Return a behaviour that answers `template` with `NONCE` and `STATE` as they were sent."""

    async def behave(talk: Talk) -> None:
        await talk.hear()
        head = talk.peer.heads[-1].decode()
        raw = template
        for name in ("nonce", "state"):
            (value,) = re.findall(rf"[?&]{name}=([^& ]+)", head)
            raw = raw.replace(name.upper(), value)
        await talk.say(raw.encode())
        talk.writer.close()

    return behave


# What is recorded


def test_a_good_probe_is_recorded_with_all_that_is_known_of_it(authority: Authority) -> None:
    outcome = visit(says(GOOD), authority=authority).outcome
    assert (outcome.target, outcome.journey) == ("corporate", Journey.AUTHORIZE)
    assert (outcome.reason, outcome.fault) == ("ok", "none")
    assert (outcome.step, outcome.phase) == ("authorize", Phase.TRANSFER)
    assert outcome.success
    assert outcome.retry_after is None
    assert str(UUID(outcome.transaction_id)) == outcome.transaction_id
    (step,) = outcome.steps
    assert (step.step, step.reason, step.phase) == ("authorize", "ok", Phase.TRANSFER)
    assert list(step.phases) == list(Phase)
    assert step.http_status_code == 200
    assert step.flow_status == STATUS
    assert step.error_codes == ()
    assert step.correlation_id == "4f1c-9b"
    assert step.address == "127.0.0.1"
    assert sum(step.phases.values()) <= outcome.duration + 1e-9


def test_a_refusal_is_recorded_with_its_code_and_the_codes_of_its_error() -> None:
    body = json.dumps({"code": "INVALID_DATA", "details": [{"code": "INVALID_VALUE"}]}).encode()
    step = visit(says(answer(body, status="400 Bad Request"))).step
    assert step.reason == "oauth_error"
    assert step.http_status_code == 400
    assert step.error_codes == ("INVALID_DATA", "INVALID_VALUE")
    assert step.flow_status is None


def test_a_failure_without_a_response_has_no_code() -> None:
    step = visit(says(b"", then="close")).step
    assert step.http_status_code is None
    assert step.correlation_id is None
    assert set(step.phases) == {Phase.RESOLVE, Phase.CONNECT}


@pytest.mark.parametrize("status", ["SIGN_ON_REQUIRED", "BRAND_NEW_REQUIRED"])
def test_an_unexpected_status_is_shown_since_the_operator_has_to_name_it(status: str) -> None:
    step = visit(says(answer(json.dumps(a_flow(status=status)).encode()))).step
    assert step.reason == "unexpected_status"
    assert step.flow_status == status


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        ("429 Too Many Requests", ["Retry-After: 17"], 17.0),
        (
            "429 Too Many Requests",
            ["Retry-After: Sun, 06 Nov 1994 08:50:37 GMT", "Date: Sun, 06 Nov 1994 08:49:37 GMT"],
            60.0,
        ),
        ("429 Too Many Requests", ["Retry-After: soon"], None),
        ("429 Too Many Requests", [], None),
        ("503 Service Unavailable", ["Retry-After: 17"], None),
    ],
)
def test_retry_after_is_carried_when_a_rate_limit_asks_for_it(
    status: str, headers: list[str], seconds: float | None
) -> None:
    outcome = visit(says(answer(b"", *headers, status=status))).outcome
    assert outcome.retry_after == seconds


# Time


def test_a_slow_answer_is_reported_in_the_phase_that_was_slow() -> None:
    async def think(talk: Talk) -> None:
        await talk.hear()
        loop().skip(40)
        await talk.say(GOOD)

    outcome = visit(think).outcome
    phases = outcome.steps[0].phases
    assert outcome.duration >= phases[Phase.PROCESSING] >= 40
    assert all(seconds < 40 for phase, seconds in phases.items() if phase is not Phase.PROCESSING)


def test_durations_come_from_the_monotonic_clock_and_timestamps_from_the_wall() -> None:
    async def main() -> Outcome:
        wall = iter([2e9, 1e9])  # set back while the probe ran
        async with listening(says(GOOD)) as peer:
            prober = Prober(no_tls, wall=wall.__next__)
            target = a_target(source_url=f"http://127.0.0.1:{peer.port}/{SOURCE}", timeout=60.0)
            return await prober(target, Journey.AUTHORIZE)

    outcome = run(main())
    assert (outcome.started_at, outcome.ended_at) == (2e9, 1e9)
    assert 0 < outcome.duration < 60


def test_probes_that_run_at_once_do_not_mix() -> None:
    async def main() -> tuple[list[Outcome], list[bytes]]:
        async with listening(echoes("HTTP/1.1 200 OK\r\nCorrelation-Id: of-STATE-not\r\n\r\n{}")) as peer:
            trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            prober = Prober(lambda _: trust)
            targets = [
                a_target(name=f"t{n}", source_url=f"http://127.0.0.1:{peer.port}/{n}", timeout=60.0)
                for n in range(30)
            ]
            outcomes = await asyncio.gather(*[prober(target, Journey.AUTHORIZE) for target in targets])
            return outcomes, peer.heads

    outcomes, heads = run(main())
    assert [outcome.target for outcome in outcomes] == [f"t{n}" for n in range(30)]
    assert {outcome.reason.value for outcome in outcomes} == {"not_a_flow"}
    sent = {head.split(b" ")[1].split(b"/")[1]: head for head in heads}
    for number, outcome in enumerate(outcomes):
        assert outcome.transaction_id.encode() in sent[str(number).encode()]


# What is left unsaid


@pytest.mark.parametrize(
    "template",
    [
        "HTTP/1.1 200 OK\r\nCorrelation-Id: NONCE\r\n\r\n"
        + json.dumps(a_flow(id="NONCE", resumeUrl="STATE")),
        "HTTP/1.1 200 OK\r\nCorrelation-Id: x-STATE-y\r\n\r\n" + json.dumps(a_flow(status="NONCE")),
        "HTTP/1.1 302 Found\r\nLocation: https://rp.example/?error=NONCE&state=STATE\r\n\r\n",
        'HTTP/1.1 400 NONCE\r\nRetry-After: STATE\r\n\r\n{"error": "STATE", "code": "NONCE"}',
        "HTTP/1.1 429 STATE\r\nRetry-After: NONCE\r\nDate: STATE\r\n\r\n",
        "NONCE STATE\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Encoding: NONCE\r\n\r\nSTATE",
        "HTTP/1.1 200 OK\r\nContent-Length: NONCE\r\n\r\nSTATE",
    ],
)
def test_a_provider_that_echoes_our_secrets_everywhere_gets_them_into_no_outcome_and_no_log(
    template: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    tokens = iter([SECRET + "-nonce", SECRET + "-state"])
    visited = visit(echoes(template), token=tokens.__next__)
    assert SECRET in visited.peer.heads[0].decode()
    said = [repr(visited.outcome), json.dumps(as_json(visited.outcome)), caplog.text]
    assert not any(SECRET in text for text in said)


def test_an_echo_in_place_of_a_status_is_unknown() -> None:
    step = visit(echoes("HTTP/1.1 200 OK\r\n\r\n" + json.dumps(a_flow(status="NONCE")))).step
    assert (step.reason, step.flow_status) == ("unexpected_status", UNKNOWN)


# Our own bugs


def probe_with(caplog: pytest.LogCaptureFixture, **parts: Any) -> tuple[Outcome, logging.LogRecord]:  # noqa: ANN401
    """Probe with broken parts; return the outcome and the one record that was logged."""

    async def main() -> Outcome:
        tls: Callable[[object], ssl.SSLContext] = parts.pop(
            "tls", lambda _: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        return await Prober(tls, **parts)(a_target(), Journey.AUTHORIZE)

    outcome = run(main())
    (record,) = caplog.records
    return outcome, record


def fails(*_: object) -> Any:  # noqa: ANN401  stands in for callables of any type
    raise ValueError(f"our own bug, with {SECRET} in its message")


def fails_later(_: str, _family: IpFamily) -> asyncio.Future[ResolvedName]:
    future: asyncio.Future[ResolvedName] = loop().create_future()
    future.set_exception(ValueError(f"our own bug, with {SECRET} in its message"))
    return future


@pytest.mark.parametrize(
    ("parts", "steps"),
    [({"token": fails}, 0), ({"tls": fails}, 0), ({"resolve": fails_later}, 1), ({"resolve": fails}, 1)],
    ids=["token", "tls", "resolve", "resolve at once"],
)
def test_a_bug_of_ours_becomes_an_outcome_and_one_record_with_its_traceback(
    parts: dict[str, Any], steps: int, caplog: pytest.LogCaptureFixture
) -> None:
    outcome, record = probe_with(caplog, **parts)
    assert (outcome.reason, outcome.fault) == ("internal", "exporter")
    assert (outcome.step, outcome.phase) == ("authorize", Phase.RESOLVE)
    assert len(outcome.steps) == steps
    assert not outcome.success
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)
    said = {name: value for name, value in vars(record).items() if name not in {"exc_info", "exc_text"}}
    assert SECRET not in repr(said)
    assert SECRET not in repr(outcome)


def test_a_shortage_of_ours_is_logged_by_its_name_and_is_no_bug(caplog: pytest.LogCaptureFixture) -> None:
    def resolve(_: str, _family: IpFamily) -> asyncio.Future[ResolvedName]:
        raise OSError(errno.EMFILE, SECRET)

    outcome, record = probe_with(caplog, resolve=resolve)
    assert (outcome.reason, outcome.fault) == ("internal", "exporter")
    assert record.getMessage() == "exchange failed: resource exhausted"
    assert (vars(record)["step"], vars(record)["errno"]) == ("authorize", "EMFILE")
    assert record.exc_info is None
    assert SECRET not in repr(vars(record))


def test_a_failure_of_the_target_is_a_value_and_not_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> Outcome:
        return await Prober(no_tls, resolve=not_resolving)(a_target(), Journey.AUTHORIZE)

    outcome = run(main())
    assert (outcome.reason, outcome.fault, outcome.phase) == ("dns", "network", "resolve")
    assert not caplog.records


@pytest.mark.parametrize("absolute", ["idp.example", "rp.example"])
def test_only_a_host_that_is_absolute_is_resolved_without_search_domains(absolute: str) -> None:
    resolved: list[str] = []

    def resolve(name: str, family: IpFamily) -> asyncio.Future[ResolvedName]:
        resolved.append(name)
        return not_resolving(name, family)

    async def main() -> Outcome:
        target = a_target(source_url="https://idp.example/x", absolute_hosts=(absolute,))
        return await Prober(no_tls, resolve=resolve)(target, Journey.AUTHORIZE)

    run(main())
    assert resolved == ["idp.example." if absolute == "idp.example" else "idp.example"]


def test_an_exchange_that_ended_in_nothing_at_all_is_our_bug() -> None:
    step = Step("authorize", Request("GET", "https://idp.example/"), JUDGE, ())
    verdict = evaluate(Exchange(), step)
    assert (verdict.reason, verdict.fault) == ("internal", "exporter")
