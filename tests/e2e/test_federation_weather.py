"""Each fault of a federation, played by the simulator, is reported as its documentation says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from harness.daemon import run_command
from harness.simulated import Simulated
from weather_outcomes import REPORTED, ExpectedOutcome

from exporter.reasons import Fault, Reason
from exporter.simulator import demo_environments
from exporter.target import Journey, Side, side_of

pytestmark = pytest.mark.e2e

TARGET = "uk_partners"
ENVIRONMENTS = {Side.SOURCE: TARGET, Side.DESTINATION: "uk_hub"}
STEPS = {
    "destination_authorize": "authorize",
    "initiate": "initiate",
    "source_authorize": "authorize",
    "sign_on": "sign_on",
    "source_resume": "resume",
    "callback": "callback",
    "destination_flow": "flow",
    "destination_resume": "resume",
    "destination_keys": "keys",
    "token": "token",
}
"""Each step and the endpoint that it requests; the demo's policy needs no lookup."""

OF_OTHERS = "login_page_error"
"""Of providers that are not PingOne: tests/probing/test_foreign_simulated.py."""
FEDERATION = {
    name: reported.federation
    for name, reported in REPORTED.items()
    if reported.federation is not None and name != OF_OTHERS
}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    environments = [each for each in demo_environments() if each.name in ENVIRONMENTS.values()]
    with Simulated(environments, tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture
def healthy(simulated: Simulated) -> Simulated:
    for name in ENVIRONMENTS.values():
        simulated.put(name, {"weather": "healthy"})
    return simulated


def probe(simulated: Simulated) -> dict[str, Any]:
    ca_file = simulated.running.ca_file
    assert ca_file is not None
    done = run_command("probe", "--json", TARGET, cwd=ca_file.parent, env=simulated.variables)
    (outcome,) = json.loads(done.stdout)["outcomes"]
    return dict(outcome)


def facts(outcome: Mapping[str, Any]) -> ExpectedOutcome:
    return ExpectedOutcome(
        Reason(outcome["reason"]),
        Fault(outcome["fault"]),
        outcome["steps"][-1].get("http_status_code"),
        outcome["phase"],
        outcome["step"],
    )


def test_a_healthy_federation_takes_every_step(healthy: Simulated) -> None:
    outcome = probe(healthy)
    assert facts(outcome) == ExpectedOutcome(Reason.OK, Fault.NONE, 200, step="token")
    assert [step["step"] for step in outcome["steps"]] == list(STEPS)
    assert set(STEPS) == {*Journey.FEDERATION.steps} - {"destination_lookup"}


@pytest.mark.parametrize("kind", FEDERATION)
def test_a_fault_is_reported_at_its_step(healthy: Simulated, kind: str) -> None:
    expected = FEDERATION[kind]
    healthy.put(ENVIRONMENTS[side_of(expected.step)], {"weather": kind})
    assert facts(probe(healthy)) == expected


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize(
    ("kind", "reason", "fault", "code"),
    [
        ("error_json", Reason.SERVER_ERROR, Fault.PROVIDER, 503),
        ("rate_limited", Reason.RATE_LIMITED, Fault.QUOTA, 429),
    ],
)
def test_weather_of_one_endpoint_fails_its_step(
    healthy: Simulated, step: str, kind: str, reason: Reason, fault: Fault, code: int
) -> None:
    healthy.put(ENVIRONMENTS[side_of(step)], {"weather": kind, "endpoint": STEPS[step]})
    assert facts(probe(healthy)) == ExpectedOutcome(reason, fault, code, step=step)
