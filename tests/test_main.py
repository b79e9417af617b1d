"""The command from its first moment on: a signal ends it, whatever it is doing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import pytest
from harness.daemon import COMMAND, LISTENING, Daemon
from harness.process import Process, clean_environment
from harness.variables import target_variables

from exporter import __main__ as command

TRIES = 12
WITHIN = 0.5
"""Seconds from the first moment at which a signal can end it; by then it probes."""

AT_ONCE = 20.0
"""Seconds: long beside what an end takes on any machine."""

SIGNALS = (signal.SIGTERM, signal.SIGINT)
each_signal = pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")

NAMESPACES = (
    ("unshare", "--pid", "--fork", "--kill-child"),
    ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"),
)


@cache
def namespace() -> Sequence[str] | None:
    """Return what runs a command as the first process of a namespace, None where that is not allowed."""
    for prefix in NAMESPACES:
        try:
            subprocess.run([*prefix, "true"], check=True, capture_output=True, timeout=AT_ONCE)
        except (OSError, subprocess.SubprocessError):
            continue
        return prefix
    return None


def listens_to(number: signal.Signals, pid: int) -> bool:
    """Return whether a process handles a signal (proc(5), SigCgt)."""
    caught = "SigCgt:"
    (mask,) = [
        line.removeprefix(caught)
        for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
        if line.startswith(caught)
    ]
    return bool(int(mask, 16) >> (number - 1) & 1)


def child_of(pid: int) -> int | None:
    """Return the only child of a process, None as long as it has none."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return int(children[0]) if children else None


def await_handlers(process: Process, *, first: bool) -> int:
    """Return the id of the command's process as soon as it handles SIGTERM, the last of the two."""

    def look() -> int | None:
        assert process.exit_code is None, process.tail()
        pid = child_of(process.pid) if first else process.pid
        return pid if pid is not None and listens_to(signal.SIGTERM, pid) else None

    deadline = time.monotonic() + AT_ONCE
    while (pid := look()) is None:  # a finer step than `poll` has: there is half a second to hit
        assert time.monotonic() < deadline, process.tail()
        time.sleep(0.001)
    return pid


def end_at_a_random_moment(
    number: signal.Signals, attempt: int, tmp_path: Path, *, prefix: Sequence[str] = ()
) -> None:
    """Start the daemon and tell it to end; attempts are spread over the time of its start."""
    moment = WITHIN * (attempt + random.random()) / TRIES
    process = Process(
        [*prefix, *COMMAND],
        directory=tmp_path / f"{attempt}",
        logs=tmp_path / f"{attempt}-logs",
        environment={
            **target_variables("emea", "http://127.0.0.1:9"),
            "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0",
        },
    )
    process.start()
    try:
        pid = await_handlers(process, first=bool(prefix))
        time.sleep(moment)
        os.kill(pid, number)
        status = process.wait(timeout=AT_ONCE)
        assert status == 0, f"{number.name} after {moment:.3f} s: {process.tail()}"
        assert "Traceback" not in process.log(), f"{number.name} after {moment:.3f} s: {process.tail()}"
    finally:
        process.kill()


@pytest.mark.e2e
@linux
@each_signal
def test_a_signal_at_any_moment_of_the_start_ends_it_well(number: signal.Signals, tmp_path: Path) -> None:
    for attempt in range(TRIES):
        end_at_a_random_moment(number, attempt, tmp_path)


