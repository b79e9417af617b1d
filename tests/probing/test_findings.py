"""What is kept of an exchange: whose words count, and what is known only of a healthy flow."""

from __future__ import annotations

import json
import logging

import httpx
import pytest
from probing.examples import EXPECTATION, STATUS, a_flow

from exporter.outcome import CHECKS, UNKNOWN, Phase, StepRecord, TlsFacts
from exporter.probing.answer import Answer
from exporter.probing.exchange import Exchange
from exporter.probing.failure import DeadlineError
from exporter.probing.findings import find, record
from exporter.probing.step import Expectation, Request, Step
from exporter.probing.timeline import (
    BODY_COMPLETE,
    CONNECT_COMPLETE,
    CONNECT_STARTED,
    HEADERS_COMPLETE,
    RESOLVE_COMPLETE,
    RESOLVE_STARTED,
    SEND_COMPLETE,
    SEND_STARTED,
    Mark,
)
from exporter.reasons import Fault, Reason

CREATED = 1776714849.271
"""a_flow()'s createdAt."""
DATE = "Mon, 20 Apr 2026 19:54:09 GMT"
SECRET = "planted-secret"
DENIED = Answer(407, b"<h1>Proxy Authentication Required</h1>")
TLS = TlsFacts(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", not_after=2e9)


def a_step(expectation: Expectation = EXPECTATION) -> Step:
    return Step("authorize", Request("GET", "https://idp.example/"), expectation, (SECRET,))


def an_answer(document: object, code: int = 200, **head: str) -> Answer:
    return Answer(code, json.dumps(document).encode(), **head)  # type: ignore[arg-type]


def marks(sent: float = 101.0, all_sent: float = 101.0, received: float = 102.0) -> tuple[Mark, ...]:
    return (
        Mark(RESOLVE_STARTED, 100.0),
        Mark(RESOLVE_COMPLETE, 100.25),
        Mark(CONNECT_STARTED, 100.25),
        Mark(CONNECT_COMPLETE, 101.0),
        Mark(SEND_STARTED, sent),
        Mark(SEND_COMPLETE, all_sent),
        Mark(HEADERS_COMPLETE, received),
        Mark(BODY_COMPLETE, received),
    )


def recorded(answer: Answer, *, taken: tuple[Mark, ...] | None = None, offset: float = 0.0) -> StepRecord:
    """Return the record of an answer."""
    taken = marks() if taken is None else taken
    exchange = Exchange(marks=taken, ended=taken[-1].at if taken else 0.0, answer=answer, address="::1")
    step = a_step()
    return record(exchange, step, find(exchange, step), wall_offset=offset, tls=TLS)


# Whose words count


@pytest.mark.parametrize("answer", [DENIED, an_answer(a_flow(), 407), an_answer({"error": "x"}, 407)])
def test_a_407_is_the_proxys_word_where_there_is_a_proxy(answer: Answer) -> None:
    verdict = find(Exchange(marks=marks(), ended=102.0, answer=answer), a_step(), proxied=True)
    assert (verdict.reason, verdict.fault) == (Reason.PROXY, Fault.NETWORK)
    assert verdict.error_codes == ()


def test_a_407_without_a_proxy_is_the_providers_own() -> None:
    verdict = find(Exchange(marks=marks(), ended=102.0, answer=DENIED), a_step())
    assert (verdict.reason, verdict.fault) == (Reason.CLIENT_ERROR, Fault.CONFIGURATION)


@pytest.mark.parametrize("code", [200, 302, 400, 401, 403, 429, 502, 503, 504])
def test_any_other_answer_by_way_of_a_proxy_is_judged_as_any_other(code: int) -> None:
    exchange = Exchange(marks=marks(), ended=102.0, answer=an_answer(a_flow(), code))
    assert find(exchange, a_step(), proxied=True) == find(exchange, a_step())


def test_a_failure_counts_more_than_the_head_of_an_answer() -> None:
    exchange = Exchange(marks=marks()[:-1], ended=102.0, answer=Answer(200), error=httpx.ReadError("reset"))
    verdict = find(exchange, a_step())
    assert (verdict.reason, verdict.fault) == (Reason.PROTOCOL, Fault.PROVIDER)


def test_a_429_is_one_by_its_head_alone_whatever_becomes_of_its_body() -> None:
    exchange = Exchange(marks=marks()[:-1], ended=102.0, answer=Answer(429), error=httpx.ReadError("reset"))
    verdict = find(exchange, a_step())
    assert (verdict.reason, verdict.fault) == (Reason.RATE_LIMITED, Fault.QUOTA)


@pytest.mark.parametrize(
    ("taken", "proxied", "finding"),
    [
        (marks()[:3], False, (Reason.CONNECT, Fault.NETWORK)),
        (marks()[:3], True, (Reason.PROXY, Fault.NETWORK)),
        (marks()[:1], False, (Reason.DNS, Fault.NETWORK)),
        (marks()[:1], True, (Reason.PROXY, Fault.NETWORK)),
        (marks()[:5], True, (Reason.PROTOCOL, Fault.PROVIDER)),
    ],
)
def test_name_and_connection_belong_to_the_proxy_where_there_is_one(
    taken: tuple[Mark, ...],
    proxied: bool,  # noqa: FBT001  a table's column
    finding: tuple[Reason, Fault],
) -> None:
    exchange = Exchange(marks=taken, ended=102.0, error=OSError("failed"))
    verdict = find(exchange, a_step(), proxied=proxied)
    assert (verdict.reason, verdict.fault) == finding


def test_a_bug_is_logged_with_its_traceback_and_a_failure_of_the_target_is_not(
    caplog: pytest.LogCaptureFixture,
) -> None:
    find(Exchange(marks=(), ended=0.0, error=DeadlineError()), a_step())
    assert not caplog.records
    bug = ValueError("ours")
    verdict = find(Exchange(marks=(), ended=0.0, error=bug), a_step())
    assert (verdict.reason, verdict.fault) == (Reason.INTERNAL, Fault.EXPORTER)
    (entry,) = caplog.records
    assert entry.levelno == logging.ERROR
    assert entry.exc_info is not None
    assert entry.exc_info[1] is bug


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


def test_a_flow_that_does_not_say_when_it_was_made_tells_nothing_of_a_clock() -> None:
    found = recorded(an_answer(a_flow(createdAt=None)))
    assert found.checks
    assert found.clock_skew is None
    assert found.clock_skew_error is None


def test_a_provider_that_was_done_before_we_marked_the_request_as_sent_still_lies_within_the_bound() -> None:
    # We were held up between handing the request to the kernel and taking the time: the flow was made then.
    taken = marks(sent=101.0, all_sent=141.0, received=141.001)
    found = recorded(an_answer(a_flow()), taken=taken, offset=CREATED - 101.1)
    assert found.clock_skew is not None
    assert found.clock_skew_error is not None
    assert abs(found.clock_skew) <= found.clock_skew_error


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
def test_what_is_no_healthy_flow_tells_nothing_of_contract_lifetime_and_clock(answer: Answer) -> None:
    found = recorded(answer)
    assert found.reason is not Reason.OK
    assert found.checks == {}
    assert found.lifetime is None
    assert found.clock_skew is None
    assert found.clock_skew_error is None


def test_nothing_that_was_not_seen_is_recorded() -> None:
    exchange = Exchange(marks=marks()[:1], ended=100.0, error=DeadlineError())
    step = a_step()
    found = record(exchange, step, find(exchange, step), wall_offset=0.0, tls=None)
    assert found == StepRecord(step="authorize", reason=Reason.TIMEOUT, phase=Phase.RESOLVE, phases={})


# What is left unsaid


def test_what_a_provider_echoes_in_place_of_an_id_or_a_status_is_not_kept() -> None:
    found = recorded(an_answer(a_flow(status=SECRET), correlation_id=f"x-{SECRET}"))
    assert found.correlation_id is None
    assert found.flow_status == UNKNOWN
    assert SECRET not in repr(found)


def test_a_correlation_id_is_kept() -> None:
    assert recorded(an_answer(a_flow(), correlation_id="4f1c-9b")).correlation_id == "4f1c-9b"
