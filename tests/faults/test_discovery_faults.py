"""Each fault of metadata and signing keys, played to the command, is reported at its step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from faults.details import DETAILS, normalized
from faults.discovery import FAULTS, name_of, sources
from faults.run import probed_again
from faults.table import detail_key
from harness.daemon import run_command

from exporter.reasons import Reason, pairs_of
from exporter.target import Journey

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    directory: Path = tmp_path_factory.mktemp("discovery")
    with sources() as variables:
        done = run_command("probe", "--json", cwd=directory, env=variables)
        return probed_again(json.loads(done.stdout)["outcomes"], cwd=directory, env=variables)


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=name_of)
def test_a_fault_is_reported_at_its_step(outcomes: dict[str, dict[str, Any]], number: int) -> None:
    row, outcome = FAULTS[number], outcomes[name_of(number)]
    found = [outcome[name] for name in ("step", "reason", "fault", "phase")]
    assert found == [row.step, row.reason, row.fault, row.phase], row.says
    assert {step["reason"] for step in outcome["steps"][:-1]} <= {"ok"}
    assert (row.reason, row.fault) in pairs_of(Journey.DISCOVERY)
    assert normalized(outcome["steps"][-1].get("detail")) == DETAILS.get(detail_key(row))


def test_a_healthy_source_among_broken_ones_takes_both_steps(outcomes: dict[str, dict[str, Any]]) -> None:
    outcome = outcomes["healthy"]
    assert outcome["reason"] == Reason.OK
    assert [step["step"] for step in outcome["steps"]] == list(Journey.DISCOVERY.steps)


def test_the_table_has_every_reason_that_only_discovery_can_have() -> None:
    only = {reason for reason, _ in pairs_of(Journey.DISCOVERY)} - {
        reason for reason, _ in pairs_of(Journey.AUTHORIZE)
    }
    assert only <= {row.reason for row in FAULTS}
