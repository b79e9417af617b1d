"""How log lines look, leave the process, and never stand in its way."""

from __future__ import annotations

import io
import json
import logging
import queue
import subprocess
import sys
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, TextIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from observing import logfmt

from exporter.observing import log_output, logging_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = "nonce-5f2c"
own = logging.getLogger("exporter.some.room")


@contextmanager
def logging_alone(stream: TextIO, *, level: str = "info", style: str = "logfmt") -> Iterator[None]:
    """Log as the daemon does: pytest's handlers would add to the records, and object to some."""
    root = logging.getLogger()
    handlers, levels = root.handlers, (root.level, logging.getLogger("exporter").level)
    root.handlers = []
    try:
        with logging_to(stream, level=level, style=style):
            yield
    finally:
        root.handlers = handlers
        root.setLevel(levels[0])
        logging.getLogger("exporter").setLevel(levels[1])


def written(log: Callable[[], object], *, level: str = "debug", style: str = "logfmt") -> list[str]:
    """Return the lines that came of calling `log`."""
    stream = io.StringIO()
    with logging_alone(stream, level=level, style=style):
        log()
    *lines, rest = stream.getvalue().split("\n")
    assert rest == ""
    return lines


def only(log: Callable[[], object]) -> dict[str, str]:
    """Return the pairs of the one line that came of calling `log`."""
    (line,) = written(log)
    return logfmt.read(line)


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


# Lines


def test_a_line_of_logfmt_begins_with_time_level_and_message() -> None:
    (line,) = written(lambda: own.info("target succeeds", extra={"target": "emea", "success": True}))
    assert list(logfmt.read(line)) == ["ts", "level", "msg", "target", "success"]
    assert line.endswith('level=info msg="target succeeds" target=emea success=true')


def test_a_line_of_json_begins_with_time_level_and_message_and_keeps_types() -> None:
    (line,) = written(
        lambda: own.warning(
            "target fails", extra={"success": False, "seconds": 0.5, "steps": [{"step": "authorize"}]}
        ),
        style="json",
    )
    values = json.loads(line)
    assert list(values) == ["ts", "level", "msg", "success", "seconds", "steps"]
    del values["ts"]
    assert values == {
        "level": "warning",
        "msg": "target fails",
        "success": False,
        "seconds": 0.5,
        "steps": [{"step": "authorize"}],
    }


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_the_time_is_that_of_logging_not_of_writing(style: str) -> None:
    record = logging.LogRecord("exporter.x", logging.INFO, __file__, 1, "long ago", None, None)
    record.created = datetime(2020, 2, 29, 12, 0, 0, 250_000, tzinfo=UTC).timestamp()
    (line,) = written(lambda: own.handle(record), style=style)
    values = json.loads(line) if style == "json" else logfmt.read(line)
    assert values["ts"] == "2020-02-29T12:00:00.250Z"


def test_of_steps_logfmt_tells_the_last_one_and_its_phases() -> None:
    steps = [
        {"step": "first", "phases": {"connect": 0.5}, "http_status_code": 302},
        {
            "step": "authorize",
            "phases": {"resolve": 0.25},
            "http_status_code": 400,
            "error_codes": ["A", "B"],
        },
    ]
    line = only(lambda: own.info("x", extra={"step": "authorize", "steps": steps}))
    assert line["step"] == "authorize"
    assert line["http_status_code"] == "400"
    assert line["error_codes"] == "A,B"
    assert line["resolve_seconds"] == "0.25"
    assert "connect_seconds" not in line
    assert "steps" not in line
    assert "phases" not in line


def test_of_a_probe_that_took_no_step_logfmt_tells_the_rest() -> None:
    assert only(lambda: own.info("x", extra={"steps": [], "target": "emea"})).keys() == {
        "ts",
        "level",
        "msg",
        "target",
    }


# Forgery

FORGED = 'a\nts=1 level=error msg="forged"\r\x1b[31m\x85\u2028\x00 "b" \\n c=d'


@given(st.text(st.characters(codec=None)))
@example(FORGED)
def test_no_text_breaks_its_line_or_leaks_into_another_value(text: str) -> None:
    stream = io.StringIO()
    formatter = log_output._formatter("logfmt")  # noqa: SLF001  a thread per example would be all there is to see
    record = logging.LogRecord("exporter.x", logging.INFO, __file__, 1, "%s", (text,), None)
    record.value = text
    stream.write(formatter.format(record))
    line = logfmt.read(stream.getvalue())
    assert line.keys() == {"ts", "level", "msg", "value"}
    assert line["msg"] == line["value"]
    if text.isprintable():
        assert line["value"] == text


@given(st.text(st.characters(codec=None)))
def test_every_text_comes_back_from_its_one_line_of_json(text: str) -> None:
    record = logging.LogRecord("exporter.x", logging.INFO, __file__, 1, "%s", (text,), None)
    record.value = [text]
    line = log_output._formatter("json").format(record)  # noqa: SLF001  as above
    assert line.isascii()
    assert line.isprintable()
    assert (json.loads(line)["msg"], json.loads(line)["value"]) == (text, [text])


