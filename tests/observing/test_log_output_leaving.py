"""How log lines leave the process, and never stand in its way."""

from __future__ import annotations

import io
import json
import logging
import queue
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest
from observing import logfmt
from observing.logs import logging_alone, written

from exporter.observing import log_output

SECRET = "nonce-5f2c"
own = logging.getLogger("exporter.some.room")


class Stuck(io.StringIO):
    """A stream whose reader takes nothing until it is released."""

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


def test_what_does_not_fit_is_dropped_counted_and_told_with_the_next_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(log_output, "_QUEUED_LINES", 4)
    stream, extra = Stuck(), 3
    with logging_alone(stream):
        own.info("first")
        assert stream.reached.wait(60)
        for number in range(4 + extra):
            own.info("line %d", number)
        stream.released.set()
        for _ in range(1 + 4):
            assert stream.lines.acquire(timeout=60)
        own.info("last")
    lines = [logfmt.read(line) for line in stream.getvalue().splitlines()]
    assert [line["msg"] for line in lines] == [
        "first",
        *(f"line {number}" for number in range(4)),
        "log lines dropped: whoever reads them is too slow",
        "last",
    ]
    assert lines[-2]["level"] == "warning"
    assert lines[-2]["lines"] == str(extra)


@pytest.mark.parametrize("lines", [1, 20])
def test_a_stuck_reader_delays_neither_those_who_log_nor_the_end(
    monkeypatch: pytest.MonkeyPatch, lines: int
) -> None:
    monkeypatch.setattr(log_output, "_QUEUED_LINES", 4)
    monkeypatch.setattr(log_output, "_FLUSH_SECONDS", 0.05)
    stream = Stuck()
    before = set(threading.enumerate())
    with logging_alone(stream):
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


def test_waiting_for_room_and_for_the_last_line_is_bounded_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []
    clock = iter((100.0, 101.5))
    listener = log_output._Listener(  # noqa: SLF001  its clock is replaced, which no caller could
        queue.Queue(), io.StringIO(), logging.Formatter()
    )
    listener.start()
    assert listener._thread is not None  # noqa: SLF001  as above
    monkeypatch.setattr(listener._thread, "join", waits.append)  # noqa: SLF001  as above
    monkeypatch.setattr(log_output, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    listener.stop()
    assert waits == [pytest.approx(0.5)]


PROCESS = """
import logging, sys
from exporter.observing import log_output, log_to
log_output._FLUSH_SECONDS = 0.05
with log_to(sys.stderr, level="info", style="logfmt"):
    for _ in range(200):
        logging.getLogger("exporter").info("x" * 1000)
print("the end")
"""


def test_a_process_ends_in_order_though_nobody_reads_its_standard_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROCESS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            status = process.wait(30)
        finally:
            process.kill()
        assert process.stdout is not None
        assert (status, process.stdout.read()) == (0, "the end\n")


def test_a_reader_that_went_away_costs_only_its_lines() -> None:
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


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_a_line_that_cannot_be_rendered_tells_its_place_and_costs_no_other(
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
