"""The command does not depend on how it is started, nor on files that cannot be read."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness.daemon import COMMAND, run_command
from harness.http_messages import Answer
from harness.process import clean_environment
from harness.variables import target_variables
from harness.waiting import PATIENCE, poll

if TYPE_CHECKING:
    from harness.daemon import Daemon
    from harness.factory import Factory
    from harness.http_server import HttpServer

pytestmark = pytest.mark.e2e

HANGING = """
import os, time
usual = os.stat

def stat(path, *given, **named):
    if str(path).endswith("flows.yaml") and os.path.lexists({marker!r}):
        open({hung!r}, "w").close()
        time.sleep(3600)
    return usual(path, *given, **named)

os.stat = stat
"""
"""A `sitecustomize` with which a file hangs, as on a dead network file system, once a marker exists."""

PROBES = "pingone_flow_probes_total"


def test_a_file_that_hangs_does_not_delay_the_exit(
    daemon: Factory[..., Daemon], tmp_path: Path, http_server: Factory[..., HttpServer]
) -> None:
    marker, hung, file = tmp_path / "marker", tmp_path / "hung", tmp_path / "flows.yaml"
    file.write_text("log:\n  level: info\n", encoding="utf-8")
    (tmp_path / "sitecustomize.py").write_text(
        HANGING.format(marker=str(marker), hung=str(hung)), encoding="utf-8"
    )
    running = daemon(
        target_variables("emea", http_server().base_url)
        | {"FLOW_EXPORTER_CONFIG_FILE": str(file), "PYTHONPATH": str(tmp_path)}
    )
    marker.symlink_to("anywhere")
    poll(hung.exists, bool, what="a look at the file")
    assert running.stop(timeout=15.0) == 0
    assert "Traceback" not in running.log()


def test_an_outage_of_more_targets_than_the_soft_limit_of_open_files_is_seen_by_all(
    daemon: Factory[..., Daemon], http_server: Factory[..., HttpServer]
) -> None:
    server = http_server(Answer(delay=3600.0))
    names = [f"t{number}" for number in range(60)]
    environment: dict[str, str] = {}
    for name in names:
        environment |= target_variables(name, server.base_url, interval="10s", timeout="4s")
    limited = ("/bin/sh", "-c", 'ulimit -Sn 48 && exec "$@"', "sh", *COMMAND)
    running = daemon(environment, command=limited)
    page = running.wait_until(
        lambda page: all(page.total(PROBES, target=name) for name in names),
        what="an outcome each",
    )
    assert page.total(PROBES, reason="timeout") == page.total(PROBES)


def test_variables_of_libraries_change_nothing(
    daemon: Factory[..., Daemon], tmp_path: Path, http_server: Factory[..., HttpServer]
) -> None:
    running = daemon(
        target_variables("emea", http_server().base_url)
        | {
            "PROMETHEUS_MULTIPROC_DIR": str(tmp_path / "nowhere"),
            "SSLKEYLOGFILE": str(tmp_path / "nowhere" / "keys"),
            "WEB_CONCURRENCY": "many",
        }
    )
    running.wait_until(lambda page: page.total(PROBES, reason="ok"), what="a probe")
    assert running.stop() == 0


def test_a_named_pipe_in_place_of_a_settings_file_is_one_sentence(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ".env")
    done = run_command("check-config", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, f".env: not a regular file: {tmp_path}/.env\n1 error\n")


@pytest.mark.parametrize(("arguments", "status"), [(["check-config"], 2), (["--version"], 0), ([], 2)])
def test_closed_standard_streams_change_no_exit_status(
    tmp_path: Path, arguments: list[str], status: int
) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *COMMAND, *arguments],
        cwd=tmp_path,
        env=clean_environment(tmp_path, {}),
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == status


def test_a_working_directory_that_was_deleted_is_one_sentence(tmp_path: Path) -> None:
    directory = tmp_path / "gone"
    directory.mkdir()
    done = subprocess.run(
        ["/bin/sh", "-c", 'rmdir "$PWD" && exec "$@"', "sh", *COMMAND, "check-config"],
        cwd=directory,
        env=clean_environment(tmp_path, {}),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "the working directory does not exist\n")
