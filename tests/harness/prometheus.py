"""Debian's Prometheus and promtool: the ones who really read the metrics page."""

from __future__ import annotations

import json
import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from harness.process import Process
from harness.waiting import PATIENCE, poll

LISTENING = re.compile(r'msg="Listening on" address=(?P<address>\S+:\d+)')
READY = re.compile(r"Server is ready to receive web requests")
RETENTION = "1h"

_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""A client makes its own otherwise, and reads all authorities: 20 ms for a query that takes 3."""

Vector = list[tuple[dict[str, str], float]]


def need_tool(name: str) -> str:
    """Return the path of a program; without it the test is skipped, or in CI, which skips nothing, fails."""
    if path := shutil.which(name):
        return path
    reason = f"{name} is not installed: `make test-tools` installs it"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


class Prometheus(Process):
    """A Prometheus that scrapes `targets` and answers queries inside the `with` block.

    Args:
        targets: `host:port` of each page to scrape.
        directory: where its configuration and data go.
        scrape_interval: a Prometheus duration.
        configuration: further parts of its configuration file, such as `rule_files`; a part that it has
            already, such as `scrape_configs`, is replaced.
        scrape: further keys of the scrape configuration, such as `scheme`.
        web_config: its own web configuration file.
        access: what `httpx.Client` needs to get past that file: `verify`, `auth`.
    """

    def __init__(
        self,
        targets: Sequence[str] = (),
        *,
        directory: Path,
        scrape_interval: str = "1s",
        configuration: Mapping[str, Any] | None = None,
        scrape: Mapping[str, object] | None = None,
        web_config: Path | None = None,
        access: Mapping[str, Any] | None = None,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        written = directory / "prometheus.yml"
        parts = {**_configuration(targets, scrape_interval, scrape or {}), **(configuration or {})}
        written.write_text(json.dumps(parts))  # JSON is YAML
        command = [
            need_tool("prometheus"),
            f"--config.file={written}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--storage.tsdb.retention.time={RETENTION}",
            "--web.listen-address=127.0.0.1:0",
            *([f"--web.config.file={web_config}"] if web_config else []),
        ]
        super().__init__(command, directory=directory, logs=directory / "logs", environment={})
        self.address = ""
        self._access = dict(access or {})
        self._scheme = "https" if "verify" in self._access else "http"

    def start(self) -> None:
        """Start it and return when it answers queries.

        Raises:
            AssertionError: it did not come up. Nothing is left running.
        """
        super().start()
        try:
            match = self.wait_for_log(LISTENING, what="Prometheus that listens")
            self.wait_for_log(READY, what="Prometheus that is ready")
        except BaseException:
            self.kill()
            raise
        self.address = match["address"]

    def query(self, promql: str, at: float | None = None) -> Vector:
        """Return the instant vector of an expression, now or at another time: labels and value."""
        moment = {} if at is None else {"time": str(at)}
        answer = self._ask("query", query=promql, **moment)
        return [(entry["metric"], float(entry["value"][1])) for entry in answer["result"]]

    def values(self, promql: str, *, start: float, end: float, step: float) -> list[float]:
        """Return all values that an expression has within a time, of all its series."""
        answer = self._ask("query_range", query=promql, start=str(start), end=str(end), step=str(step))
        return [float(value) for entry in answer["result"] for _, value in entry["values"]]

    def label_values(self, label: str, selector: str) -> list[str]:
        """Return the values that a label has among the series of a selector."""
        values: list[str] = self._ask(f"label/{label}/values", **{"match[]": selector})
        return values

    def wait_for(
        self, promql: str, predicate: Callable[[Vector], object], *, timeout: float = PATIENCE
    ) -> Vector:
        """Query until `predicate` holds of the answer, and return that answer.

        Raises:
            AssertionError: it did not within `timeout` seconds. The text has the last answer and the targets.
        """

        def describe(last: Vector) -> str:
            return f"{last}\ntargets: {self.targets()}\n{self.tail()}"

        return poll(lambda: self.query(promql), predicate, timeout=timeout, what=promql, describe=describe)

    def targets(self) -> list[dict[str, Any]]:
        """Return its active targets as its API shows them, with `health` and `lastError`."""
        active: list[dict[str, Any]] = self._ask("targets", state="active")["activeTargets"]
        return active

    def _ask(self, endpoint: str, **parameters: str) -> Any:  # noqa: ANN401  whatever the API returns
        with httpx.Client(timeout=PATIENCE, trust_env=False, **{"verify": _NO_TLS, **self._access}) as client:
            response = client.get(f"{self._scheme}://{self.address}/api/v1/{endpoint}", params=parameters)
        document = response.json()
        if document["status"] != "success":
            raise AssertionError(f"{endpoint} {parameters}: {document['errorType']}: {document['error']}")
        return document["data"]


def promtool_check_metrics(text: str) -> tuple[int, str]:
    """Return exit code and output of `promtool check metrics`: 0 when it finds nothing wrong with `text`."""
    done = subprocess.run(
        [need_tool("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _configuration(
    targets: Sequence[str], scrape_interval: str, scrape: Mapping[str, object]
) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": scrape_interval, "scrape_timeout": scrape_interval},
        "scrape_configs": [{"job_name": "pingone", "static_configs": [{"targets": list(targets)}], **scrape}],
    }
