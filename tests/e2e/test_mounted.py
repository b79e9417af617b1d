"""The daemon in a pod of the chart: what is mounted changes, and is followed without a restart."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from chart.rendering import TARGET, render
from harness.http_server import HttpServer
from harness.mount import Mount

if TYPE_CHECKING:
    from chart.rendering import Release, Values
    from harness.daemon import Daemon
    from harness.factory import Factory
    from harness.samples import Samples

pytestmark = pytest.mark.e2e

SECRET = "FLOW_EXPORTER_TARGETS__EMEA__LOGIN_HINT"


def release(server: HttpServer, *names: str, hint: str) -> Release:
    target: Values = TARGET | {"authUrl": server.base_url, "destinationAuthUrl": "https://rp.example"}
    return render(
        {
            "configMode": "file",
            "targets": dict.fromkeys(names, target),
            "defaults": {"interval": "1s", "loginHint": "chart"},
            "secretVariables": {SECRET: hint},
        }
    )


def probed(page: Samples) -> set[str]:
    return {labels["target"] for labels, value in page.series("pingone_flow_probe_success") if value == 1}


def login_hints(server: HttpServer) -> set[str]:
    return {dict(request.query)["login_hint"] for request in server.requests}


def test_targets_and_secrets_of_an_upgrade_are_followed_without_a_restart(
    tmp_path: Path, daemon: Factory[..., Daemon]
) -> None:
    mounts: dict[str, Mount] = {}

    def upgrade(new: Release) -> None:
        for directory, files in new.mounts(secrets={}).items():
            mount = mounts.setdefault(directory, Mount(tmp_path / directory.lstrip("/")))
            mount.put(files)

    with HttpServer() as server:
        first = release(server, "emea", hint="one")
        second = release(server, "emea", "apac", hint="two")
        assert first.workload == second.workload
        upgrade(first)
        environ = first.environment(pod="x", secrets={}) | {
            "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0"
        }
        running = daemon(
            {name: re.sub("^/etc/", f"{tmp_path}/etc/", value) for name, value in environ.items()}
        )
        before = running.wait_until(lambda page: probed(page) == {"emea"}, what="a probe of emea")
        upgrade(second)
        after = running.wait_until(
            lambda page: probed(page) == {"emea", "apac"} and login_hints(server) == {"one", "two", "chart"},
            what="a probe of apac, and one of emea with its new secret",
        )
    started = "process_start_time_seconds"
    assert after.value(started) == before.value(started)
