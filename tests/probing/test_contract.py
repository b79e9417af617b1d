"""The contract of a healthy flow: each damage fails its own check and no other, and nothing raises."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from probing.examples import EXPECTATION, FLOW, SOURCE, SOURCE_URL, STATUS, a_flow

from exporter.outcome import CHECKS, DAVINCI, KNOWN_STATUSES
from exporter.probing.contract import STATUS_LINKS, check_contract, parse_timestamp
from exporter.probing.judge import judge
from exporter.probing.links import endpoints
from exporter.probing.messages import Answer, Expectation
from exporter.reasons import Reason

OTHER = "00000000-0000-4000-8000-000000000000"
ELSEWHERE = "https://auth.pingone.eu"
CREATED = "2026-04-20T19:54:09.271Z"
INTERACTION: dict[str, Any] = {
    "interactionId": FLOW,
    "environment": {"id": SOURCE},
    "_links": {"next": {"href": f"{SOURCE_URL}/davinci/connections/x/capabilities/y"}},
}
ABSENT = object()


def changed(path: str, value: object, flow: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a flow with one field, named by the way there, changed or taken away."""
    document = deepcopy(a_flow() if flow is None else flow)
    *way, last = path.split("/")
    place = document
    for name in way:
        place = place[name]
    if value is ABSENT:
        del place[last]
    else:
        place[last] = value
    return document


def checks_of(flow: dict[str, Any], status: str, expectation: Expectation) -> dict[str, bool]:
    """Return the checks of a flow that lives as long as its two times say."""
    created, expires = parse_timestamp(flow.get("createdAt")), parse_timestamp(flow.get("expiresAt"))
    lifetime = None if created is None or expires is None else expires.at - created.at
    return check_contract(flow, status, expectation, lifetime)


def failed(flow: dict[str, Any], status: str = STATUS, expectation: Expectation = EXPECTATION) -> set[str]:
    """Return the checks that a flow fails."""
    return {check for check, passed in checks_of(flow, status, expectation).items() if not passed}


# A flow as documented


def test_the_documented_flow_passes_every_check_there_is() -> None:
    assert checks_of(a_flow(), STATUS, EXPECTATION) == dict.fromkeys(CHECKS, True)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("id", FLOW.upper()),
        ("environment/id", SOURCE.upper()),
        ("_links/self/href", f"https://AUTH.pingone.com:443/{SOURCE}/flows/{FLOW}"),
        ("_links/self/href", f"https://auth.pingone.com/{SOURCE}/flows/{FLOW}/"),
        ("_links/password.forgot", ABSENT),
        ("_links/signOnPage", ABSENT),
        ("resumeUrl", "https://auth.pingone.com/as/resume"),
        ("createdAt", "2026-04-20T19:54:09Z"),
        ("createdAt", "2026-04-20T21:54:09.271+02:00"),
        ("createdAt", "2026-04-20T19:54:09.271123456Z"),
        ("expiresAt", CREATED),
        ("expiresAt", "2026-04-20T20:54:09.271Z"),
    ],
)
def test_what_may_differ_fails_no_check(path: str, value: object) -> None:
    if path == "id":  # the link follows the id
        flow = changed("_links/self/href", f"{SOURCE_URL}/flows/{value}", changed(path, value))
    else:
        flow = changed(path, value)
    assert failed(flow) == set()


