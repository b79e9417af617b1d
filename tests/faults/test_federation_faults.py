"""Each fault of a federation, played to the command, is reported at its step; nothing secret is shown."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from faults.details import DETAILS, normalized
from faults.federation import CLIENT, CLIENT_SECRET, FAULTS, PLANTED, STEPS, environments, name_of
from faults.run import probed_again
from faults.table import detail_key
from harness.certificates import Authority
from harness.daemon import Daemon, run_command
from harness.details import templates_of

from exporter.reasons import Reason, pairs_of
from exporter.target import Journey

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from harness.samples import Samples

pytestmark = pytest.mark.e2e


@dataclass(frozen=True, slots=True)
class Probed:
    """All that the command printed.

    Args:
        outcomes: by target.
        texts: by format.
    """

    outcomes: dict[str, dict[str, Any]]
    texts: dict[str, str]


@pytest.fixture(scope="module")
def probed(tmp_path_factory: pytest.TempPathFactory) -> Probed:
    directory: Path = tmp_path_factory.mktemp("federation")
    texts = {}
    with environments(Authority(directory)) as variables:
        for option in ("--json", None):
            done = run_command(
                "probe",
                *([option] if option else []),
                cwd=directory,
                env=variables | {"FLOW_EXPORTER_LOG__LEVEL": "debug"},
            )
            texts[str(option)] = done.stdout
            texts[f"errors of {option}"] = done.stderr
        found = probed_again(json.loads(texts["--json"])["outcomes"], cwd=directory, env=variables)
    return Probed(found, texts)


@pytest.mark.parametrize("number", range(len(FAULTS)), ids=name_of)
def test_a_fault_is_reported_at_its_step(probed: Probed, number: int) -> None:
    row, outcome = FAULTS[number], probed.outcomes[name_of(number)]
    found = [outcome[name] for name in ("step", "reason", "fault", "phase")]
    assert found == [row.step, row.reason, row.fault, row.phase], row.says
    taken = dict.fromkeys(step["step"] for step in outcome["steps"])  # once each: redirects repeat one
    assert list(taken) == list(STEPS[: STEPS.index(row.step) + 1])
    assert {step["reason"] for step in outcome["steps"][:-1]} <= {"ok"}
    assert (row.reason, row.fault) in pairs_of(Journey.FEDERATION)
    last = outcome["steps"][-1]
    assert normalized(last.get("detail")) == DETAILS.get(detail_key(row))
    if row.reason is not Reason.OK:
        assert templates_of(last["detail"])
        assert last["host"] in last["detail"]
    assert not any("detail" in step for step in outcome["steps"][:-1])


def test_a_healthy_federation_among_broken_ones_takes_every_step(probed: Probed) -> None:
    outcome = probed.outcomes["healthy"]
    assert outcome["reason"] == Reason.OK
    assert [step["step"] for step in outcome["steps"]] == list(STEPS)


def leaks(texts: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the secrets in each text that has any."""
    basic = base64.b64encode(f"{CLIENT}:{quote(CLIENT_SECRET, safe='')}".encode()).decode()
    plain = base64.b64encode(f"{CLIENT}:{CLIENT_SECRET}".encode()).decode()
    secrets = {
        form for word in PLANTED for form in (word, quote(word), quote(word, safe=""), repr(word)[1:-1])
    }
    secrets |= {basic, plain, "eyJ", "code_verifier", "Set-Cookie"}
    found = {where: [each for each in secrets if each in text] for where, text in texts.items()}
    return {where: words for where, words in found.items() if words}


def test_the_command_shows_nothing_secret(probed: Probed) -> None:
    assert leaks(probed.texts) == {}
    assert name_of(len(FAULTS) - 1) in probed.texts["None"]


def test_a_daemon_shows_nothing_secret_once_it_has_signed_on(tmp_path: Path) -> None:
    """It signs on one interval after start, which is half a minute at least."""
    # A rate limit would pause all of them: they share host and environment.
    rows = {
        name_of(number): row for number, row in enumerate(FAULTS) if row.reason is not Reason.RATE_LIMITED
    }
    awaited = {name: row.step for name, row in rows.items()} | {"healthy": "token"}
    texts = {}
    with environments(Authority(tmp_path), frozenset(rows)) as variables:
        settings = {
            **variables,
            "FLOW_EXPORTER_DEFAULTS__FEDERATION_INTERVAL": "30s",
            "FLOW_EXPORTER_LOG__LEVEL": "debug",
            "FLOW_EXPORTER_LOG__FORMAT": "json",
        }
        with Daemon(settings, directory=tmp_path / "work", logs=tmp_path / "logs") as daemon:
            daemon.wait_until(
                lambda page: awaited.items() <= reached(page),
                what="every fault at its step",
            )
            for path in ("/", "/metrics", "/api/v1/targets"):
                texts[path] = daemon.get(path).text
            for name in rows:
                for place in ("/targets", "/api/v1/targets"):
                    texts[f"{place}/{name}"] = daemon.get(f"{place}/{name}").text
            assert daemon.stop() == 0
            texts["log"] = daemon.log()
    assert leaks(texts) == {}


def reached(page: Samples) -> set[tuple[str, str]]:
    """Return each target and the step in which its last probe ended."""
    series = page.series("pingone_flow_probe_last_result_info")
    return {(labels["target"], labels["step"]) for labels, _ in series}


def test_the_table_has_every_reason_that_only_a_federation_can_have() -> None:
    only = {reason for reason, _ in pairs_of(Journey.FEDERATION)} - {
        reason for reason, _ in pairs_of(Journey.AUTHORIZE)
    }
    assert only <= {row.reason for row in FAULTS}
