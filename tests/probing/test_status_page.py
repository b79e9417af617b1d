"""The vendor's status page: read under bounds, reduced to what the settings ask for, never trusted."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from probing.loopback import Behaviour, Talk, answer, listening, nothing, run, says, then_an_hour_passes

from exporter import __version__
from exporter.probing import StatusPage
from exporter.probing.status_page import MAX_INCIDENTS, MAX_TEXT_LENGTH, NO_SUMMARY, read_summary
from exporter.status import (
    COMPONENT_STATUSES,
    INCIDENT_IMPACTS,
    MAINTENANCE_STATES,
    UNKNOWN,
    StatusComponent,
    StatusIncident,
    StatusMaintenance,
    StatusPageReport,
)
from exporter.target import NetworkRoute

if TYPE_CHECKING:
    from pathlib import Path

    from harness.certificates import Authority

HOST = "status.example.com"
NOON = 1_795_780_800.0
"""2026-11-27T12:00:00Z."""
NOW = NOON + 3600.0


def a_component(name: str, status: str = "operational", **more: object) -> dict[str, object]:
    """Return a component as Statuspage writes it."""
    times = {"created_at": "2019-01-01T00:00:00.000-07:00", "updated_at": "2026-11-27T05:00:00.000-07:00"}
    return {"name": name, "status": status, "group_id": None, "group": False, **times, **more}


def an_incident(name: str, impact: str, status: str = "investigating", **more: object) -> dict[str, object]:
    """Return an open incident, or with other values one that is over."""
    started = {"created_at": "2026-11-27T12:05:00Z", "started_at": "2026-11-27T12:00:00Z"}
    return {"id": "kq3tm8hjrxdt", "name": name, "impact": impact, "status": status, **started, **more}


def a_summary(**changes: object) -> dict[str, Any]:
    """Return the summary of a page with two regions, each with a component `SSO`."""
    summary: dict[str, Any] = {
        "page": {
            "id": "1",
            "name": "Example",
            "url": f"https://{HOST}",
            "updated_at": "2026-11-27T12:00:00Z",
        },
        "status": {"indicator": "minor", "description": "Partial outage"},
        "components": [
            a_component("Europe", id="eu", group=True),
            a_component("North America", id="na", group=True),
            a_component("SSO", "partial_outage", id="eu1", group_id="eu"),
            a_component("SSO", id="na1", group_id="na"),
            a_component("Support Portal", id="sp1"),
        ],
        "incidents": [an_incident("Sign-ons fail", "major")],
        "scheduled_maintenances": [],
    }
    return summary | changes


def read(*components: str, **changes: object) -> StatusPageReport:
    """Read a summary that is one."""
    report = read_summary(a_summary(**changes), page=HOST, components=components)
    assert report is not None
    return report


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("eu1", "partial_outage"),
        ("Europe / SSO", "partial_outage"),
        ("North America / SSO", "operational"),
        ("Support Portal", "operational"),
        ("Europe", "operational"),
    ],
)
def test_a_component_is_found_by_id_by_group_and_name_or_by_its_name_alone(name: str, status: str) -> None:
    report = read(name)
    assert report.components == (StatusComponent(name, status, NOON),)
    assert report.findings == ()


@pytest.mark.parametrize("name", ["SSO", "Asia / SSO", "europe / sso", "Europe/SSO", "eu2", ""])
def test_a_component_that_the_page_does_not_have_is_unknown_and_a_finding(name: str) -> None:
    report = read(name, "eu1")
    assert [component.status for component in report.components] == [UNKNOWN, "partial_outage"]
    assert report.findings == (f'the status page has no component "{name}"; use an id, or group / name',)


def test_a_name_that_several_components_have_is_unknown_and_a_finding() -> None:
    twice = [a_component("SSO", id="a"), a_component("SSO", id="b")]
    report = read("SSO", "b", components=twice)
    assert [component.status for component in report.components] == [UNKNOWN, "operational"]
    assert report.findings == ('the status page has several components "SSO"; use the id of one',)


@pytest.mark.parametrize("status", ["on_fire", "", None, 3, {}, "Operational"])
def test_a_status_outside_the_known_ones_is_unknown(status: Any) -> None:  # noqa: ANN401  any JSON
    assert read("a", components=[a_component("a", status)]).components[0].status == UNKNOWN


def test_open_incidents_have_their_impact_and_their_start() -> None:
    incidents = [
        an_incident("Sign-ons fail", "critical"),
        an_incident("Slow", "minor", started_at=None),
        an_incident("New", "planetary", started_at="soon", created_at=None),
        an_incident("Over", "major", "resolved"),
        an_incident("Long over", "major", "postmortem"),
    ]
    assert read(incidents=incidents).incidents == (
        StatusIncident("Sign-ons fail", "critical", NOON),
        StatusIncident("Slow", "minor", NOON + 300),
        StatusIncident("New", UNKNOWN, None),
    )


def test_maintenances_that_are_not_over_have_their_state_and_their_time() -> None:
    planned = {"scheduled_for": "2026-11-27T13:00:00+01:00", "impact": "maintenance"}
    maintenances = [
        an_incident("Database", status="in_progress", **planned),
        an_incident("Network", status="scheduled", **planned),
        an_incident("Later", status="postponed", **planned),
        an_incident("Done", status="completed", **planned),
    ]
    assert read(scheduled_maintenances=maintenances).maintenances == (
        StatusMaintenance("Database", "in_progress", NOON),
        StatusMaintenance("Network", "scheduled", NOON),
        StatusMaintenance("Later", UNKNOWN, NOON),
    )


def test_names_of_the_page_become_one_short_line_that_any_output_can_encode() -> None:
    name = "\x1b[31mred\n\u202e<b>\ud800" + "x" * 1000
    (incident,) = read(incidents=[an_incident(name, "minor")]).incidents
    assert incident.name.startswith("[31mred <b>xxx")
    assert len(incident.name) == MAX_TEXT_LENGTH
    nameless = {**an_incident("", "minor"), "name": None}
    assert read(incidents=[nameless]).incidents[0].name == ""


def test_a_thousand_incidents_are_bounded() -> None:
    assert len(read(incidents=[an_incident("a", "minor")] * 1000).incidents) == MAX_INCIDENTS


@pytest.mark.parametrize(
    "document",
    [{}, {"page": {}}, {"components": []}, {"page": [], "components": []}, {"page": {}, "components": {}}],
)
def test_json_without_page_and_components_is_no_summary(document: dict[str, Any]) -> None:
    assert read_summary(document, page=HOST, components=()) is None


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["a", "b", "g", "A", "g / a", "operational", "major", "resolved"]) | values
members = st.fixed_dictionaries(
    {},
    optional={
        name: names | st.just("2026-11-27T12:00:00Z")
        for name in (
            "id",
            "name",
            "status",
            "impact",
            "group_id",
            "updated_at",
            "started_at",
            "scheduled_for",
        )
    },
)
lists = st.lists(members | values, max_size=5) | values
documents = st.fixed_dictionaries(
    {},
    optional={
        "page": members | values,
        "components": lists,
        "incidents": lists,
        "scheduled_maintenances": lists,
    },
)


@given(documents, st.lists(st.sampled_from(["a", "g / a", "None", "b", "/"]), unique=True))
@example({"page": {}, "components": [{"id": [], "name": "a", "group_id": {}}]}, ["a"])
@example({"page": {}, "components": [{"id": "g", "name": "a", "group_id": "g"}]}, ["a"])
def test_any_json_gives_a_report_of_the_configured_components_and_closed_sets_or_none(
    document: dict[str, Any], components: list[str]
) -> None:
    report = read_summary(document, page=HOST, components=components)
    if report is None:
        return
    assert [component.name for component in report.components] == components
    assert {component.status for component in report.components} <= set(COMPONENT_STATUSES)
    assert {incident.impact for incident in report.incidents} <= set(INCIDENT_IMPACTS)
    assert {maintenance.state for maintenance in report.maintenances} <= set(MAINTENANCE_STATES)
    assert len(report.findings) <= len(components)
    for text in report.incidents + report.maintenances:
        text.name.encode()


def refreshed(
    *behaviours: Behaviour, components: tuple[str, ...] = ("Europe / SSO",)
) -> list[StatusPageReport]:
    """Request a page that shows these behaviours, one at a time; return each report."""

    async def main() -> list[StatusPageReport]:
        waiting = list(behaviours)

        async def behave(talk: Talk) -> None:
            await waiting.pop(0)(talk)

        async with listening(behave) as peer:
            url = f"http://127.0.0.1:{peer.port}/api/v2/summary.json"
            page = StatusPage(url, components, wall=lambda: NOW)
            reports = [await page.refresh() for _ in behaviours]
            await peer.left_alone()
            assert len(peer.heads) <= len(behaviours)
            return reports

    return run(main())


def json_of(**changes: object) -> Behaviour:
    return says(answer(json.dumps(a_summary(**changes)).encode(), "Content-Type: application/json"))


def test_a_page_is_requested_once_and_reported_with_the_time_of_success() -> None:
    async def main() -> tuple[list[bytes], StatusPageReport]:
        async with listening(json_of()) as peer:
            url = f"http://127.0.0.1:{peer.port}/api/v2/summary.json?a=1"
            report = await StatusPage(url, ["eu1"], wall=lambda: NOW).refresh()
            assert report.page == f"127.0.0.1:{peer.port}"
            return peer.heads, report

    (head,), report = run(main())
    request, *headers = head.decode().split("\r\n")
    assert request == "GET /api/v2/summary.json?a=1 HTTP/1.1"
    assert f"User-Agent: pingone-flow-exporter/{__version__}" in headers
    assert not [
        header for header in headers if header.lower().startswith(("cookie", "x-ping", "authorization"))
    ]
    assert (report.fetched_ok, report.last_success, report.updated) == (True, NOW, NOON)
    assert report.components == (StatusComponent("eu1", "partial_outage", NOON),)


@pytest.mark.parametrize(
    ("behaviour", "finding"),
    [
        (says(answer(b"<html>Status</html>")), f"HTTP 200: {NO_SUMMARY}"),
        (says(answer(b'{"page": 1}')), NO_SUMMARY),
        (says(answer(b"[]")), f"HTTP 200: {NO_SUMMARY}"),
        (says(answer(b" " * 2**21)), f"HTTP 200: {NO_SUMMARY}"),
        (says(answer(status="404 Not Found")), f"HTTP 404: {NO_SUMMARY}"),
        (
            says(answer(b"", "Location: https://elsewhere.example/", status="302 Found")),
            f"HTTP 302: {NO_SUMMARY}",
        ),
        (says(answer(status="503 Service Unavailable")), None),
        (says(answer(status="429 Too Many Requests")), None),
        (says(answer(status="403 Forbidden")), None),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", then="close"), None),
        (says(b"SSH-2.0-x\r\n", then="close"), None),
        (then_an_hour_passes(nothing), None),
    ],
)
def test_a_failure_keeps_what_was_known_and_is_a_finding_if_the_operator_can_correct_it(
    behaviour: Behaviour, finding: str | None
) -> None:
    good, bad = refreshed(json_of(), behaviour)
    assert (good.fetched_ok, bad.fetched_ok) == (True, False)
    assert (bad.last_success, bad.updated) == (NOW, NOON)
    assert (bad.components, bad.incidents) == (good.components, good.incidents)
    assert bad.findings == (() if finding is None else (finding,))


def test_before_the_first_success_nothing_is_known() -> None:
    (report,) = refreshed(says(answer(status="500 Internal Server Error")))
    assert (report.fetched_ok, report.last_success, report.components) == (False, None, ())


def test_a_change_and_each_finding_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    not_json = says(answer(b"<html>"))
    refreshed(json_of(), json_of(), not_json, not_json, json_of(), components=("eu1", "x"))
    found = [
        (record.levelname, record.getMessage(), getattr(record, "reason", "")) for record in caplog.records
    ]
    missing = 'status page: the status page has no component "x"; use an id, or group / name'
    assert found == [
        ("INFO", "status page", "ok"),
        ("WARNING", missing, ""),
        ("WARNING", "status page", "not_json"),
        ("WARNING", f"status page: HTTP 200: {NO_SUMMARY}", ""),
        ("INFO", "status page", "ok"),
        ("WARNING", missing, ""),
    ]


def test_the_page_must_have_a_certificate_of_an_authority_that_is_trusted(authority: Authority) -> None:
    async def main(ca_file: Path | None) -> bool:
        async with listening(json_of(), tls=authority.issue("localhost").tls) as peer:
            page = StatusPage(
                f"https://localhost:{peer.port}/summary.json", route=NetworkRoute(ca_file=ca_file)
            )
            return (await page.refresh()).fetched_ok

    assert run(main(authority.ca_file))
    assert not run(main(None))


def test_a_ca_file_that_vanished_is_a_failure_until_it_is_back(authority: Authority, tmp_path: Path) -> None:
    trusted = tmp_path / "later.pem"

    async def main() -> list[bool]:
        async with listening(json_of(), tls=authority.issue("localhost").tls) as peer:
            page = StatusPage(
                f"https://localhost:{peer.port}/summary.json", route=NetworkRoute(ca_file=trusted)
            )
            found = [(await page.refresh()).fetched_ok]
            trusted.write_bytes(authority.ca_file.read_bytes())
            return [*found, (await page.refresh()).fetched_ok]

    assert run(main()) == [False, True]


def test_the_page_is_reached_through_a_proxy() -> None:
    async def main() -> tuple[list[bytes], bool]:
        async with listening(json_of()) as proxy:
            way = f"http://user:planted@127.0.0.1:{proxy.port}"
            page = StatusPage(f"http://{HOST}/api/v2/summary.json", route=NetworkRoute(proxy_url=way))
            return proxy.heads, (await page.refresh()).fetched_ok

    (head,), good = run(main())
    assert head.startswith(f"GET http://{HOST}/api/v2/summary.json HTTP/1.1\r\n".encode())
    assert good
