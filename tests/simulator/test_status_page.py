"""The simulator's status page: one switch, by the control API; the exporter reads it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest
from harness.waiting import PATIENCE

from exporter.probing import StatusPage
from exporter.simulator.control import COMPONENT, IMPACTS
from exporter.status import COMPONENT_STATUSES, StatusPageReport

if TYPE_CHECKING:
    from harness.simulated import Simulated


def put(simulated: Simulated, status: str) -> httpx.Response:
    with httpx.Client(trust_env=False, timeout=PATIENCE, verify=False) as client:  # noqa: S501  plain http
        return client.put(f"{simulated.control_url}/status-page/{status}")


def read(simulated: Simulated) -> StatusPageReport:
    variables = simulated.variables
    url = variables["FLOW_EXPORTER_STATUS_PAGE__URL"]
    page = StatusPage(url, [variables["FLOW_EXPORTER_STATUS_PAGE__COMPONENTS"]])
    return asyncio.run(page.refresh())


@pytest.mark.parametrize(("status", "impact"), IMPACTS.items())
def test_the_switch_changes_what_an_exporter_reads(
    simulated: Simulated, status: str, impact: str | None
) -> None:
    assert put(simulated, status).status_code == 200
    report = read(simulated)
    assert report.fetched_ok
    assert not report.findings
    assert [(component.name, component.status) for component in report.components] == [(COMPONENT, status)]
    assert [incident.impact for incident in report.incidents] == ([impact] if impact else [])
    assert report.components[0].since == report.updated
    assert {incident.since for incident in report.incidents} <= {report.updated}


def test_the_switch_has_every_status_of_a_page() -> None:
    assert {*IMPACTS, "unknown"} == set(COMPONENT_STATUSES)


def test_an_unknown_status_changes_nothing(simulated: Simulated) -> None:
    assert put(simulated, "major_outage").status_code == 200
    response = put(simulated, "on_fire")
    assert response.status_code == 400
    assert response.json()["error"] == (
        "unknown status; use operational, degraded_performance, partial_outage, major_outage, "
        "under_maintenance"
    )
    assert read(simulated).components[0].status == "major_outage"
