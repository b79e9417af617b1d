"""Flows are written as documented, kept for fifteen minutes, and bounded in number."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simulator.desk import APPLICATION, ENVIRONMENT_ID, NOW, REDIRECT_URI

from exporter.outcome import KNOWN_STATUSES
from exporter.simulator import Application, SignOnPolicy, Weather
from exporter.simulator.flow import ACTIONS, FIRST_STATUS, Flow, Flows, first_status, flow_document
from exporter.simulator.urls import Urls

URLS = Urls("https://auth.pingone.com", ENVIRONMENT_ID)
FLOW_ID = "03cf5c5a-eb10-4a99-9626-ad7b50f17c80"


def flow(**changes: object) -> Flow:
    facts: dict[str, object] = {
        "id": FLOW_ID,
        "application": APPLICATION,
        "status": "USERNAME_PASSWORD_REQUIRED",
        "created_at": NOW,
        "shown_at": NOW,
        "redirect_uri": REDIRECT_URI,
    }
    return Flow(**{**facts, **changes})  # type: ignore[arg-type]  # whatever the test changes


def application(policy: SignOnPolicy) -> Application:
    return replace(APPLICATION, sign_on_policy=policy)


def test_a_login_flow_is_the_documented_answer_member_by_member_in_its_order() -> None:
    root = f"https://auth.pingone.com/{ENVIRONMENT_ID}"
    href = {"href": f"{root}/flows/{FLOW_ID}"}
    expected = {
        "_links": {
            "usernamePassword.check": href,
            "password.forgot": href,
            "self": href,
            "signOnPage": {"href": f"{root}/signon/?flowId={FLOW_ID}"},
        },
        "_embedded": {"application": {"name": "SourceApp_1776714341"}},
        "id": FLOW_ID,
        "environment": {"id": ENVIRONMENT_ID},
        "resumeUrl": f"{root}/as/resume?flowId={FLOW_ID}",
        "status": "USERNAME_PASSWORD_REQUIRED",
        "createdAt": "2026-04-20T19:54:09.271Z",
        "expiresAt": "2026-04-20T20:09:09.271Z",
    }
    document = flow_document(flow(), URLS)
    assert document == expected
    assert list(document) == list(expected)
    assert list(document["_links"]) == list(expected["_links"])


def test_a_whole_second_is_written_with_its_milliseconds() -> None:
    assert flow_document(flow(shown_at=0.0), URLS)["createdAt"] == "1970-01-01T00:00:00.000Z"


def test_a_davinci_flow_has_an_interaction_and_a_next_link_and_no_status() -> None:
    document = flow_document(flow(status="DAVINCI"), URLS)
    assert set(document) == {"_links", "interactionId"}
    assert document["interactionId"] == FLOW_ID
    assert document["_links"]["next"]["href"].startswith(
        f"https://auth.pingone.com/{ENVIRONMENT_ID}/davinci/"
    )


@pytest.mark.parametrize("status", sorted(KNOWN_STATUSES - {"DAVINCI"}))
def test_every_status_has_a_self_link_and_the_actions_that_go_with_it(status: str) -> None:
    links = flow_document(flow(status=status), URLS)["_links"]
    assert set(links) == {"self", "signOnPage", *ACTIONS.get(status, ())}


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        (SignOnPolicy.LOGIN, "USERNAME_PASSWORD_REQUIRED"),
        (SignOnPolicy.IDENTIFIER_FIRST, "SIGN_ON_REQUIRED"),
        (SignOnPolicy.DAVINCI, "DAVINCI"),
    ],
)
def test_the_sign_on_policy_decides_the_first_status(policy: SignOnPolicy, status: str) -> None:
    assert first_status(application(policy), Weather(), signed_on=False) == status


@pytest.mark.parametrize("policy", list(SignOnPolicy))
def test_a_changed_policy_never_leads_to_the_status_of_before(policy: SignOnPolicy) -> None:
    status = first_status(application(policy), Weather.of("policy_changed"), signed_on=False)
    assert status in KNOWN_STATUSES
    assert status != FIRST_STATUS[policy]


def test_a_changed_policy_may_name_its_status() -> None:
    weather = Weather.of("policy_changed", status="OTP_REQUIRED")
    assert first_status(APPLICATION, weather, signed_on=False) == "OTP_REQUIRED"


def test_a_user_with_a_session_has_completed_except_under_davinci() -> None:
    assert first_status(APPLICATION, Weather(), signed_on=True) == "COMPLETED"
    assert first_status(application(SignOnPolicy.DAVINCI), Weather(), signed_on=True) == "DAVINCI"


def test_a_flow_is_found_until_its_fifteen_minutes_are_over() -> None:
    flows = Flows()
    flows.keep(flow())
    assert flows.find(FLOW_ID, NOW + 899.999) == flow()
    assert flows.find(FLOW_ID, NOW + 900) is None
    assert len(flows) == 0


def test_the_oldest_flow_makes_room_when_there_are_too_many() -> None:
    flows = Flows(limit=2)
    for identifier in ("one", "two", "three"):
        flows.keep(flow(id=identifier))
    assert [flows.find(identifier, NOW) is not None for identifier in ("one", "two", "three")] == [
        False,
        True,
        True,
    ]


def test_a_new_state_of_a_flow_replaces_the_old_one() -> None:
    flows = Flows(limit=2)
    flows.keep(flow())
    flows.keep(flow(status="COMPLETED"))
    assert len(flows) == 1
    assert flows.find(FLOW_ID, NOW) == flow(status="COMPLETED")


def test_every_flow_has_an_id_of_its_own_and_keeps_its_state_out_of_its_repr() -> None:
    first, second = (
        Flow(
            application=APPLICATION,
            status="X",
            created_at=NOW,
            shown_at=NOW,
            redirect_uri=REDIRECT_URI,
            state="a-state",
        )
        for _ in range(2)
    )
    assert first.id != second.id
    assert "a-state" not in repr(first)
