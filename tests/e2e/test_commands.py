"""The commands of an operator, and the errors they report."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness.daemon import run_command
from harness.http_server import HttpServer
from harness.variables import CLIENT, DESTINATION, PREFIX, SOURCE, target_variables

from exporter import __version__

if TYPE_CHECKING:
    from harness.daemon import Daemon
    from harness.factory import Factory

pytestmark = pytest.mark.e2e

GOOD = target_variables("emea", "https://auth.pingone.example")
VERSION = f"pingone-flow-exporter {__version__}\n"
SECRET = "hunter2-planted"


def lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the errors, a line each, after checking that there is nothing else but check-config's count."""
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    errors = done.stderr.splitlines()
    if "check-config" in done.args:
        count = errors.pop()
        assert count == f"{len(errors)} error{'' if len(errors) == 1 else 's'}"
    return errors


def names(complaints: list[str]) -> list[str]:
    return [complaint.partition(":")[0] for complaint in complaints]


@pytest.mark.parametrize("command", [("run",), (), ("check-config",)], ids=["run", "none", "check-config"])
def test_without_a_target_it_shows_the_required_variables(tmp_path: Path, command: tuple[str, ...]) -> None:
    (complaint,) = lines(run_command(*command, cwd=tmp_path))
    assert complaint.startswith(f"{PREFIX}TARGETS: no targets; ")
    for field in ("SOURCE_ENVIRONMENT_ID", "DESTINATION_ENVIRONMENT_ID", "CLIENT_ID"):
        assert f"__{field}" in complaint


def test_a_typo_is_reported_with_a_suggestion(tmp_path: Path) -> None:
    typo = f"{PREFIX}TARGETS__EMEA__INTERVALL"
    (complaint,) = lines(run_command(cwd=tmp_path, env=GOOD | {typo: "30s"}))
    assert complaint.startswith(f"{typo}: ")
    assert f"did you mean {PREFIX}TARGETS__EMEA__INTERVAL?" in complaint


def test_a_missing_file_is_reported_with_its_variable(tmp_path: Path) -> None:
    variable = f"{PREFIX}TARGETS__EMEA__CA_FILE"
    complaints = lines(run_command(cwd=tmp_path, env=GOOD | {variable: "no-such.pem"}))
    assert names(complaints) == [variable]


@pytest.mark.parametrize("command", [(), ("check-config",)], ids=["run", "check-config"])
def test_all_errors_are_reported_at_once_and_without_values(tmp_path: Path, command: tuple[str, ...]) -> None:
    errors = {
        f"{PREFIX}CLIENT_SECRET": SECRET,
        f"{PREFIX}DEFAULTS__SCOPE": f'"{SECRET}"',
        f"{PREFIX}LOG__FORMAT": SECRET,
        f"{PREFIX}SHUTDOWN_GRACE": SECRET,
        f"{PREFIX}TARGETS__EMEA__AUTH_URL": f"https://someone:{SECRET}@auth.pingone.example",
        f"{PREFIX}TARGETS__EMEA__CLIENT_ID": f"a secret with spaces {SECRET}",
        f"{PREFIX}TARGETS__EMEA__CLIENT_SECRET": SECRET,
        f"{PREFIX}TARGETS__EMEA__INTERVAL": SECRET,
        f"{PREFIX}TARGETS__EMEA__REDIRECT_URI": f"https://rp.example/cb#{SECRET}",
        f"{PREFIX}TARGETS__EMEA__SOURCE_ENVIRONMENT_ID": SECRET,
        f"{PREFIX}TARGETS__HALF__REGION": SECRET,
    }
    done = run_command(*command, cwd=tmp_path, env=GOOD | errors)
    missing = {
        f"{PREFIX}TARGETS__HALF__{field}"
        for field in ("CLIENT_ID", "DESTINATION_ENVIRONMENT_ID", "SOURCE_ENVIRONMENT_ID")
    }
    assert set(names(lines(done))) == errors.keys() | missing
    assert SECRET not in done.stderr


def test_check_config_prints_what_would_be_probed(tmp_path: Path) -> None:
    environment = GOOD | {f"{PREFIX}TARGETS__EMEA__LOGIN_HINT": SECRET}
    done = run_command("check-config", cwd=tmp_path, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert "target emea\n" in done.stdout
    assert done.stdout.endswith("\nOK: 1 target\n")
    assert f"https://auth.pingone.example/{SOURCE}/as/authorize" in done.stdout
    assert f"https://auth.pingone.example/{DESTINATION}/rp/callback/openid_connect" in done.stdout
    assert SECRET not in done.stdout


def test_every_source_of_settings_is_read_by_precedence(tmp_path: Path, daemon: Factory[..., Daemon]) -> None:
    directory = tmp_path / "work"
    directory.mkdir()
    with HttpServer() as server:
        emea = {"source_environment_id": SOURCE, "destination_environment_id": DESTINATION, "interval": "7s"}
        (directory / ".env").write_text(
            f"OTHER_PROGRAM=1\n"
            f"{PREFIX}TARGETS__FROM_FILE__CLIENT_ID={CLIENT}\n"
            f"{PREFIX}DEFAULTS__INTERVAL=11s\n"
            f"{PREFIX}DEFAULTS__AUTH_URL='{server.base_url}'  # a comment\n",
            encoding="utf-8",
        )
        running = daemon(
            {
                f"{PREFIX}TARGETS": json.dumps({"EMEA": emea, "from_file": {**emea, "interval": "9s"}}),
                f"{PREFIX}TARGETS__EMEA__CLIENT_ID": CLIENT,
                f"{PREFIX}DEFAULTS__INTERVAL": "8s",
                f"{PREFIX}targets__Plain__source_environment_id": SOURCE,
                f"{PREFIX}targets__Plain__DESTINATION_ENVIRONMENT_ID": DESTINATION,
                f"{PREFIX}targets__Plain__Client_ID": CLIENT,
            },
            directory=directory,
        )
        page = running.wait_until(
            lambda page: page.total("pingone_flow_probe_success") == 3.0, what="three successes"
        )
        intervals = {
            labels["target"]: value
            for labels, value in page.series("pingone_flow_target_interval_seconds", journey="authorize")
        }
        assert intervals == {"emea": 7.0, "from_file": 9.0, "plain": 8.0}


def test_the_version_is_the_same_by_either_name(tmp_path: Path) -> None:
    assert run_command("--version", cwd=tmp_path).stdout == VERSION
    module = run_command("--version", cwd=tmp_path, command=(sys.executable, "-m", "exporter"))
    assert (module.returncode, module.stdout, module.stderr) == (0, VERSION, "")


@pytest.mark.parametrize("arguments", [("prob",), ("run", "more"), ("--verbose",)])
def test_an_unknown_command_is_an_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    done = run_command(*arguments, cwd=tmp_path, env=GOOD)
    assert (done.returncode, done.stdout) == (2, "")
    assert re.search(r"^usage: pingone-flow-exporter", done.stderr)
    assert "Traceback" not in done.stderr
