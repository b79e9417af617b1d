"""Which outcomes are logged, at which level, and with which facts."""

from __future__ import annotations

import json

import pytest
from observing import logfmt
from observing.examples import START, a_failure, a_step, a_success
from observing.federation import a_sign_on
from observing.logs import written

from exporter.observing import LogObserver
from exporter.outcome import Outcome, Phase, as_json
from exporter.reasons import Fault, Reason, reason_text
from exporter.target import Journey

A_TIMEOUT = a_failure(Reason.TIMEOUT, Fault.PROVIDER, Phase.PROCESSING)


def logged(*outcomes: Outcome, level: str = "info") -> list[dict[str, str]]:
    def observe() -> None:
        observer = LogObserver()
        for outcome in outcomes:
            observer.observe(outcome)

    return [logfmt.read(line) for line in written(observe, level=level)]


def test_each_change_of_reason_is_one_line() -> None:
    outcomes = (
        a_success(),
        a_success(),
        a_failure(),
        a_failure(),
        A_TIMEOUT,
        A_TIMEOUT,
        a_success(),
        a_success(),
    )
    assert [
        (line["level"], line["msg"], line["reason"], line.get("previous_reason"))
        for line in logged(*outcomes)
    ] == [
        ("info", "target up", "ok", None),
        ("warning", "target down", "connect", "ok"),
        ("warning", "target down", "timeout", "connect"),
        ("info", "target recovered", "ok", "timeout"),
    ]


def test_an_inconclusive_probe_is_neither_down_nor_followed_by_a_recovery() -> None:
    limited = a_failure(Reason.RATE_LIMITED, Fault.QUOTA, Phase.TRANSFER)
    lines = logged(a_success(), limited, a_success(), a_failure(), limited, a_success(), limited, a_success())
    assert [line["msg"] for line in lines] == [
        "target up",
        "probe inconclusive",
        "target up",
        "target down",
        "probe inconclusive",
        "target recovered",
        "probe inconclusive",
        "target up",
    ]


def test_an_incomplete_probe_is_not_a_recovery() -> None:
    early = a_success(incomplete=True)
    lines = logged(early, early, a_success(), a_failure(), early, a_success())
    assert [line["msg"] for line in lines] == [
        "probe incomplete",
        "target up",
        "target down",
        "probe incomplete",
        "target recovered",
    ]
    assert lines[0]["incomplete"] == "true"


def test_a_failure_is_summarized_in_the_words_of_the_pages() -> None:
    (line,) = logged(A_TIMEOUT)
    assert line["summary"] == reason_text(Reason.TIMEOUT, Fault.PROVIDER)
    assert "summary" not in logged(a_success())[0]


def test_at_debug_every_probe_is_one_line() -> None:
    outcomes = (a_success(), a_success(), a_failure(), a_failure(), a_success())
    assert [line["level"] for line in logged(*outcomes, level="debug")] == [
        "info", "debug", "warning", "debug", "info"
    ]  # fmt: skip


def test_targets_change_independently() -> None:
    lines = logged(a_success(), a_success(target="apac"), a_failure(target="apac"), a_success())
    assert [(line["target"], line["reason"]) for line in lines] == [
        ("emea", "ok"), ("apac", "ok"), ("apac", "connect")
    ]  # fmt: skip


def test_another_fault_of_the_same_reason_is_not_logged() -> None:
    assert len(logged(A_TIMEOUT, a_failure(Reason.TIMEOUT, Fault.NETWORK, Phase.CONNECT))) == 1


def test_a_line_has_all_facts_of_the_probe() -> None:
    (line,) = logged(a_success())
    del line["ts"]
    assert line == {
        "level": "info",
        "msg": "target up",
        "target": "emea",
        "journey": "authorize",
        "success": "true",
        "reason": "ok",
        "fault": "none",
        "step": "authorize",
        "phase": "transfer",
        "started_at": "2025-11-22T14:00:00.000Z",
        "duration_seconds": "0.3",
        "transaction_id": "tx-1",
        "resolve_seconds": "0.01",
        "connect_seconds": "0.02",
        "tls_seconds": "0.03",
        "processing_seconds": "0.2",
        "transfer_seconds": "0.04",
        "http_status_code": "200",
        "flow_status": "USERNAME_PASSWORD_REQUIRED",
        "correlation_id": "corr-1",
        "address": "192.0.2.7",
    }


def test_what_is_unknown_is_absent() -> None:
    (line,) = logged(a_failure(steps=()))
    assert not {"http_status_code", "flow_status", "correlation_id", "address", "steps"} & line.keys()


def test_json_has_the_public_shape_of_an_outcome() -> None:
    outcome = a_failure(steps=(a_step(error_codes=("invalid_scope", "OTHER")),), started_at=START)
    (text,) = written(lambda: LogObserver().observe(outcome), style="json")
    line = json.loads(text)
    assert [line.pop(name) for name in ("level", "msg")] == ["warning", "target down"]
    del line["ts"], line["summary"]
    assert line == as_json(outcome)


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_whatever_a_provider_sends_is_one_line(style: str) -> None:
    step = a_step(flow_status='A\nlevel=error msg="forged"', address="\x1b[2J", error_codes=("\r", "=", " "))
    assert len(written(lambda: LogObserver().observe(a_success(steps=(step,))), style=style)) == 1


def test_a_forgotten_target_is_logged_as_a_new_one() -> None:
    def observe() -> None:
        observer = LogObserver()
        observer.observe(a_failure())
        observer.forget("emea", Journey.AUTHORIZE)
        observer.forget("emea", Journey.AUTHORIZE)
        observer.observe(a_failure())
        observer.forget("emea", Journey.AUTHORIZE)
        observer.observe(a_success())

    lines = [logfmt.read(line) for line in written(observe)]
    assert [(line["msg"], line.get("previous_reason")) for line in lines] == [
        ("target down", None),
        ("target down", None),
        ("target up", None),
    ]


# Federations


def test_a_federation_is_logged_with_step_and_side_and_again_when_another_step_fails() -> None:
    def rejected(reached: int) -> Outcome:
        return a_sign_on(reached, reason=Reason.TIMEOUT, fault=Fault.PROVIDER)

    lines = logged(a_sign_on(4), a_sign_on(), rejected(7), rejected(7), rejected(11), a_sign_on())
    assert [(line["msg"], line["step"], line["side"], line.get("previous_step")) for line in lines] == [
        ("target up", "source_authorize", "source", None),
        ("target down", "callback", "destination", None),
        ("target down", "token", "destination", "callback"),
        ("target recovered", "token", "destination", None),
    ]