@pytest.mark.parametrize(
    "value", [Path("a\r\x1b[31mb c"), {"key\x85": "a\nb"}, ("a\u2028",), UnicodeError("a\rb")]
)
def test_values_that_are_no_text_forge_nothing_either(value: object) -> None:
    assert only(lambda: own.info("x", extra={"value": value})).keys() == {"ts", "level", "msg", "value"}


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_an_exception_given_as_a_value_is_told_by_its_type(style: str) -> None:
    (line,) = written(lambda: own.info("x", extra={"error": OSError(SECRET)}), style=style)
    assert (json.loads(line) if style == "json" else logfmt.read(line))["error"] == "OSError"


# Exceptions


def failing(cause: BaseException | None = None) -> None:
    try:
        raise ValueError(f"https://auth.pingone.eu/as/authorize?nonce={SECRET}") from cause  # noqa: TRY301  the place is what is told
    except ValueError:
        own.exception("probe failed by our own fault")


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_an_exception_is_told_by_type_and_place_without_its_message(style: str) -> None:
    (line,) = written(failing, style=style)
    values = json.loads(line) if style == "json" else logfmt.read(line)
    first = failing.__code__.co_firstlineno
    assert values["exception"] == f"ValueError at {__file__}:{first + 2} failing"
    assert SECRET not in line
    assert "pingone.eu" not in line


def test_causes_are_told_after_what_they_caused_without_their_messages() -> None:
    def nested() -> None:
        try:
            {"known": 1}[SECRET]
        except KeyError as error:
            failing(error)

    (line,) = written(nested)
    told = logfmt.read(line)["exception"].split(" <- ")
    assert [text.split(" ")[0] for text in told] == ["ValueError", "KeyError"]
    assert told[1].endswith(" nested")
    assert SECRET not in line


def test_what_was_being_handled_is_told_too() -> None:
    def nested() -> None:
        try:
            raise OSError(SECRET)  # noqa: TRY301  likewise
        except OSError:
            failing()

    (line,) = written(nested)
    assert " <- OSError at " in logfmt.read(line)["exception"]
    assert SECRET not in line


def test_the_members_of_a_group_are_told_with_their_causes() -> None:
    def several() -> list[Exception]:
        found: list[Exception] = []
        for kind in (OSError, RuntimeError):
            try:
                try:
                    raise KeyError(SECRET)  # noqa: TRY301  the place is what is told
                except KeyError as error:
                    raise kind(SECRET) from error
            except kind as error:
                found.append(error)
        return found

    def grouped() -> None:
        try:
            raise ExceptionGroup(SECRET, several())  # noqa: TRY301  likewise
        except ExceptionGroup:
            own.exception("x")

    (line,) = written(grouped)
    told = logfmt.read(line)["exception"].split(" <- ")
    assert [text.split(" ")[0] for text in told] == [
        "ExceptionGroup", "OSError", "KeyError", "RuntimeError", "KeyError"
    ]  # fmt: skip
    assert all(f" at {__file__}:" in text for text in told)
    assert SECRET not in line


def test_a_line_stays_bounded_however_many_causes_there_are() -> None:
    group = ExceptionGroup(SECRET, [ValueError(SECRET) for _ in range(1000)])
    told = only(lambda: own.error("x", exc_info=group))["exception"].split(" <- ")
    assert told == ["ExceptionGroup", *["ValueError"] * 19]


def test_exceptions_that_cause_each_other_are_told_once() -> None:
    def circular() -> None:
        first, second = ValueError(SECRET), KeyError(SECRET)
        first.__cause__, second.__cause__ = second, first
        own.error("x", exc_info=first)

    assert only(circular)["exception"] == "ValueError <- KeyError"


def test_a_line_that_asks_for_an_exception_where_there_is_none_is_told_without() -> None:
    assert "exception" not in only(lambda: own.error("x", exc_info=True))


# Levels


@pytest.mark.parametrize(
    ("level", "told"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_own_lines_are_told_from_the_level_that_was_set(level: str, told: list[str]) -> None:
    def log() -> None:
        for each in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            own.log(each, "x")

    assert [logfmt.read(line)["level"] for line in written(log, level=level)] == told


@pytest.mark.parametrize("library", ["httpx", "httpcore.http11", "apscheduler.scheduler", "uvicorn.error"])
def test_libraries_are_heard_from_warning_on_whatever_the_level(library: str) -> None:
    def log() -> None:
        logger = logging.getLogger(library)
        logger.debug("send_request_headers %s", SECRET)
        logger.info("HTTP Request: GET https://auth.pingone.eu/?nonce=%s", SECRET)
        logger.warning("told")

    (line,) = written(log, level="debug")
    assert logfmt.read(line)["msg"] == "told"


def test_when_it_is_over_nothing_is_written_any_more() -> None:
    stream = io.StringIO()
    with logging_alone(stream):
        pass
    own.warning("too late")
    assert stream.getvalue() == ""


# A slow reader, a stuck one, and none


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
from exporter.observing import log_output, logging_to
log_output._FLUSH_SECONDS = 0.05
with logging_to(sys.stderr, level="info", style="logfmt"):
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
