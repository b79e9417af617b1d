"""A Prometheus beside the demo: what it is told, where it listens, and that it is ours that answers."""

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

from exporter.demo import UnavailableError, scraper
from exporter.demo.scraper import configuration_for, find_prometheus, free_port, scraping


def program(directory: Path, script: str) -> str:
    """Write a program that stands in for Prometheus."""
    path = directory / "prometheus"
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def start(command: str) -> str:
    """Start it and return its URL; it is ended again."""

    async def scenario() -> str:
        async with scraping(command, "127.0.0.1:9988") as url:
            return url

    return asyncio.run(scenario())


def test_it_scrapes_the_exporter_and_nothing_else_each_second() -> None:
    assert json.loads(configuration_for("127.0.0.1:1234")) == {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "scrape_configs": [
            {"job_name": "pingone-flow-exporter", "static_configs": [{"targets": ["127.0.0.1:1234"]}]}
        ],
    }


def test_promtool_finds_nothing_wrong_with_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "prometheus.yml"
    file.write_text(configuration_for("127.0.0.1:1234"), encoding="utf-8")
    command = [need_tool("promtool"), "check", "config", "--lint-fatal", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_free_port_is_the_wanted_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert free_port(port) == port


def test_another_port_stands_in_for_one_in_use() -> None:
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


def test_it_is_found_on_path_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_prometheus() is None
    command = program(tmp_path, "exit 0")
    assert find_prometheus() == command


@pytest.mark.parametrize(
    ("script", "said"), [("exit 3", ""), ("echo one; echo two >&2; exit 3", "; it said: two")]
)
def test_one_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path, script: str, said: str) -> None:
    with pytest.raises(UnavailableError) as error:
        start(program(tmp_path, script))
    assert str(error.value) == f"prometheus ended with status 3{said}"


def test_another_that_answers_on_its_port_is_not_taken_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = {"status": "success", "data": {"config.file": "/etc/prometheus/prometheus.yml"}}
    with HttpServer(json_answer(flags)) as other:
        monkeypatch.setattr(scraper, "free_port", lambda _: other.port)
        with pytest.raises(UnavailableError, match="ended with status 1"):
            start(program(tmp_path, "sleep 1; exit 1"))
        assert other.requests


def test_one_that_never_answers_is_given_up_and_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scraper, "_START_SECONDS", 0.2)
    monkeypatch.setattr(scraper, "_END_SECONDS", 0.2)
    pid = tmp_path / "pid"
    command = program(tmp_path, f"trap '' TERM; echo $$ >{pid}; while :; do sleep 0.1; done")
    with pytest.raises(UnavailableError, match=r"^prometheus was not ready within 0\.2 s$"):
        start(command)
    assert not pid.exists() or not alive(int(pid.read_text()))


def alive(pid: int) -> bool:
    done = subprocess.run(["kill", "-0", str(pid)], capture_output=True, check=False)
    return done.returncode == 0
