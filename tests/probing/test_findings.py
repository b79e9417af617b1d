"""What is kept of an exchange: trusted fields, and facts that only a healthy flow has."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from probing.examples import EXPECTATION, STATUS, a_flow

from exporter.outcome import CHECKS, Phase, StepRecord, TlsFacts
from exporter.probing.findings import evaluate, step_record
from exporter.probing.judge import judge
from exporter.probing.messages import Answer, Expectation, Request, Step
from exporter.probing.transport import Exchange
from exporter.reasons import Fault, Reason

CREATED = 1776714849.271
"""a_flow()'s createdAt."""
DATE = "Mon, 20 Apr 2026 19:54:09 GMT"
SECRET = "planted-secret"
DENIED = Answer(407, b"<h1>Proxy Authentication Required</h1>")
TLS = TlsFacts(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", not_after=2e9)


def a_step(expectation: Expectation = EXPECTATION) -> Step:
    return Step(
        "authorize",
        Request("GET", "https://idp.example/"),
        partial(judge, expectation=expectation),
        (SECRET,),
    )


def an_answer(document: object, code: int = 200, **head: str) -> Answer:
    headers = {name.replace("_", "-"): value for name, value in head.items()}
    return Answer(code, json.dumps(document).encode(), headers)


def an_exchange(answer: Answer | None = None, **changes: Any) -> Exchange:  # noqa: ANN401  any field
    """Return an exchange with a request sent at 101 and answered at 102 by the event loop's clock."""
    phases = {Phase.RESOLVE: 0.25, Phase.CONNECT: 0.75, Phase.PROCESSING: 1.0}
    known = {"phase": Phase.TRANSFER, "phases": phases, "answer": answer, "sent": 101.0, "received": 102.0}
    return Exchange(**known | {"address": "::1"} | changes)


def recorded(answer: Answer, *, offset: float = 0.0) -> StepRecord:
    """Return the record of an answer."""
    exchange, step = an_exchange(answer), a_step()
    return step_record(exchange, step, evaluate(exchange, step), offset, TLS, step.secrets)


# Trusted fields


@pytest.mark.parametrize("answer", [DENIED, an_answer(a_flow(), 407), an_answer({"error": "x"}, 407)])
def test_a_407_is_the_proxys_word_where_there_is_a_proxy(answer: Answer) -> None:
    verdict = evaluate(an_exchange(answer, proxied=True), a_step())
    assert (verdict.reason, verdict.fault) == (Reason.PROXY, Fault.NETWORK)
    assert verdict.error_codes == ()


@pytest.mark.parametrize("code", [200, 302, 400, 401, 403, 429, 502, 503, 504])
def test_any_other_answer_by_way_of_a_proxy_is_judged_as_any_other(code: int) -> None:
    exchange = an_exchange(an_answer(a_flow(), code))
    assert evaluate(replace(exchange, proxied=True), a_step()) == evaluate(exchange, a_step())


def test_a_failure_counts_more_than_the_head_of_an_answer() -> None:
    exchange = an_exchange(Answer(200), error=ConnectionResetError())
    verdict = evaluate(exchange, a_step())
    assert (verdict.reason, verdict.fault) == (Reason.PROTOCOL, Fault.PROVIDER)


def test_a_429_is_one_by_its_head_alone_whatever_becomes_of_its_body() -> None:
    exchange = an_exchange(Answer(429), error=ConnectionResetError())
    verdict = evaluate(exchange, a_step())
    assert (verdict.reason, verdict.fault) == (Reason.RATE_LIMITED, Fault.QUOTA)


def test_a_peer_that_we_kept_waiting_may_hang_up() -> None:
    exchange = an_exchange(error=ConnectionResetError(), closed_by_peer=True, own_delay=1.5)
    verdict = evaluate(exchange, a_step())
    assert (verdict.reason, verdict.fault) == (Reason.INTERNAL, Fault.EXPORTER)
    exchange.own_delay = 0.5
    assert evaluate(exchange, a_step()).reason is Reason.PROTOCOL


# What is known of a healthy flow


def test_a_healthy_flow_is_recorded_with_its_checks_its_lifetime_and_its_clock() -> None:
    found = recorded(an_answer(a_flow()), offset=CREATED - 101.5)
    assert found.reason is Reason.OK
    assert found.phase is Phase.TRANSFER
    assert found.flow_status == STATUS
    assert found.checks == dict.fromkeys(CHECKS, True)
    assert found.lifetime == 900.0
    assert found.clock_skew == pytest.approx(0.0005, abs=1e-6)
    assert found.clock_skew_error == pytest.approx(0.5005, abs=1e-6)
    assert found.address == "::1"
    assert found.tls is TLS


@pytest.mark.parametrize("ahead", [-7200.0, 90.0])
def test_the_skew_is_against_our_wall_clock_at_the_start_of_the_probe(ahead: float) -> None:
    found = recorded(an_answer(a_flow()), offset=CREATED - 101.5 - ahead)
    assert found.clock_skew == pytest.approx(ahead, abs=0.001)


def test_a_flow_without_createdat_is_timed_by_its_date_header() -> None:
    answer = an_answer(a_flow(createdAt=None), date=DATE)
    found = recorded(answer, offset=CREATED - 0.271 - 101.5)
    assert found.lifetime is None
    assert found.clock_skew == pytest.approx(0.5, abs=1e-6)
    assert found.clock_skew_error == pytest.approx(1.0, abs=1e-6)


def test_a_flow_that_an_earlier_step_created_is_timed_by_its_date_header() -> None:
    """Of `destination_lookup`, and of a flow that a redirect led to, createdAt is before the request."""
    asked = Request("POST", "https://idp.example/0a1b/flows/1c2f")
    later = a_flow(createdAt="2026-04-20T19:50:09.271Z")
    for answer, skew in ((an_answer(later, date=DATE), 0.5), (an_answer(later), None)):
        exchange, step = an_exchange(answer), replace(a_step(), request=asked)
        verdict = evaluate(exchange, step)
        found = step_record(exchange, step, verdict, CREATED - 0.271 - 101.5, TLS, step.secrets)
        assert found.clock_skew == (None if skew is None else pytest.approx(skew, abs=1e-6))


def test_a_flow_without_its_creation_time_has_no_skew() -> None:
    found = recorded(an_answer(a_flow(createdAt=None)))
    assert found.checks
    assert found.clock_skew is None
    assert found.clock_skew_error is None


@pytest.mark.parametrize(
    "answer",
    [
        an_answer({}, date=DATE),
        an_answer(a_flow(status="FAILED"), date=DATE),
        an_answer(a_flow(environment={"id": "another"}), date=DATE),
        an_answer(a_flow(), 503, date=DATE),
    ],
    ids=["no flow", "failed", "another environment", "503"],
)
def test_only_a_healthy_flow_has_contract_lifetime_and_clock(answer: Answer) -> None:
    found = recorded(answer)
    assert found.reason is not Reason.OK
    assert found.checks == {}
    assert found.lifetime is None
    assert found.clock_skew is None
    assert found.clock_skew_error is None
