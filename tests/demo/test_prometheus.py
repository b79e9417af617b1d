"""A Prometheus beside the demo: its configuration, its rules, its port, and that ours answers."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
from pathlib import Path

import pytest
from harness.http_messages import json_answer
from harness.http_server import HttpServer
from harness.prometheus import need_tool

from exporter.demo import prometheus
from exporter.demo.prometheus import (
    configuration_for,
    find_program,
    free_port,
    rule_files,
    rules_for,
    scraping,
)
from exporter.process import CommandError


def program(directory: Path, script: str) -> str:
    """Write a program that stands in for Prometheus."""
    path = directory / "prometheus"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def start(command: str) -> dict[str, str]:
    """Start it, return the URLs, and stop it."""

    async def scenario() -> dict[str, str]:
        async with scraping(command, "127.0.0.1:9988") as urls:
            return urls

    return asyncio.run(scenario())


def test_it_scrapes_the_exporter_and_nothing_else_each_second() -> None:
    assert json.loads(configuration_for("127.0.0.1:1234", ["127.0.0.1:5"], "/rules")) == {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["/rules/*.yaml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["127.0.0.1:5"]}]}]},
        "scrape_configs": [
            {"job_name": "pingone-flow-exporter", "static_configs": [{"targets": ["127.0.0.1:1234"]}]}
        ],
    }


def test_the_rules_wait_a_tenth_as_long_and_link_to_the_exporter() -> None:
    rules = """\
    interval: 30s
        for: 1h
        keep_firing_for: 5m
          exporter_url: http://pingone-flow-exporter:9988/targets/{{ $labels.target }}
          dashboard_url: http://grafana:3000/d/x
          description: in use for: 5m
"""
    expected = """\
    interval: 3s
        for: 360s
        keep_firing_for: 30s
          exporter_url: http://127.0.0.1:1234/targets/{{ $labels.target }}
          description: in use for: 5m
"""
    assert rules_for(rules, "127.0.0.1:1234") == expected


def test_promtool_accepts_configuration_and_rules(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(configuration_for("127.0.0.1:1234", ["127.0.0.1:5"], str(tmp_path)), encoding="utf-8")
    for rules in rule_files():
        text = rules_for(rules.read_text(encoding="utf-8"), "127.0.0.1:1234")
        (tmp_path / rules.name).write_text(text, encoding="utf-8")
        assert "//pingone-flow-exporter:9988/" not in text
    command = [need_tool("promtool"), "check", "config", "--lint-fatal", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_free_port_is_the_wanted_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert free_port(port) == port


def test_a_port_in_use_is_replaced_by_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        other = free_port(port)
    assert other != port
    with socket.create_server(("127.0.0.1", other)):
        pass


def test_no_port_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(OSError, match=r"^127\.0\.0\.1 has no free port$"):
        free_port(9090)


def test_it_is_found_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_program("other", "prometheus") is None
    command = program(tmp_path, "exit 0")
    assert find_program("other", "prometheus") == command


@pytest.mark.parametrize(("script", "output"), [("exit 3", ""), ("echo one; echo two >&2; exit 3", ": two")])
def test_one_that_exits_at_once_is_reported_with_its_last_line(
    tmp_path: Path, script: str, output: str
) -> None:
    with pytest.raises(CommandError) as error:
        start(program(tmp_path, script))
    assert str(error.value) == f"prometheus exited with status 3{output}"


def test_another_server_on_its_port_is_not_mistaken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = {"status": "success", "data": {"config.file": "/etc/prometheus/prometheus.yml"}}
    with HttpServer(json_answer(flags)) as other:
        monkeypatch.setattr(prometheus, "free_port", lambda _: other.port)
        with pytest.raises(CommandError, match="exited with status 1"):
            start(program(tmp_path, "sleep 1; exit 1"))
        assert other.requests


def test_one_that_never_answers_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prometheus, "START_SECONDS", 0.2)
    monkeypatch.setattr(prometheus, "STOP_SECONDS", 0.2)
    pid = tmp_path / "pid"
    command = program(tmp_path, f"trap '' TERM; echo $$ >{pid}; while :; do sleep 0.1; done")
    with pytest.raises(CommandError, match=r"^prometheus was not ready within 0\.2 s$"):
        start(command)
    assert not pid.exists() or not alive(int(pid.read_text()))


def alive(pid: int) -> bool:
    done = subprocess.run(["kill", "-0", str(pid)], capture_output=True, check=False)
    return done.returncode == 0
