"""A child process with a clean environment and output to files that never outlives its block."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from harness.waiting import PATIENCE, poll

TAIL_LINES = 40


def clean_environment(home: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """Return PATH, HOME and `extra`: the shell of the user who runs the tests does not affect them."""
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(home), **extra}


class Process:
    """Runs a command from the start to the end of a `with` block.

    Args:
        command: program and arguments.
        directory: its working directory and HOME; made when missing.
        environment: what is added to the clean environment.
        logs: where `stdout` and `stderr` are written, a new pair for each object; made when missing. Outside
            `directory`, so that the command finds nothing there which the test did not put.

    Attributes:
        stdout: the file of its standard output.
        stderr: the file of its standard error.
    """

    def __init__(
        self, command: Sequence[str], *, directory: Path, logs: Path, environment: Mapping[str, str]
    ) -> None:
        self.command = tuple(command)
        self.directory = directory
        self.environment = dict(environment)
        logs.mkdir(parents=True, exist_ok=True)
        self.stdout = logs / "stdout"
        self.stderr = logs / "stderr"
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id, also after its end."""
        return self._started().pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative is the number of the signal that ended it."""
        return self._started().poll()

    def start(self) -> None:
        """Start it."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.stdout.open("ab") as out, self.stderr.open("ab") as err:
            self._child = subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=clean_environment(self.directory, self.environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def log(self) -> str:
        """Return all it wrote to standard error so far."""
        return self.stderr.read_text(encoding="utf-8", errors="replace") if self.stderr.exists() else ""

    def tail(self) -> str:
        """Return the end of its standard error, and whether it still runs, for the text of a failure."""
        lines = self.log().splitlines()[-TAIL_LINES:]
        state = "runs" if self.exit_code is None else f"ended with {self.exit_code}"
        return "\n".join([f"{self.command[0]} {state}; the end of its log:", *lines])

    def wait_for_log(
        self, pattern: re.Pattern[str], *, timeout: float = PATIENCE, what: str, skip: int = 0
    ) -> re.Match[str]:
        """Return the first match in what it wrote to standard error, after the first `skip` characters.

        Raises:
            AssertionError: it ended before, or `timeout` seconds passed.
        """

        def look() -> list[re.Match[str]]:
            ended = self.exit_code is not None  # asked first: what it wrote before its end counts
            written = self.log()
            match = pattern.search(written, skip, written.rfind("\n") + 1)  # never half a line
            if match is None and ended:
                raise AssertionError(f"no {what}: {self.tail()}")
            return [match] if match else []

        return poll(look, bool, timeout=timeout, what=what, describe=lambda _: self.tail())[0]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._started().send_signal(number)

    def wait(self, *, timeout: float = PATIENCE) -> int:
        """Return its exit code as soon as it ends by itself.

        Raises:
            AssertionError: it did not end within `timeout` seconds. It still runs.
        """
        try:
            return self._started().wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"still there after {timeout} s: {self.tail()}") from error

    def stop(self, *, timeout: float = PATIENCE) -> int:
        """Send SIGTERM, unless it has ended, and return its exit code.

        Raises:
            AssertionError: it did not end within `timeout` seconds; it was killed.
        """
        if self.exit_code is None:
            self.signal(signal.SIGTERM)
        try:
            return self.wait(timeout=timeout)
        finally:
            self.kill()

    def kill(self) -> None:
        """Send SIGKILL and wait for its end; nothing happens to one that has ended."""
        self._started().kill()
        self._started().wait()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            raise RuntimeError(f"{self.command[0]} was not started")
        return self._child
