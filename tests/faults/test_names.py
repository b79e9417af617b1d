"""Each fault of a name server is reported, and a hanging one does not delay other targets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import pytest
from faults.details import DETAILS
from faults.name_server import ZONE, NameServer, asking
from faults.names import NAMES, named
from faults.run import DURATION_COUNT, FOUND, HEALTHY, LAST_RESULT
from faults.stage import Stage
from harness.daemon import Daemon
from harness.variables import target_variables
from harness.waiting import poll

from exporter.outcome import Phase
from exporter.reasons import Reason

if TYPE_CHECKING:
    from faults.case import Case
    from harness.samples import Samples

pytestmark = pytest.mark.e2e

HANGING = 50
ENOUGH = 4
"""Probes of the healthy target, one each 4 s: each hanging name is asked for twice meanwhile, at least."""
Seen: TypeAlias = "tuple[Samples, dict[str, str | None]]"
"""The metrics, and the detail of each target's last probe."""
RESOLVE_SUM = "pingone_flow_step_duration_seconds_sum"


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Seen]:
    directory = tmp_path_factory.mktemp("names")
    command = asking(directory / "etc")
    with NameServer(), Stage(directory) as stage:
        environment = {
            "FLOW_EXPORTER_DEFAULTS__INTERVAL": "6s",
            "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "4s",
            **target_variables(HEALTHY, named("good")(stage), interval="4s", timeout="3900ms"),
        }
        for number in range(HANGING):
            environment |= target_variables(f"hanging_{number}", f"http://hang-{number}.{ZONE}")
        for case in NAMES:
            environment |= target_variables(case.name, case.scene(stage), **case.fields)
        with Daemon(
            environment, directory=directory / "work", logs=directory / "logs", command=command
        ) as daemon:
            samples = daemon.wait_until(all_seen, what="probes of all names")
            pytestconfig.stash.setdefault(FOUND, []).append(samples)
            yield samples, details_of(daemon)


def details_of(daemon: Daemon) -> dict[str, str | None]:
    """Return the cause of each target's last probe that was not spoilt by a stall of the machine."""
    found: dict[str, str | None] = {}

    def look() -> set[str]:
        for each in json.loads(daemon.get("/api/v1/targets").text)["targets"]:
            step = each["last"]["steps"][-1]
            if step["reason"] != Reason.INTERNAL:
                found[each["target"]] = step.get("detail")
        return {case.name for case in NAMES} - found.keys()

    poll(look, lambda missing: not missing, what="a cause for each name")
    return found


def all_seen(samples: Samples) -> bool:
    judged = {
        labels["target"]
        for labels, value in samples.series("pingone_flow_probes_total")
        if value and labels["reason"] != Reason.INTERNAL
    }
    wanted = {case.name for case in NAMES} | {f"hanging_{number}" for number in range(HANGING)}
    return wanted <= judged and samples.total("pingone_flow_probes_total", target=HEALTHY) >= ENOUGH


@pytest.fixture
def samples(seen: Seen) -> Samples:
    return seen[0]


@pytest.mark.parametrize("case", NAMES, ids=lambda case: case.name)
def test_the_exact_cause_of_a_name_is_reported(seen: Seen, case: Case) -> None:
    assert seen[1][case.name] == DETAILS.get(case.name)


@pytest.mark.parametrize("case", NAMES, ids=lambda case: case.name)
def test_a_fault_of_a_name_server_is_reported(samples: Samples, case: Case) -> None:
    found = case.found
    counted = {
        (labels["reason"], labels["fault"])
        for labels, value in samples.series("pingone_flow_probes_total", target=case.name)
        if value and labels["reason"] != Reason.INTERNAL
    }
    assert counted == {(found.reason, found.fault)}
    ((labels, _),) = samples.series(LAST_RESULT, target=case.name)
    assert labels["phase"] == found.phase
    assert samples.value("pingone_flow_http_status_code", target=case.name) == found.code
    if found.phase is Phase.RESOLVE:
        assert not samples.has(DURATION_COUNT, target=case.name)


def test_hanging_names_do_not_delay_the_resolve_phase_of_others(samples: Samples) -> None:
    for number in range(HANGING):
        ((labels, _),) = samples.series(LAST_RESULT, target=f"hanging_{number}")
        assert labels["phase"] == "resolve"
        assert labels["reason"] in {Reason.TIMEOUT, Reason.INTERNAL}
    spoilt = samples.total("pingone_flow_probes_total", target=HEALTHY, reason=Reason.INTERNAL)
    probes = samples.total("pingone_flow_probes_total", target=HEALTHY) - spoilt
    # One that waited for a thread that hangs for 5 s would have failed at its timeout.
    assert samples.value("pingone_flow_probes_total", target=HEALTHY, reason="ok", fault="none") == probes
    assert probes >= ENOUGH - 1
    resolved = samples.total(DURATION_COUNT, target=HEALTHY, phase="resolve")
    assert resolved
    assert samples.total(RESOLVE_SUM, target=HEALTHY, phase="resolve") < 1.0 * resolved
    skipped = samples.series("pingone_flow_exporter_probes_skipped_total", target=HEALTHY)
    # A busy machine may miss a run; hanging names must not cause a pause.
    assert {labels["cause"] for labels, value in skipped if value} <= {"missed", "overrun"}
    assert sum(value for _, value in skipped) <= 2.0