@pytest.mark.parametrize(
    ("check", "path", "value"),
    [
        ("id", "id", ABSENT),
        ("id", "id", None),
        ("id", "id", ""),
        ("id", "id", 7),
        ("id", "id", [FLOW]),
        ("id", "id", {"id": FLOW}),
        ("id", "id", FLOW[:-1]),
        ("id", "id", FLOW + "0"),
        ("id", "id", FLOW.replace("-", "")),
        ("id", "id", f"{{{FLOW}}}"),
        ("id", "id", FLOW + "\n"),
        ("id", "id", "x" + FLOW[1:]),
        ("environment", "environment", ABSENT),
        ("environment", "environment", SOURCE),
        ("environment", "environment", [SOURCE]),
        ("environment", "environment", {}),
        ("environment", "environment/id", None),
        ("environment", "environment/id", OTHER),
        ("environment", "environment/id", 7),
        ("self_link", "_links/self", ABSENT),
        ("self_link", "_links/self", None),
        ("self_link", "_links/self", f"{SOURCE_URL}/flows/{FLOW}"),
        ("self_link", "_links/self/href", ABSENT),
        ("self_link", "_links/self/href", 7),
        ("self_link", "_links/self/href", f"/{SOURCE}/flows/{FLOW}"),
        ("self_link", "_links/self/href", f"//auth.pingone.com/{SOURCE}/flows/{FLOW}"),
        ("self_link", "_links/self/href", f"{ELSEWHERE}/{SOURCE}/flows/{FLOW}"),
        ("self_link", "_links/self/href", f"https://auth.pingone.com:8443/{SOURCE}/flows/{FLOW}"),
        ("self_link", "_links/self/href", f"https://auth.pingone.com:0/{SOURCE}/flows/{FLOW}"),
        ("self_link", "_links/self/href", f"http://auth.pingone.com/{SOURCE}/flows/{FLOW}"),
        ("self_link", "_links/self/href", f"https://auth.pingone.com@evil.example/flows/{FLOW}"),
        ("self_link", "_links/self/href", f"{SOURCE_URL}/flows/{OTHER}"),
        ("self_link", "_links/self/href", f"{SOURCE_URL}/as/authorize?next=/flows/{FLOW}"),
        ("self_link", "_links/self/href", f"https://[::1/flows/{FLOW}"),
        ("self_link", "_links/self/href", f"https://auth.pingone.com:x/flows/{FLOW}"),
        ("self_link", "_links/self/href", f"https://auth.pingone.com:99999/flows/{FLOW}"),
        ("status_link", "_links/usernamePassword.check", ABSENT),
        ("status_link", "_links/usernamePassword.check", {}),
        ("status_link", "_links/usernamePassword.check/href", None),
        ("status_link", "_links/usernamePassword.check/href", ""),
        ("status_link", "_links/usernamePassword.check/href", f"{ELSEWHERE}/{SOURCE}/flows/{FLOW}"),
        ("resume_url", "resumeUrl", ABSENT),
        ("resume_url", "resumeUrl", 7),
        ("resume_url", "resumeUrl", {"href": f"{SOURCE_URL}/as/resume"}),
        ("resume_url", "resumeUrl", f"{ELSEWHERE}/{SOURCE}/as/resume?flowId={FLOW}"),
        ("resume_url", "resumeUrl", f"https://apps.pingone.com/{SOURCE}/signon/?flowId={FLOW}"),
        ("resume_url", "resumeUrl", f"{SOURCE_URL}/as/authorize?flowId={FLOW}"),
        ("resume_url", "resumeUrl", f"{SOURCE_URL}/x/../as/resume"),
        ("resume_url", "resumeUrl", "\ud800"),
        ("lifetime", "createdAt", ABSENT),
        ("lifetime", "expiresAt", ABSENT),
        ("lifetime", "createdAt", 1776714849271),
        ("lifetime", "createdAt", ""),
        ("lifetime", "createdAt", "yesterday"),
        ("lifetime", "createdAt", "2026-04-20"),
        ("lifetime", "createdAt", "2026-04-20T19:54:09.271"),
        ("lifetime", "createdAt", "2026-04-31T19:54:09.271Z"),
        ("lifetime", "expiresAt", "2026-04-20T19:54:09.270Z"),
        ("lifetime", "expiresAt", "2026-04-20T20:54:09.272Z"),
        ("application_name", "_embedded", ABSENT),
        ("application_name", "_embedded", []),
        ("application_name", "_embedded/application", None),
        ("application_name", "_embedded/application", "SourceApp"),
        ("application_name", "_embedded/application/name", ABSENT),
        ("application_name", "_embedded/application/name", " "),
        ("application_name", "_embedded/application/name", 7),
    ],
)
def test_a_single_damage_fails_its_own_check_and_no_other(check: str, path: str, value: object) -> None:
    assert failed(changed(path, value)) == {check}


@pytest.mark.parametrize("links", [ABSENT, None, [], "x", 7])
def test_without_links_both_checks_of_links_fail(links: object) -> None:
    assert failed(changed("_links", links)) == {"self_link", "status_link"}


@pytest.mark.parametrize("document", [a_flow(id=7), a_flow(resumeUrl=None), {"status": STATUS}])
def test_a_failed_check_never_fails_a_probe(document: dict[str, Any]) -> None:
    verdict = judge(Answer(200, json.dumps(document).encode()), EXPECTATION)
    assert verdict.reason is Reason.OK
    assert set(verdict.checks) == set(CHECKS)
    assert not all(verdict.checks.values())


def test_a_flow_of_an_unexpected_status_is_checked_too() -> None:
    flow = changed("_links/user.lookup", {"href": SOURCE_URL}, a_flow(status="SIGN_ON_REQUIRED"))
    verdict = judge(Answer(200, json.dumps(flow).encode()), EXPECTATION)
    assert verdict.reason is Reason.UNEXPECTED_STATUS
    assert verdict.checks == dict.fromkeys(CHECKS, True)
    assert verdict.lifetime == 900.0


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, json.dumps(a_flow(status="FAILED")).encode()),
        Answer(200, json.dumps(a_flow(environment={"id": OTHER})).encode()),
        Answer(200, b"{}"),
        Answer(400, json.dumps(a_flow()).encode()),
        Answer(
            302,
            json.dumps(a_flow()).encode(),
            headers={"location": "https://apps.pingone.com/signon/?flowId=x"},
        ),
    ],
    ids=["failed", "another environment", "no flow", "400", "302"],
)
def test_only_a_healthy_flow_is_checked(answer: Answer) -> None:
    verdict = judge(answer, EXPECTATION)
    assert verdict.checks == {}
    assert verdict.lifetime is None
    assert verdict.created is None


# Whom the links must lead to


