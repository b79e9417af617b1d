"""The same facts as JSON."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from observing.examples import START, a_failure, a_step, a_success, a_target
from observing.strategies import outcomes
from serving.examples import NOW, a_past, a_watched, at_once, bad, good, made

from exporter.outcome import Outcome, as_json
from exporter.reasons import Fault, Reason
from exporter.serving import Egress, Past, Watched
from exporter.serving.api import target_as_json, targets_as_json


def all_of(*watched: Watched, external_url: str | None = None) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(made(targets_as_json([*watched], NOW, external_url, at_once)))
    return document


def one(*pasts: Past) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(made(target_as_json(pasts, NOW, None, at_once)))
    return document


def test_all_targets_are_told_with_the_headline_and_the_time() -> None:
    document = all_of(bad("a"), good("b"))
    assert document["generated_at"] == "2025-11-22T14:04:00.000Z"
    assert document["headline"].startswith("1 of 2 federations fails; ")
    assert [target["target"] for target in document["targets"]] == ["a", "b"]


def test_a_target_is_told_with_all_that_the_page_shows_and_its_last_outcome_in_the_one_shape() -> None:
    last = a_failure(Reason.DNS, ended_at=START)
    target = a_target(labels=(("owner", "identity"),))
    (told,) = all_of(
        a_watched(last, target=target, held_until=NOW + 60, in_a_row=3, expiry=NOW + 86_400),
        external_url="https://exporter.example",
    )["targets"]
    assert told == {
        "target": "emea",
        "journey": "authorize",
        "url": "https://exporter.example/targets/emea",
        "source_environment_id": target.source_environment_id,
        "destination_environment_id": target.destination_environment_id,
        "client_id": target.client_id,
        "auth_host": "auth.pingone.eu",
        "labels": {"owner": "identity"},
        "interval_seconds": 60.0,
        "timeout_seconds": 10.0,
        "latency_objective_seconds": 2.0,
        "expected_statuses": ["USERNAME_PASSWORD_REQUIRED"],
        "standing": "failing",
        "state": "failing",
        "since": "2025-11-22T14:00:00.000Z",
        "in_a_row": 3,
        "reason": "dns",
        "fault": "network",
        "finding": "dns, the name does not resolve",
        "next_run": "2025-11-22T14:04:12.000Z",
        "held_until": "2025-11-22T14:05:00.000Z",
        "certificate_not_after": "2025-11-23T14:04:00.000Z",
        "last": as_json(last),
    }


def test_what_the_last_flow_says_of_itself_is_told_beside_the_outcome() -> None:
    step = a_step(lifetime=900.0, clock_skew=-0.25, clock_skew_error=0.125)
    told = all_of(a_watched(a_success(steps=(step,))))["targets"][0]
    assert (told["lifetime_seconds"], told["clock_skew_seconds"]) == (900.0, -0.25)
    assert told["clock_skew_error_seconds"] == 0.125


def test_what_is_unknown_is_absent() -> None:
    (told,) = all_of(a_watched(next_run=None))["targets"]
    assert set(told) == {
        "target",
        "journey",
        "source_environment_id",
        "destination_environment_id",
        "client_id",
        "auth_host",
        "interval_seconds",
        "timeout_seconds",
        "latency_objective_seconds",
        "expected_statuses",
        "standing",
    }


def test_without_targets_the_list_is_empty() -> None:
    assert all_of()["targets"] == []


def test_a_target_is_told_with_its_last_outcomes_and_its_last_failures_newest_first() -> None:
    failure, success = a_failure(transaction_id="1"), a_success(transaction_id="2")
    document = one(a_past(failure, success))
    assert document["target"] == "emea"
    (journey,) = document["journeys"]
    assert journey["recent"] == [as_json(success), as_json(failure)]
    assert journey["failures"] == [as_json(failure)]
    assert journey["state"] == "succeeding"


def test_journeys_are_told_one_after_another() -> None:
    first, second = one(a_past(a_success()), a_past())["journeys"]
    assert len(first["recent"]) == 1
    assert (second["recent"], second["failures"]) == ([], [])


def test_a_rate_limit_leaves_the_state_and_is_the_last_outcome_all_the_same() -> None:
    refused = a_failure(Reason.RATE_LIMITED, Fault.QUOTA)
    (told,) = all_of(a_watched(a_success(), refused))["targets"]
    assert told["state"] == "succeeding"
    assert told["last"]["reason"] == "rate_limited"


def test_why_a_target_fails_is_told_also_when_its_last_probe_says_nothing_of_it() -> None:
    refused = a_failure(Reason.RATE_LIMITED, Fault.QUOTA)
    (told,) = all_of(a_watched(a_failure(Reason.DNS), refused))["targets"]
    assert (told["standing"], told["reason"], told["fault"]) == ("failing", "dns", "network")
    assert told["last"]["reason"] == "rate_limited"


def test_what_the_own_egress_check_says_is_told_with_all_targets_and_with_one() -> None:
    down, watched = Egress(up=False, since=START), a_watched(a_failure())
    everything = json.loads(made(targets_as_json([watched], NOW, None, at_once, egress=down)))
    assert everything["headline"].startswith("The exporter itself reaches nobody: ")
    only = json.loads(made(target_as_json([a_past(a_failure())], NOW, None, at_once, egress=down)))
    assert everything["egress"] == only["egress"] == {"up": False, "since": "2025-11-22T14:00:00.000Z"}
    assert "egress" not in all_of(watched)


def test_what_may_name_a_person_or_hold_a_password_is_not_told() -> None:
    target = a_target(login_hint="jane@example.com", proxy_url="http://user:secret@proxy:3128")
    text = made(targets_as_json([a_watched(a_success(), target=target)], NOW, None, at_once))
    assert b"jane" not in text
    assert b"secret" not in text


@given(st.lists(outcomes(), max_size=3))
def test_any_outcomes_are_told_as_valid_json(history: list[Outcome]) -> None:
    (journey,) = one(a_past(*history))["journeys"]
    assert len(journey["recent"]) == len(history)
