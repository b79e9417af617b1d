"""A control group with a limit, for one command: memory as in a pod, or a number of threads and processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path("/sys/fs/cgroup")
FILES = {"memory": ("memory.limit_in_bytes", "memory.max"), "pids": ("pids.max", "pids.max")}
"""The file of the limit, in version 1 of control groups and in version 2."""


class Cgroup:
    """A control group.

    Args:
        directory: its own.
        limit: the file of its limit.
    """

    def __init__(self, directory: Path, limit: Path) -> None:
        self._directory = directory
        self._limit = limit

    def limit(self, value: int) -> None:
        """Set the limit, in bytes or threads."""
        self._limit.write_text(str(value), encoding="ascii")

    def running(self, command: Sequence[str]) -> tuple[str, ...]:
        """Return a command that runs in this group."""
        enter = f'echo $$ >"{self._directory}/cgroup.procs" && exec "$@"'
        return ("/bin/sh", "-c", enter, "sh", *command)


@contextmanager
def cgroup(controller: str) -> Iterator[Cgroup]:
    """Make a control group; the test is skipped where that is not possible."""
    old = ROOT / controller
    parent, file = (old, FILES[controller][0]) if old.is_dir() else (ROOT, FILES[controller][1])
    directory = parent / f"pingone-flow-exporter-test-{os.getpid()}"
    try:
        directory.mkdir()
    except OSError as error:
        pytest.skip(f"no control groups to make here: {error.strerror}; run as root, with {ROOT} writable")
    try:
        if not (directory / file).exists():
            pytest.skip(f"control groups do not limit {controller} here")
        yield Cgroup(directory, directory / file)
    finally:
        directory.rmdir()
