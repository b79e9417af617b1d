"""The closed sets and the one JSON shape that every room and every dashboard relies on."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.outcome import (
    KNOWN_STATUSES,
    Outcome,
    Phase,
    SkipCause,
    StepRecord,
    as_json,
    rfc3339,
)
from exporter.reasons import FAULTS, Fault, Reason, pairs_of, reason_text
from exporter.target import Journey

BARE = StepRecord(step="authorize", reason=Reason.DNS, phase=Phase.RESOLVE, phases={})
FULL = StepRecord(
    step="authorize",
    reason=Reason.OAUTH_ERROR,
    phase=Phase.TRANSFER,
    phases={Phase.RESOLVE: 0.00123449, Phase.CONNECT: 0.25, Phase.TRANSFER: 1e-9},
    host="auth.pingone.eu:443",
    detail="400 with error INVALID_DATA, INVALID_VALUE from auth.pingone.eu:443",
    http_status_code=400,
    flow_status="FAILED",
    error_codes=("INVALID_DATA", "INVALID_VALUE"),
    correlation_id="4f1c-9b",
    address="192.0.2.7",
)
OUTCOME = Outcome(
    target="corporate",
    journey=Journey.AUTHORIZE,
    reason=Reason.OAUTH_ERROR,
    fault=Fault.CONFIGURATION,
    step="authorize",
    phase=Phase.TRANSFER,
    started_at=1_776_714_849.271,
    ended_at=1_776_714_850.0,
    duration=0.2512345678,
    transaction_id="3b1f6d1e-2c7a-4d0b-9f1f-6a0d0c9a7e55",
    steps=(BARE, FULL),
)


def test_every_reason_has_its_faults_and_each_journey_its_pairs() -> None:
    assert set(FAULTS) == set(Reason)
    assert {pair for journey in Journey for pair in pairs_of(journey)} == {
        (reason, fault) for reason, faults in FAULTS.items() for fault in faults
    }
    assert all(len(set(faults)) == len(faults) > 0 for faults in FAULTS.values())


def test_every_fault_has_a_reason_and_only_ok_has_none() -> None:
    assert {fault for faults in FAULTS.values() for fault in faults} == set(Fault)
    assert [reason for reason, faults in FAULTS.items() if Fault.NONE in faults] == [Reason.OK]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (Phase, "resolve connect tls processing transfer"),
        (Fault, "none network provider configuration quota exporter account"),
        (SkipCause, "overrun missed backoff cancelled"),
        (Journey, "authorize federation discovery"),
    ],
)
def test_the_words_that_become_label_values_are_public_and_stay(
    members: type[Phase | Fault | SkipCause | Journey], words: str
) -> None:
    assert [member.value for member in members] == words.split()
    assert [str(member) for member in members] == words.split(), "how a label renders"


def test_the_known_statuses_are_pingones_and_ours() -> None:
    assert len(KNOWN_STATUSES) == 24
    assert {"USERNAME_PASSWORD_REQUIRED", "COMPLETED", "FAILED", "DAVINCI"} < KNOWN_STATUSES
    assert {"MULTI_FACTOR_AUTHENTICATION_REQUIRED", "COMPLETED_ACCEPTED"} < KNOWN_STATUSES
    assert "UNKNOWN" not in KNOWN_STATUSES


@pytest.mark.parametrize("reason", list(Reason))
def test_ok_is_the_only_success(reason: Reason) -> None:
    outcome = replace(OUTCOME, reason=reason, fault=FAULTS[reason][0])
    assert outcome.success is (reason is Reason.OK)


@pytest.mark.parametrize("fault", list(Fault))
def test_quota_and_exporter_say_nothing_about_the_target(fault: Fault) -> None:
    assert replace(OUTCOME, fault=fault).conclusive is fault.is_conclusive


def test_the_public_json_shape_is_this_one_and_what_is_unknown_is_absent() -> None:
    assert as_json(OUTCOME) == {
        "target": "corporate",
        "journey": "authorize",
        "success": False,
        "reason": "oauth_error",
        "fault": "configuration",
        "step": "authorize",
        "phase": "transfer",
        "started_at": "2026-04-20T19:54:09.271Z",
        "duration_seconds": 0.251235,
        "transaction_id": "3b1f6d1e-2c7a-4d0b-9f1f-6a0d0c9a7e55",
        "steps": [
            {"step": "authorize", "reason": "dns", "phases": {}},
            {
                "step": "authorize",
                "reason": "oauth_error",
                "detail": "400 with error INVALID_DATA, INVALID_VALUE from auth.pingone.eu:443",
                "host": "auth.pingone.eu:443",
                "phases": {"resolve": 0.001234, "connect": 0.25, "transfer": 0.0},
                "http_status_code": 400,
                "flow_status": "FAILED",
                "error_codes": ["INVALID_DATA", "INVALID_VALUE"],
                "correlation_id": "4f1c-9b",
                "address": "192.0.2.7",
            },
        ],
    }


def test_the_detail_of_an_outcome_is_that_of_the_step_in_which_it_ended() -> None:
    assert OUTCOME.detail == FULL.detail
    assert replace(OUTCOME, steps=(FULL, BARE)).detail is None
    assert replace(OUTCOME, steps=()).detail is None


def test_unreliable_durations_are_marked() -> None:
    assert as_json(replace(OUTCOME, stalled=True))["stalled"] is True
    assert "stalled" not in as_json(OUTCOME)


def test_the_json_shape_is_made_of_plain_values() -> None:
    assert json.loads(json.dumps(as_json(OUTCOME))) == as_json(OUTCOME)
    assert type(as_json(OUTCOME)["reason"]) is str


@pytest.mark.parametrize(
    ("timestamp", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000Z"),
        (1_776_714_849.271, "2026-04-20T19:54:09.271Z"),
        (1_776_714_849.9999, "2026-04-20T19:54:09.999Z"),
    ],
)
def test_timestamps_are_rfc_3339_in_utc_to_the_millisecond(timestamp: float, text: str) -> None:
    assert rfc3339(timestamp) == text


@given(st.floats(0, 4e9))
def test_every_timestamp_has_the_same_shape(timestamp: float) -> None:
    assert len(rfc3339(timestamp)) == len("2026-04-20T19:54:09.271Z")
    assert rfc3339(timestamp).endswith("Z")


def test_observers_cannot_change_an_outcome() -> None:
    with pytest.raises(FrozenInstanceError):
        OUTCOME.reason = Reason.OK  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        FULL.step = "other"  # type: ignore[misc]


def test_every_pair_of_reason_and_fault_has_a_short_text_of_its_own() -> None:
    texts = [reason_text(reason, fault) for reason, faults in FAULTS.items() for fault in faults]
    assert len(set(texts)) == len(texts)
    assert all(0 < len(text) <= 50 for text in texts)
    assert reason_text(Reason.OK, Fault.NONE) == "ok"
    with pytest.raises(KeyError):
        reason_text(Reason.OK, Fault.NETWORK)
