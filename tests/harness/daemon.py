"""The installed command: as a daemon that is scraped, or run once."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

from harness.process import Process, clean_environment
from harness.samples import Samples
from harness.waiting import PATIENCE, poll

COMMAND = (str(Path(sys.executable).with_name("pingone-flow-exporter")),)
"""The console script as it was installed, beside the interpreter that runs the tests."""

LISTENING = re.compile(
    r'^(?=.*listening).*\baddress"?\s*[=:]\s*"?(?P<host>[^\s"]*):(?P<port>\d+)', re.MULTILINE
)
"""The start-up line with the address of the web port: `… listening … address=HOST:PORT`, or as JSON."""

ANY_HOST = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  compared with, never bound
TEXT_FORMAT = "text/plain;version=0.0.4"


class Daemon(Process):
    """`pingone-flow-exporter run` with settings of its own, ready to be scraped inside the `with` block.

    Args:
        environment: `FLOW_EXPORTER_…` variables, and others if a test needs them. Unless they say where to
            listen, it is a free port of 127.0.0.1.
        directory: its working directory, where it looks for `.env`.
        logs: where its output goes; see `Process`.
        arguments: after the command's name.
        command: stands in for the installed one.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        directory: Path,
        logs: Path,
        arguments: Sequence[str] = (),
        command: Sequence[str] = COMMAND,
    ) -> None:
        listen = {"FLOW_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0"}
        super().__init__(
            [*command, *arguments], directory=directory, logs=logs, environment={**listen, **environment}
        )
        self.address = ""

    @property
    def url(self) -> str:
        """Scheme, host and port where it really listens, without a trailing slash."""
        return f"http://{self.address}"

    def start(self) -> None:
        """Start it and return when it listens.

        Raises:
            AssertionError: it ended instead, or did not listen in time. Nothing is left running.
        """
        written = len(self.log())  # a second start writes to the same file
        super().start()
        try:
            match = self.wait_for_log(LISTENING, what="listening line", skip=written)
        except BaseException:
            self.kill()
            raise
        host, port = match["host"], match["port"]
        self.address = f"{ANY_HOST.get(host, host)}:{port}"

    def request(self, method: str, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Ask it over a connection of its own.

        Raises:
            AssertionError: no answer; the text has the end of its log.
        """
        try:
            with httpx.Client(base_url=self.url, timeout=PATIENCE, trust_env=False) as client:
                return client.request(method, path, headers=headers)
        except httpx.TransportError as error:
            raise AssertionError(f"{method} {self.url}{path}: {error!r}; {self.tail()}") from error

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Ask with GET."""
        return self.request("GET", path, headers)

    def metrics(self) -> Samples:
        """Return what a scrape in the text format shows now."""
        response = self.get("/metrics", {"Accept": TEXT_FORMAT})
        if response.status_code != httpx.codes.OK:
            raise AssertionError(f"/metrics answered {response.status_code}: {response.text}; {self.tail()}")
        return Samples(response.text)

    def wait_until(
        self, predicate: Callable[[Samples], object], *, timeout: float = PATIENCE, what: str
    ) -> Samples:
        """Scrape until `predicate` holds of the page, and return that page.

        Raises:
            AssertionError: it did not within `timeout` seconds, or the daemon stopped answering. The text has
                the last page and the end of the log.
        """

        def describe(samples: Samples) -> str:
            return f"{samples.digest()}\n{self.tail()}"

        return poll(self.metrics, predicate, timeout=timeout, what=what, describe=describe)


def run_command(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    timeout: float = PATIENCE,
    command: Sequence[str] = COMMAND,
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end with a clean environment, and return its output and exit code.

    Raises:
        subprocess.TimeoutExpired: it did not end in time; it was killed.
    """
    return subprocess.run(
        [*command, *arguments],
        cwd=cwd,
        env=clean_environment(cwd, env or {}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=timeout,
        check=False,
    )
