"""Why a probe ended as it did, in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from observing.examples import START, a_certificate, a_failure, a_step, a_success
from observing.strategies import outcomes

from exporter.outcome import Outcome, Phase
from exporter.reasons import FAULTS, Fault, Reason
from exporter.serving.words import clause, finding, status

PAIRS = [(reason, fault) for reason, faults in FAULTS.items() for fault in faults if reason is not Reason.OK]


def ended(reason: Reason, fault: Fault, phase: Phase = Phase.TRANSFER, **facts: Any) -> Outcome:  # noqa: ANN401  any field of a record
    step = a_step(**{"reason": reason, "phase": phase, "http_status_code": None, "flow_status": None} | facts)
    return a_failure(reason, fault, phase, steps=(step,))


@pytest.mark.parametrize(("reason", "fault"), PAIRS)
def test_every_pair_of_reason_and_fault_has_words_of_its_own(reason: Reason, fault: Fault) -> None:
    outcome = ended(reason, fault)
    assert finding(outcome).startswith(f"{reason}, ")
    assert len(finding(outcome)) > len(f"{reason}, ")
    others = {clause(ended(*pair)) for pair in PAIRS if pair[0] is not reason}
    assert clause(outcome) not in others - {"answers an error"}


def test_a_success_is_ok() -> None:
    assert finding(a_success()) == "ok"


@pytest.mark.parametrize(
    ("outcome", "found", "told"),
    [
        (
            ended(Reason.TLS, Fault.PROVIDER, Phase.TLS, tls=a_certificate(START - 1)),
            "tls, certificate expired",
            "has an expired certificate",
        ),
        (
            ended(Reason.TLS, Fault.PROVIDER, Phase.TLS, tls=a_certificate(START + 1000)),
            "tls, certificate not yet valid, or for another name",
            "has a certificate that is not valid for it",
        ),
        (
            ended(Reason.TIMEOUT, Fault.NETWORK, Phase.CONNECT),
            "timeout, no connection in time",
            "accepts no connection in time",
        ),
        (ended(Reason.TIMEOUT, Fault.PROVIDER, Phase.PROCESSING), "timeout, no answer in time", "times out"),
        (
            ended(
                Reason.SERVER_ERROR, Fault.PROVIDER, http_status_code=503, error_codes=("UNEXPECTED_ERROR",)
            ),
            "server_error, answered 503 (UNEXPECTED_ERROR)",
            "answers 503",
        ),
        (
            ended(Reason.CLIENT_ERROR, Fault.CONFIGURATION, http_status_code=404),
            "client_error, answered 404",
            "answers 404",
        ),
        (
            ended(Reason.OAUTH_ERROR, Fault.CONFIGURATION, error_codes=("NOT_FOUND", "INVALID_VALUE")),
            "oauth_error, NOT_FOUND, INVALID_VALUE",
            "refuses the request (NOT_FOUND, INVALID_VALUE)",
        ),
        (
            ended(Reason.BLOCKED, Fault.NETWORK, http_status_code=403),
            "blocked, 403 of a firewall or allow-list",
            "is behind something that blocks us (403)",
        ),
        (
            ended(Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION, flow_status="SIGN_ON_REQUIRED"),
            "unexpected_status, SIGN_ON_REQUIRED came back",
            "answers the unexpected SIGN_ON_REQUIRED",
        ),
        (
            ended(Reason.FLOW_FAILED, Fault.PROVIDER, error_codes=("server_error",)),
            "flow_failed, the flow failed (server_error)",
            "lets flows fail",
        ),
        (
            ended(Reason.RATE_LIMITED, Fault.QUOTA, http_status_code=429),
            "rate_limited, too many requests",
            "limits our rate",
        ),
    ],
)
def test_what_is_known_is_told(outcome: Outcome, found: str, told: str) -> None:
    assert (finding(outcome), clause(outcome)) == (found, told)


def test_a_certificate_of_which_nothing_is_known_may_be_wrong_in_any_way() -> None:
    refused = ended(Reason.TLS, Fault.PROVIDER, Phase.TLS)
    assert finding(refused) == "tls, certificate expired, not yet valid or for another name"


def test_what_another_probe_saw_of_the_certificate_helps_those_that_did_not_look() -> None:
    refused = ended(Reason.TLS, Fault.PROVIDER, Phase.TLS)
    assert finding(refused, START - 1) == "tls, certificate expired"
    assert finding(refused, START + 1000) == "tls, certificate not yet valid, or for another name"
    looked = ended(Reason.TLS, Fault.PROVIDER, Phase.TLS, tls=a_certificate(START - 1))
    assert finding(looked, START + 1000) == "tls, certificate expired"
    assert clause(refused, START - 1) == "has an expired certificate"


def test_the_last_status_is_code_and_flow_status_as_far_as_there_are_any() -> None:
    assert status(a_success()) == "200 USERNAME_PASSWORD_REQUIRED"
    assert status(a_success(steps=(a_step(flow_status=None),))) == "200"
    assert status(a_failure()) == "no response"
    assert status(a_failure(steps=())) == "no response"


@given(outcomes())
def test_any_outcome_has_words(outcome: Outcome) -> None:
    assert finding(outcome)
    assert status(outcome)
    assert outcome.success or clause(outcome)