@pytest.mark.parametrize(
    "source_url",
    [
        "https://login.example.com",
        "https://login.example.com:8443",
        f"http://127.0.0.1:9000/{SOURCE}",
        f"https://[2001:db8::1]:8443/{SOURCE}",
    ],
)
def test_links_must_lead_to_where_the_source_answers_wherever_that_is(source_url: str) -> None:
    def at(url: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(json.dumps(a_flow()).replace(SOURCE_URL, url))
        return document

    expectation = Expectation(endpoints(source_url, SOURCE), (STATUS,))
    assert failed(at(source_url), expectation=expectation) == set()
    elsewhere = at(f"https://auth.other.example/{SOURCE}")
    assert failed(elsewhere, expectation=expectation) == {"self_link", "status_link", "resume_url"}


def test_an_environment_with_a_custom_domain_may_name_pingones_own_host() -> None:
    links = json.dumps(a_flow()).replace(SOURCE_URL, "https://auth.pingone.eu/" + SOURCE)
    custom = replace(EXPECTATION, endpoints=endpoints("https://login.customer.example", SOURCE))
    assert failed(json.loads(links), expectation=custom) == set()
    own = json.dumps(a_flow()).replace(SOURCE_URL, "https://login.customer.example")
    assert failed(json.loads(own), expectation=custom) == set()
    for other in (
        "https://auth.pingone.example/",
        "http://auth.pingone.eu/",
        "https://auth.pingone.eu:8443/",
    ):
        elsewhere = json.loads(json.dumps(a_flow()).replace(SOURCE_URL, other + SOURCE))
        assert failed(elsewhere, expectation=custom) == {"self_link", "status_link", "resume_url"}
    assert failed(json.loads(links)) == {"self_link", "status_link", "resume_url"}  # of another region


@pytest.mark.parametrize("status", sorted(STATUS_LINKS))
def test_each_status_needs_its_link(status: str) -> None:
    flow = INTERACTION if status == DAVINCI else a_flow(status=status)
    here = {"href": f"{SOURCE_URL}/flows/{FLOW}"}
    assert failed({**flow, "_links": {STATUS_LINKS[status]: here, "self": here}}, status) == set()
    assert failed({**flow, "_links": {"self": here, "another": here}}, status) == {"status_link"}


@pytest.mark.parametrize("status", [*sorted(KNOWN_STATUSES - set(STATUS_LINKS)), "BRAND_NEW_REQUIRED"])
def test_a_status_without_a_known_link_needs_none(status: str) -> None:
    checks = checks_of(a_flow(status=status), status, EXPECTATION)
    assert checks == dict.fromkeys(set(CHECKS) - {"status_link"}, True)


# DaVinci


def test_a_davinci_body_is_asked_only_for_what_it_has() -> None:
    assert checks_of(INTERACTION, DAVINCI, EXPECTATION) == {
        "id": True,
        "environment": True,
        "status_link": True,
    }


@pytest.mark.parametrize(
    ("check", "path", "value"),
    [
        ("id", "interactionId", "0dd9d5b1"),
        ("environment", "environment/id", OTHER),
        ("status_link", "_links/next/href", f"{ELSEWHERE}/{SOURCE}/davinci"),
    ],
)
def test_a_single_damage_of_a_davinci_body_fails_its_own_check(check: str, path: str, value: object) -> None:
    assert failed(changed(path, value, INTERACTION), DAVINCI) == {check}


@pytest.mark.parametrize("links", [ABSENT, None, {}, {"self": {"href": SOURCE_URL}}])
def test_a_davinci_body_in_its_detailed_form_has_no_link_to_check(links: object) -> None:
    assert "status_link" not in checks_of(changed("_links", links, INTERACTION), DAVINCI, EXPECTATION)


def test_a_davinci_body_need_not_name_its_environment() -> None:
    """Its interaction and its link are documented; a check that always fails would be a ticket for ever."""
    body = changed("environment", ABSENT, INTERACTION)
    assert checks_of(body, DAVINCI, EXPECTATION) == {"id": True, "status_link": True}


# Totality

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
LINKS = st.sampled_from(
    ["https://auth.pingone.com", "http://[::1", "https://[v1.x]/", "//", "https://a:b/", SOURCE_URL, "?#"]
)
VALUES = JSON | LINKS
PATHS = st.sampled_from(
    [
        "_links", "_links/self", "_links/self/href", "_links/usernamePassword.check",
        "_links/usernamePassword.check/href", "_embedded", "_embedded/application",
        "_embedded/application/name", "id", "environment", "environment/id", "resumeUrl", "status",
        "createdAt", "expiresAt",
    ]
)  # fmt: skip


@given(path=PATHS, value=VALUES, status=st.sampled_from([STATUS, DAVINCI, "COMPLETED"]) | st.text())
def test_any_json_in_any_field_is_checked_and_fails_at_most_what_hangs_on_it(
    path: str, value: object, status: str
) -> None:
    checks = checks_of(changed(path, value), status, EXPECTATION)
    assert set(checks) <= set(CHECKS)
    assert all(isinstance(passed, bool) for passed in checks.values())
    if status == STATUS:
        assert sum(not passed for passed in checks.values()) <= 1 + (path == "_links")
