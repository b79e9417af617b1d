"""The simulator alone: what it prints is enough to watch it, and what it cannot do it says in a line."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from e2e.showing import PRINTED, Shown, get, sourced
from harness.daemon import run_command
from harness.ports import held_port
from harness.simulated import discovered
from harness.waiting import PATIENCE

from exporter.reasons import Reason
from exporter.simulator import demo_environments

if TYPE_CHECKING:
    from harness.daemon import Daemon
    from harness.factory import Factory

pytestmark = pytest.mark.e2e

TARGETS = [
    *(each.name for each in demo_environments() if not (each.providers or each.port_of)),
    *discovered(demo_environments()),
]
SCRIPT = "- {after: 0, environment: environment_2, weather: refused}\n"


def environments(weather_url: str) -> dict[str, dict[str, Any]]:
    """Return what the control API lists, by name."""
    listed = json.loads(get(weather_url))["environments"]
    return {environment["environment"]: environment for environment in listed}


def test_the_printed_variables_configure_an_exporter_to_watch_it(
    tmp_path: Path, daemon: Factory[..., Daemon]
) -> None:
    with Shown("simulate", directory=tmp_path / "simulate") as simulate:
        printed = simulate.wait_for_output(PRINTED)
        (weather_url,) = PRINTED.findall(printed)
        listed = environments(weather_url)
        sick = [name for name, listing in listed.items() if listing["weather"] != "healthy"]
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            for name in sick:
                assert client.put(f"{weather_url}/{name}", json={"weather": "healthy"}).is_success
        watching = daemon(sourced(printed, tmp_path))
        page = watching.wait_until(
            lambda page: len(page.series("pingone_flow_probe_last_result_info")) == len(TARGETS),
            what="a probe of each",
        )
    results = {
        labels["target"]: labels["reason"] for labels, _ in page.series("pingone_flow_probe_last_result_info")
    }
    assert results == dict.fromkeys(TARGETS, Reason.OK)
    assert {listing["url"].partition(":")[0] for listing in listed.values()} == {"http", "https"}
    assert len(listed) == 15


@pytest.mark.parametrize(
    "number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name
)
def test_a_signal_ends_it_with_success_and_nothing_is_left(tmp_path: Path, number: signal.Signals) -> None:
    with Shown("simulate", directory=tmp_path) as simulate:
        simulate.wait_for_output(PRINTED)
        assert simulate.left_behind() != []
        simulate.signal(number)
        assert simulate.wait() == 0
    assert simulate.left_behind() == []
    assert "Traceback" not in simulate.log()


def test_options_choose_environments_weather_script_and_control_port(tmp_path: Path) -> None:
    script = tmp_path / "weather.yaml"
    script.write_text(SCRIPT, encoding="utf-8")
    weather = ["--weather", "environment_1=slow,ms=800", "--weather", "environment_3=error_html,code=502"]
    with held_port() as held:
        port = held.getsockname()[1]
        options = ["--environments", "3", "--control-port", str(port), "--script", str(script), *weather]
        with Shown("simulate", *options, directory=tmp_path / "simulate") as simulate:
            (url,) = PRINTED.findall(simulate.wait_for_output(PRINTED))
            assert url == f"http://127.0.0.1:{port}/weather"
            listed = environments(url)
    assert {name: listing["weather"] for name, listing in listed.items()} == {
        "environment_1": "slow",
        "environment_2": "refused",
        "environment_3": "error_html",
    }
    assert (listed["environment_1"]["ms"], listed["environment_3"]["code"]) == (800, 502)


def test_a_wildcard_address_is_logged_as_a_usable_one(tmp_path: Path) -> None:
    options = ("--host", "0.0.0.0", "--environments", "1")  # noqa: S104  what an operator may want
    with Shown("simulate", *options, directory=tmp_path) as simulate:
        printed = simulate.wait_for_output(PRINTED)
        assert get(*PRINTED.findall(printed))
        assert "AUTH_URL=http://127.0.0.1:" in printed


def test_an_impossible_option_is_reported_in_one_line(tmp_path: Path) -> None:
    done = run_command("simulate", "--weather", "us_retail=slow,s=1", cwd=tmp_path)
    complaint = '--weather us_retail=slow,s=1: slow has no parameter "s"; it has ms, jitter, endpoint\n'
    assert (done.returncode, done.stdout, done.stderr) == (2, "", complaint)


@pytest.mark.parametrize("port", ["-1", "99999"])
def test_an_invalid_port_is_an_error(tmp_path: Path, port: str) -> None:
    done = run_command("simulate", f"--control-port={port}", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("argument --control-port: must be a whole number from 0 to 65535\n")


def test_a_port_in_use_is_a_runtime_failure(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_command("simulate", "--control-port", str(port), cwd=tmp_path)
    complaint = (
        f"the simulator cannot listen on 127.0.0.1, control port {port}: [Errno 98] Address already in use\n"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", complaint)
