"""What the pages, the API, the metrics and the one-shot say of the same weather at the same moment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness.daemon import Daemon, run_command
from harness.simulated import Simulated
from harness.waiting import poll
from serving.html import Document

from exporter.simulator import plain_environments

if TYPE_CHECKING:
    from harness.samples import Samples

pytestmark = pytest.mark.e2e

BRISK, CALM = "5s", "1h"
PACE = {
    "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "4900ms",
    "FLOW_EXPORTER_DEFAULTS__LATENCY_OBJECTIVE": "200ms",
}
ONE, TWO = "environment_1", "environment_2"
MILLISECOND = 0.001
EGRESS = "pingone_flow_exporter_egress_up"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    plain = plain_environments(2)
    world = [plain[0], replace(plain[1], https=True)]
    with Simulated(world, tmp_path_factory.mktemp("world")) as running:
        yield running


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("settings") / "config.yaml"
    path.write_text(f"defaults: {{interval: {BRISK}}}\n")
    return path


@pytest.fixture(scope="module")
def daemon(
    simulated: Simulated, config_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Daemon]:
    directory = tmp_path_factory.mktemp("agreement")
    environment = {**PACE, **simulated.variables, "FLOW_EXPORTER_CONFIG_FILE": str(config_file)}
    with Daemon(environment, directory=directory, logs=directory / "logs") as running:
        yield running


def probe_every(interval: str, daemon: Daemon, config_file: Path) -> None:
    """Change the interval of all targets."""
    config_file.write_text(f"defaults: {{interval: {interval}}}\n")
    answer = daemon.request("POST", "/-/reload")
    assert answer.status_code == 200, answer.text


def everything(daemon: Daemon, config_file: Path) -> tuple[dict[str, Any], Samples, str, str]:
    """Return the API, the metrics and both pages of one moment: no probe ended while they were asked for."""
    probe_every(CALM, daemon, config_file)

    def api() -> dict[str, Any]:
        status: dict[str, Any] = daemon.get("/api/v1/targets").json()
        return status

    def ids(status: dict[str, Any]) -> list[str]:
        return sorted(each.get("last", {}).get("transaction_id", "") for each in status["targets"])

    def look() -> tuple[dict[str, Any], dict[str, Any], Samples, str, str]:
        before = api()
        seen = daemon.metrics(), daemon.get("/").text, daemon.get(f"/targets/{TWO}").text
        return before, api(), *seen

    _, status, metrics, overview, of_one = poll(
        look, lambda seen: ids(seen[0]) == ids(seen[1]), what="a moment between two probes"
    )
    return status, metrics, overview, of_one


def wait_for(daemon: Daemon, weather: str, reason: str) -> None:
    """Wait until the last probe of the second environment reports its weather."""
    poll(
        lambda: daemon.get(f"/api/v1/targets/{TWO}").json()["journeys"][0].get("last", {}),
        lambda last: last.get("reason") == reason,
        what=f"{reason} under {weather}",
    )


@pytest.mark.parametrize(
    ("weather", "parameters", "reason"),
    [
        ("healthy", {}, "ok"),
        ("slow", {"ms": 400}, "ok"),
        ("error_json", {"code": 503}, "server_error"),
        ("silent", {}, "timeout"),
        ("refused", {}, "connect"),
        ("reset", {}, "protocol"),
        ("tls_expired", {}, "tls"),
        ("tls_wrong_name", {}, "tls"),
        ("policy_changed", {"status": "SIGN_ON_REQUIRED"}, "unexpected_status"),
        ("client_deleted", {}, "oauth_error"),
        ("rate_limited", {"retry_after": 60}, "rate_limited"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_api_metrics_and_pages_agree_under_any_weather(
    simulated: Simulated,
    daemon: Daemon,
    config_file: Path,
    weather: str,
    parameters: dict[str, Any],
    reason: str,
    tmp_path: Path,
) -> None:
    simulated.put(TWO, {"weather": weather, **parameters})
    probe_every(BRISK, daemon, config_file)
    wait_for(daemon, weather, reason)
    status, metrics, overview, of_one = everything(daemon, config_file)
    assert Document(overview).all("h1") == [{"id": "headline"}]
    assert status["headline"] in Document(overview).text
    for target in status["targets"]:
        same_as_the_metrics(target, metrics)
    (two,) = (target for target in status["targets"] if target["target"] == TWO)
    page = Document(of_one).text
    if "finding" in two:
        assert f"{two['in_a_row']} probe" in page
        assert f": {two['finding']}" in page
        assert two["finding"] in Document(overview).text
    else:
        assert "ok since" in page
    walked = run_command("probe", "--json", TWO, cwd=tmp_path, env=PACE | simulated.variables)
    (once,) = json.loads(walked.stdout)["outcomes"]
    assert {once[fact] == two["last"][fact] for fact in ("reason", "fault", "step", "phase")} == {True}
    assert walked.returncode == (0 if once["success"] else 1)


def same_as_the_metrics(target: dict[str, Any], metrics: Samples) -> None:
    def value(family: str, **labels: str) -> float | None:
        return metrics.value(f"pingone_flow_{family}", target=target["target"], **labels)

    def moment(name: str) -> Any:  # noqa: ANN401  pytest's approximation has no name of its own
        if name not in target:
            return None
        return pytest.approx(datetime.fromisoformat(target[name]).timestamp(), abs=MILLISECOND)

    last, failing = target["last"], target["state"] == "failing"
    result = {fact: last[fact] for fact in ("step", "phase", "reason", "fault")}
    assert value("probe_last_result_info", **result) == 1
    assert value("probe_success") == last["success"]
    assert value("probe_consecutive_failures") == (target["in_a_row"] if failing else 0)
    assert value("probe_state_change_timestamp_seconds") == moment("since")
    assert value("backoff_until_timestamp_seconds") == moment("held_until")
    assert value("http_status_code") == last["steps"][-1].get("http_status_code")
    if "certificate_not_after" in target:  # the page drops what may be another one's, the metric does not
        assert value("tls_certificate_expiry_timestamp_seconds") == moment("certificate_not_after")


def test_without_network_access_no_provider_is_blamed(simulated: Simulated, tmp_path: Path) -> None:
    for name in (ONE, TWO):
        simulated.put(name, {"weather": "silent"})
    pace = {**PACE, "FLOW_EXPORTER_DEFAULTS__INTERVAL": BRISK}
    environment = {**pace, **simulated.variables, "FLOW_EXPORTER_EGRESS_CHECK_URL": "http://127.0.0.1:1/"}
    with Daemon(environment, directory=tmp_path, logs=tmp_path / "logs") as daemon:
        status = poll(
            lambda: daemon.get("/api/v1/targets").json(),
            lambda status: (
                "egress" in status and {one.get("state") for one in status["targets"]} == {"failing"}
            ),
            what="failures, and an egress check",
        )
        assert daemon.metrics().value(EGRESS) == status["egress"]["up"] == 0
        assert status["headline"].startswith(
            "The exporter has no network access: its own egress check has been failing since "
        )
        assert status["headline"].endswith(
            "2 of 2 federations failing, which says nothing about any provider."
        )
        assert status["headline"] in Document(daemon.get("/").text).text
        page = Document(daemon.get(f"/targets/{ONE}").text).text
        assert "Likely cause: the exporter's own network (its egress check has been failing since" in page
        simulated.put(ONE, {"weather": "healthy"})
        poll(
            lambda: daemon.get("/api/v1/targets").json()["headline"],
            lambda headline: (
                re.match(r"1 of 2 federations failing since .*; likely cause: provider\.", headline)
                is not None
            ),
            what="a successful check",
        )
