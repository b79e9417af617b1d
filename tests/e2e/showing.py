"""The commands that need no tenant, `demo` and `simulate`: with output that is read while they run."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import httpx
from harness.daemon import COMMAND
from harness.process import Process
from harness.waiting import PATIENCE, poll

PRINTED = re.compile(r"^# weather: curl (\S+)\n", re.MULTILINE)
"""The last line that `simulate` prints: where its weather is changed."""

PLACE = re.compile(
    r"^(page|metrics|Prometheus|alerts|Alertmanager|weather|change it|stop) +(\S.*)$", re.MULTILINE
)


class Shown(Process):
    """`pingone-flow-exporter demo` or `simulate`, with a directory for temporary files of its own.

    Args:
        arguments: the command and what follows it.
        directory: for its working directory, its output and its temporary files.
        environment: what is added to the clean environment.
    """

    def __init__(
        self, *arguments: str, directory: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self.temporary = directory / "temporary"
        self.temporary.mkdir(parents=True)
        super().__init__(
            [*COMMAND, *arguments],
            directory=directory / "work",
            logs=directory / "logs",
            environment={"TMPDIR": str(self.temporary), **(environment or {})},
        )

    def output(self) -> str:
        """Return all it wrote to standard output so far."""
        return self.stdout.read_text(encoding="utf-8")

    def wait_for_output(self, pattern: re.Pattern[str]) -> str:
        """Return its output as soon as it has a match.

        Raises:
            AssertionError: it ended before, or took too long.
        """

        def look() -> str:
            ended = self.exit_code is not None  # asked first: what it wrote before its end counts
            written = self.output()
            assert pattern.search(written) or not ended, f"no {pattern.pattern}: {written}{self.tail()}"
            return written

        return poll(look, pattern.search, what=pattern.pattern)

    def places(self) -> dict[str, str]:
        """Return what the demo says about where everything is, as soon as it has."""
        return dict(PLACE.findall(self.wait_for_output(re.compile(r"^stop .*\n", re.MULTILINE))))

    def left_behind(self) -> list[str]:
        """Return the names of its temporary files."""
        return sorted(path.name for path in self.temporary.iterdir())


def get(url: str) -> str:
    """Return what is there.

    Raises:
        AssertionError: it is no success.
    """
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        response = client.get(url)
    assert response.status_code == httpx.codes.OK, response.text
    return response.text


def sourced(printed: str, directory: Path) -> dict[str, str]:
    """Return the exporter's variables in a shell that has read what was printed."""
    file = directory / "variables.sh"
    file.write_text(printed, encoding="utf-8")
    done = subprocess.run(
        ["sh", "-c", f". {shlex.quote(str(file))} && env"],
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert done.stderr == ""
    pairs = [line.partition("=") for line in done.stdout.splitlines()]
    return {name: value for name, _, value in pairs if name.startswith("FLOW_EXPORTER_")}