@pytest.mark.e2e
@linux
def test_a_reload_signal_at_any_moment_of_the_start_is_harmless(tmp_path: Path) -> None:
    """A file is changed and SIGHUP sent by who does not know that the daemon was just started anew."""
    for attempt in range(TRIES // 3):
        daemon = Daemon(
            target_variables("emea", "http://127.0.0.1:9"),
            directory=tmp_path / f"{attempt}",
            logs=tmp_path / f"{attempt}-logs",
        )
        Process.start(daemon)
        try:
            await_handlers(daemon, first=False)
            time.sleep(WITHIN * attempt / (TRIES // 3))
            daemon.signal(signal.SIGHUP)
            daemon.wait_for_log(LISTENING, timeout=AT_ONCE, what="listening line")
            assert daemon.stop() == 0, daemon.tail()
        finally:
            daemon.kill()


@pytest.mark.e2e
@linux
@each_signal
def test_as_the_first_process_of_a_container_it_ends_well_too(number: signal.Signals, tmp_path: Path) -> None:
    prefix = namespace()
    if prefix is None:
        pytest.skip("no namespace of processes may be made here")
    for attempt in range(TRIES):
        end_at_a_random_moment(number, attempt, tmp_path, prefix=prefix)


SWALLOWED = """
import signal, sys, types

class Dying:
    def __del__(self):
        signal.raise_signal(signal.{number})

class Command(types.ModuleType):
    @staticmethod
    def main():
        Dying()
        print("went on")
        return 3

sys.modules["exporter.cli"] = Command("exporter.cli")
from exporter.__main__ import main
sys.exit(main())
"""


@pytest.mark.e2e
@each_signal
def test_a_signal_ends_it_even_if_an_exception_would_be_swallowed(
    number: signal.Signals, tmp_path: Path
) -> None:
    """An import runs destructors and callbacks of weak references, out of which nothing is raised."""
    ended = subprocess.run(
        [sys.executable, "-c", SWALLOWED.format(number=number.name)],
        cwd=tmp_path, capture_output=True, text=True, timeout=AT_ONCE, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


BEFORE_THE_IMPORTS = """
import signal, sys

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "exporter.cli":
            print(sorted(sys.modules.keys() & {{"asyncio", "exporter.settings", "pydantic"}}), flush=True)
            signal.raise_signal(signal.{number})

sys.meta_path.insert(0, Finder)
from exporter.__main__ import main
sys.exit(main())
"""


def told_before_the_imports(
    number: signal.Signals, directory: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    """Run the command, and tell it something just before it imports what takes a while."""
    return subprocess.run(
        [sys.executable, "-c", BEFORE_THE_IMPORTS.format(number=number.name), *words],
        cwd=directory, env=clean_environment(directory, {}),
        capture_output=True, text=True, timeout=AT_ONCE, check=False,
    )  # fmt: skip


@pytest.mark.e2e
@each_signal
def test_a_signal_before_slow_imports_ends_it_well(number: signal.Signals, tmp_path: Path) -> None:
    ended = told_before_the_imports(number, tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "[]\n", "")


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("word", "status"),
    [("run", 0), ("demo", 0), ("probe", 1), ("check-config", 1), ("--config.file probe", 0),
     ("--log.level=info --config.file run probe", 1)],
    ids=str,
)  # fmt: skip
def test_a_signal_before_the_result_is_known_is_not_a_success(word: str, status: int, tmp_path: Path) -> None:
    ended = told_before_the_imports(signal.SIGTERM, tmp_path, *word.split())
    assert (ended.returncode, ended.stderr) == (status, "")


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("word", "status"),
    [("run", 2), ("demo", -signal.SIGHUP), ("probe", -signal.SIGHUP), ("check-config", -signal.SIGHUP)],
    ids=str,
)
def test_a_terminal_that_is_closed_during_the_start_ends_all_but_the_daemon(
    word: str, status: int, tmp_path: Path
) -> None:
    """Which reloads on SIGHUP, and goes on to say that there is no target."""
    ended = told_before_the_imports(signal.SIGHUP, tmp_path, word)
    assert ended.returncode == status, ended.stderr


def test_the_exit_status_is_the_commands_and_both_signals_are_handled_before_it_begins(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],  # its streams are the test's own, whatever is done to them
) -> None:
    exits: list[int] = []
    monkeypatch.setattr(os, "_exit", exits.append)
    monkeypatch.setattr(sys, "argv", ["pingone-flow-exporter"])
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def main() -> int:
        for number in SIGNALS:
            signal.raise_signal(number)
        return 7

    monkeypatch.setattr("exporter.cli.main", main)
    try:
        assert command.main() == 7
        assert exits == [0, 0, 7]
        assert capsys.readouterr() == ("", "")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
