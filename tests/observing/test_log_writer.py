"""How log lines leave the process without delaying it."""

from __future__ import annotations

import errno
import io
import json
import logging
import os
import queue
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from observing import logfmt
from observing.logs import logging_alone, written

SECRET = "nonce-5f2c"
own = logging.getLogger("exporter.some.package")


class Stuck(io.StringIO):
    """A stream with a reader that is blocked until it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.released = threading.Event(), threading.Event()
        self.lines = threading.Semaphore(0)

    def write(self, text: str, /) -> int:
        self.reached.set()
        assert self.released.wait(60)
        count = super().write(text)
        self.lines.release()
        return count


def test_lines_that_do_not_fit_are_dropped_and_counted() -> None:
    stream, extra = Stuck(), 3
    with logging_alone(stream, max_queued_lines=4):
        own.info("first")
        assert stream.reached.wait(60)
        for number in range(4 + extra):
            own.info("line %d", number)
        stream.released.set()
        for _ in range(1 + 4):
            assert stream.lines.acquire(timeout=60)
        own.info("next")
        own.info("last")
    lines = [logfmt.read(line) for line in stream.getvalue().splitlines()]
    assert [line["msg"] for line in lines] == [
        "first",
        *(f"line {number}" for number in range(4)),
        "log lines dropped: the reader of the log is too slow",
        "next",
        "last",
    ]
    assert lines[-3]["level"] == "warning"
    assert lines[-3]["lines"] == str(extra)


@pytest.mark.parametrize("lines", [1, 20])
def test_a_blocked_reader_delays_neither_the_program_nor_its_end(lines: int) -> None:
    stream = Stuck()
    before = set(threading.enumerate())
    with logging_alone(stream, max_queued_lines=4, max_flush_seconds=0.05):
        for _ in range(lines):
            own.info("x")
        assert stream.reached.wait(60)
    (writer,) = set(threading.enumerate()) - before
    assert stream.getvalue() == "", "it ended before the reader took anything"
    assert writer.daemon, "or the interpreter would wait for it"
    stream.released.set()
    if lines == 1:
        writer.join(60)
        assert not writer.is_alive()


PROCESS = """
import logging, sys
from exporter.observing import log_to
with log_to(sys.stderr, level="info", style="logfmt", max_flush_seconds=0.05):
    for _ in range(200):
        logging.getLogger("exporter").info("x" * 1000)
print("the end")
"""


def test_a_process_ends_normally_though_its_standard_error_is_not_read() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            status = process.wait(30)
        finally:
            process.kill()
        assert process.stdout is not None
        assert (status, process.stdout.read()) == (0, "the end\n")


def test_a_closed_reader_costs_only_its_lines() -> None:
    class Gone(io.StringIO):
        def write(self, text: str, /) -> int:
            if "lost" in text:
                raise BrokenPipeError
            return super().write(text)

    stream = Gone()
    with logging_alone(stream):
        own.info("lost")
        own.info("kept")
    assert "msg=kept" in stream.getvalue()


def test_a_full_disk_costs_only_the_lines_of_that_time_and_they_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, refused, room = os.write, threading.Semaphore(0), 100

    def write(descriptor: int, data: bytes) -> int:
        nonlocal room
        if descriptor != stream.fileno():
            return usual(descriptor, data)
        if not room:
            refused.release()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = usual(descriptor, data[:room])
        room -= written
        return written

    monkeypatch.setattr(os, "write", write)
    with (tmp_path / "log").open("w", encoding="utf-8") as stream, logging_alone(stream):
        for number in range(3):
            own.info("lost %d %s", number, "x" * 100)
            assert refused.acquire(timeout=60)
        room = 10_000
        own.info("kept")
        own.info("last")
    cut_off, *lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert len(cut_off) == 100
    first, second, last = map(logfmt.read, lines)
    assert (first["level"], first["msg"]) == ("warning", "log lines dropped: they could not be written")
    assert (first["lines"], second["msg"], last["msg"]) == ("3", "kept", "last")


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_a_line_that_cannot_be_rendered_names_its_place_and_costs_no_other(
    style: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def log() -> None:
        own.warning("one %s of %d", SECRET, "many")
        own.warning("two")

    lines = written(log, style=style)
    first, second = (json.loads(line) if style == "json" else logfmt.read(line) for line in lines)
    assert (first["level"], first["msg"]) == ("error", "log line cannot be rendered")
    assert first["place"].startswith(f"{__file__}:")
    assert second["msg"] == "two"
    assert SECRET not in "".join(lines) + capsys.readouterr().err


def test_a_file_is_written_in_its_own_encoding_with_what_it_cannot_hold_escaped(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("log") / "lines"
    with path.open("w", encoding="ascii") as stream, logging_alone(stream):
        own.info("Zürich")
    assert "msg=Z\\xfcrich\n" in path.read_text(encoding="ascii")


def test_a_line_that_cannot_be_queued_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(*_: object) -> None:
        raise MemoryError

    stream = io.StringIO()
    monkeypatch.setattr(logging, "raiseExceptions", False)  # which would print the traceback
    with logging_alone(stream):
        own.info("first")
        with monkeypatch.context() as short:
            short.setattr(queue.Queue, "put_nowait", without_memory)
            own.error("lost")
        own.info("last")
    assert [logfmt.read(line)["msg"] for line in stream.getvalue().splitlines()] == ["first", "last"]


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_a_line_begins_with_its_own_time_whatever_a_library_adds(style: str) -> None:
    line = written(lambda: own.info("named", extra={"ts": "another"}), style=style)[0]
    assert re.match(r'(ts=|\{"ts": ")\d{4}-', line)
    assert "another" not in line
