"""The process does not depend on how it was started, and stops when it is asked to."""

from __future__ import annotations

import asyncio
import io
import os
import platform
import re
import resource
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from harness.process import clean_environment

from exporter.observing import log_to
from exporter.process import (
    IGNORED_VARIABLES,
    open_file_warning,
    run_in_thread,
    stop_signals,
)

LATER = 30.0
NEEDED_FILES = 2 * 300 + 650
"""Of 300 probes: a connection each and a second attempt to connect, and all that is open besides."""


def run_python(code: str, directory: Path, **environment: str) -> str:
    """Run code in another process, after `prepare_process`, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", f"from exporter.process import prepare_process\nprepare_process()\n{code}"],
        env=clean_environment(directory, environment),
        cwd=directory,
        check=True,
        capture_output=True,
        text=True,
        timeout=LATER,
    )
    return done.stdout.strip()


def test_variables_that_would_change_a_library_are_not_seen(tmp_path: Path) -> None:
    code = f"import os\nprint(sorted(set(os.environ) & {{'KEPT', *{IGNORED_VARIABLES!r}}}))"
    variables = dict.fromkeys((*IGNORED_VARIABLES, "KEPT"), "1")
    assert run_python(code, tmp_path, **variables) == "['KEPT']"


def test_the_soft_limit_of_open_files_is_raised_to_the_hard_limit(tmp_path: Path) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    code = "import resource\nprint(resource.getrlimit(resource.RLIMIT_NOFILE))"
    lowered = f"import resource\nresource.setrlimit(resource.RLIMIT_NOFILE, (64, {hard}))\n"
    assert run_python(f"{lowered}prepare_process()\n{code}", tmp_path) == str((hard, hard))


_MALLOC = """
import ctypes, threading
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
libc.malloc_info.argtypes = [ctypes.c_int, ctypes.c_void_p]
libc.fflush.argtypes = [ctypes.c_void_p]
def info():
    out = libc.fdopen(1, b"w")
    libc.malloc_info(0, out)
    libc.fflush(out)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="options of glibc")
def test_all_threads_share_one_heap(tmp_path: Path) -> None:
    code = f"""{_MALLOC}
threads = [threading.Thread(target=lambda: libc.malloc(1000)) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
info()"""
    assert run_python(code, tmp_path).count("<heap nr=") == 1


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="options of glibc")
def test_a_large_block_is_mapped_even_after_one_was_freed(tmp_path: Path) -> None:
    code = f"""{_MALLOC}
libc.free(libc.malloc(1 << 22))
info()
kept = libc.malloc(1 << 20)
info()"""
    before, after = re.findall('<total type="mmap" count="([0-9]+)"', run_python(code, tmp_path))
    assert int(after) == int(before) + 1


@pytest.mark.parametrize(("limit", "warns"), [(NEEDED_FILES, False), (NEEDED_FILES - 1, True)])
def test_a_limit_too_low_for_the_probes_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, limit: int, *, warns: bool
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, limit))
    warning = open_file_warning(300)
    assert (warning is not None) is warns
    if warning is not None:
        assert warning == (
            f"300 concurrent probes may need {limit + 1} open files, but the limit is {limit}: raise it "
            "(LimitNOFILE in systemd, ulimit -n), or lower FLOW_EXPORTER_MAX_CONCURRENT_PROBES"
        )


def test_without_a_limit_there_is_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (64, resource.RLIM_INFINITY))
    assert open_file_warning(10**9) is None


# Blocking calls


def test_a_blocking_call_returns_its_result_or_raises_its_error() -> None:
    def fail() -> None:
        raise ValueError("a bug")

    async def main() -> None:
        assert await run_in_thread(threading.current_thread) is not threading.main_thread()
        assert await run_in_thread(lambda: 1) == 1
        with pytest.raises(ValueError, match="a bug"):
            await run_in_thread(fail)

    asyncio.run(main())


def test_a_blocking_call_that_hangs_does_not_delay_the_end() -> None:
    hangs, called = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def call() -> None:
        threads.append(threading.current_thread())
        called.set()
        hangs.wait()

    async def main() -> None:
        task = asyncio.create_task(run_in_thread(call))
        await run_in_thread(called.wait)
        task.cancel()

    asyncio.run(main())
    (thread,) = threads
    assert thread.is_alive()
    assert thread.daemon
    hangs.set()
    thread.join(LATER)
    assert not thread.is_alive()


# Signals


@pytest.mark.parametrize("first", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_the_first_signal_stops_and_the_second_one_ends_at_once(
    monkeypatch: pytest.MonkeyPatch, first: signal.Signals, second: signal.Signals
) -> None:
    ended: list[int] = []

    async def main() -> bool:
        async with stop_signals() as stopping:
            assert not stopping.is_set()
            os.kill(os.getpid(), first)
            await asyncio.wait_for(stopping.wait(), LATER)
            killed = asyncio.Event()

            def note(status: int) -> None:
                ended.append(status)
                killed.set()

            monkeypatch.setattr(os, "_exit", note)
            os.kill(os.getpid(), second)
            await asyncio.wait_for(killed.wait(), LATER)
            return stopping.is_set()

    assert asyncio.run(main())
    assert ended == [1]


def test_signal_handlers_are_restored_at_the_end() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]

    async def main() -> None:
        async with stop_signals():
            pass

    with asyncio.Runner() as runner:
        runner.run(main())
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_an_exception_that_no_code_awaits_is_logged_without_its_text() -> None:
    log = io.StringIO()

    async def main() -> None:
        loop = asyncio.get_running_loop()
        async with stop_signals():
            loop.call_exception_handler(
                {"message": "about https://x/?state=planted", "exception": ValueError("nonce=planted")}
            )
            loop.call_exception_handler({"message": "about https://x/?state=planted"})

    with log_to(log, level="info", style="logfmt"):
        asyncio.run(main())
    lines = log.getvalue().splitlines()
    assert all('level=error msg="unhandled error in event loop"' in line for line in lines)
    assert "ValueError" in lines[0]
    assert "planted" not in log.getvalue()
