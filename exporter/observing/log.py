"""The log: which outcomes are logged, how a line looks, and how it leaves the process.

    ts=2026-…Z level=warning msg="target down" target=emea reason=tls …      logfmt
    {"ts": "2026-…Z", "level": "warning", "msg": "target down", …}           json

A thread renders and writes the lines, because the reader of standard error may be slow or blocked, and that
must not delay a probe. Lines that do not fit the queue, or that a full disk does not take, are dropped and
counted. Nor must a blocked reader delay the end of the process: on exit, `logging` takes the lock of each
handler, and the interpreter flushes `sys.stderr`. So the thread writes to the descriptor, without a handler.

An exception is written as its types and where they were raised, without messages and locals: a message may
quote a URL, and a URL holds nonce and state.
"""

import logging
import os
import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from logging.handlers import QueueHandler
from typing import Any, TextIO, TypeAlias

from structlog.processors import JSONRenderer, LogfmtRenderer
from structlog.stdlib import ExtraAdder, ProcessorFormatter, add_log_level
from structlog.typing import EventDict, Processor, WrappedLogger

from exporter.outcome import Outcome, as_json, rfc3339
from exporter.reasons import Reason, reason_text
from exporter.target import Journey

_Lines: TypeAlias = "queue.Queue[logging.LogRecord | None]"

_MAX_FRAMES = 20
_MAX_CHAINED_EXCEPTIONS = 20

_log = logging.getLogger(__name__)


class LogObserver:
    """Logs each change of a target's reason or failed step, and every probe at level debug."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, Journey], tuple[Reason, str]] = {}
        self._down: set[tuple[str, Journey]] = set()

    def observe(self, outcome: Outcome, /) -> None:
        """Log an outcome if reason or failed step are not the last one's, else only at debug."""
        key, good = (outcome.target, outcome.journey), outcome.success and outcome.conclusive
        before, now = self._last.get(key), (outcome.reason, "" if good else outcome.step)
        self._last[key] = now
        if now == before:
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug("probe completed", extra=_facts(outcome))
            return
        facts = _facts(outcome)
        if before is not None:
            facts["previous_reason"] = before[0].value
            if before[1] and before[1] != outcome.step:
                facts["previous_step"] = before[1]
        if outcome.incomplete:
            _log.info("probe incomplete", extra=facts)
            return
        if outcome.success:
            _log.info("target recovered" if key in self._down else "target up", extra=facts)
            self._down.discard(key)
            return
        facts["summary"] = reason_text(outcome.reason, outcome.fault)
        _log.warning("target down" if outcome.conclusive else "probe inconclusive", extra=facts)
        if outcome.conclusive:
            self._down.add(key)

    def forget(self, target: str, journey: Journey) -> None:
        """Forget a target that is no longer probed."""
        self._last.pop((target, journey), None)
        self._down.discard((target, journey))


def _facts(outcome: Outcome) -> dict[str, Any]:
    """Return what is logged of an outcome: its JSON, with the side where a journey has two."""
    facts = as_json(outcome)
    if outcome.detail is not None:
        facts["detail"] = outcome.detail
    if outcome.journey is Journey.FEDERATION:
        facts["side"] = outcome.side.value
    return facts


@contextmanager
def log_to(
    stream: TextIO, *, level: str, style: str, max_queued_lines: int = 10_000, max_flush_seconds: float = 2.0
) -> Iterator[None]:
    """Send the log of this process to `stream` for as long as the context lasts.

    Args:
        stream: where lines go, usually standard error.
        level: debug, info, warning or error, for our own lines. Libraries log from warning on: below that,
            some write whole URLs and headers.
        style: logfmt or json.
        max_queued_lines: lines beyond that are dropped until the reader has caught up.
        max_flush_seconds: how long the end waits for queued lines to be written.
    """
    lines: _Lines = queue.Queue(max_queued_lines)
    queued = _DroppingHandler(lines)
    writing = (lines, _line_writer(stream), _formatter(style))
    writer = threading.Thread(target=_write_lines, args=writing, daemon=True)
    root, own = logging.getLogger(), logging.getLogger("exporter")
    before = root.level, own.level
    root.addHandler(queued)
    root.setLevel(logging.WARNING)
    set_log_level(level)
    writer.start()
    try:
        yield
    finally:
        root.removeHandler(queued)
        root.setLevel(before[0])
        own.setLevel(before[1])
        until = time.monotonic() + max_flush_seconds
        with suppress(queue.Full):  # the stream is blocked
            lines.put(None, timeout=max_flush_seconds)
            writer.join(max(0.0, until - time.monotonic()))


def set_log_level(level: str) -> None:
    """Log our own lines from this level on: debug, info, warning or error."""
    logging.getLogger("exporter").setLevel(level.upper())


class _DroppingHandler(QueueHandler):
    """Drops records that do not fit the queue."""

    _dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Leave a record as it is: the thread renders it."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue a record, or drop it and report that with the next one that fits."""
        try:
            if self._dropped:
                self.queue.put_nowait(_dropped("the reader of the log is too slow", self._dropped))
                self._dropped = 0
            self.queue.put_nowait(record)
        except queue.Full:
            self._dropped += 1


def _dropped(cause: str, count: int) -> logging.LogRecord:
    facts = {"levelname": "WARNING", "msg": f"log lines dropped: {cause}", "lines": count}
    return logging.makeLogRecord(facts)


def _write_lines(lines: _Lines, write: Callable[[str], object], formatter: logging.Formatter) -> None:
    """Write queued records until one is None; for a thread."""
    lost = 0
    while (record := lines.get()) is not None:
        try:
            if lost:
                write(f"{formatter.format(_dropped('they could not be written', lost))}\n")
                lost = 0
            write(f"{_line(record, formatter)}\n")
        except Exception:  # noqa: BLE001  the disk is full, the reader gone, memory short: go on
            lost += 1


def _line(record: logging.LogRecord, formatter: logging.Formatter) -> str:
    """Render a record; if that fails, only where it was logged, without its values."""
    try:
        return formatter.format(record)
    except Exception:  # noqa: BLE001  one bad record must not cost those after it
        place = f"{record.pathname}:{record.lineno}"
        facts = {"levelname": "ERROR", "msg": "log line cannot be rendered", "place": place}
        return formatter.format(logging.makeLogRecord(facts))


def _line_writer(stream: TextIO) -> Callable[[str], object]:
    """Return a function that writes to the file of `stream`, or to the stream itself if it has none.

    Unbuffered: what a full disk did not take would stay in a buffer, and be written out of turn later. What
    follows a line that was cut off begins on a new one. The descriptor is never closed: that would wait for a
    blocked write, and it is not ours.
    """
    try:
        descriptor, encoding = stream.fileno(), stream.encoding
    except OSError:
        return stream.write
    is_cut_off = False

    def write(line: str) -> None:
        nonlocal is_cut_off
        data = line.encode(encoding, "backslashreplace")
        data = b"\n" + data if is_cut_off else data
        while data:
            written = os.write(descriptor, data)
            data = data[written:]
            is_cut_off = bool(data)

    return write


def _formatter(style: str) -> logging.Formatter:
    rendering: list[Processor]
    if style == "json":
        rendering = [JSONRenderer(default=_plain)]
    else:
        rendering = [_flatten, _printable, LogfmtRenderer(bool_as_flag=False)]
    return ProcessorFormatter(
        foreign_pre_chain=[add_log_level, ExtraAdder(), _begin_with_time, _without_messages],
        processors=[ProcessorFormatter.remove_processors_meta, *rendering],
    )


def _begin_with_time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Put first the time of logging, which is not that of rendering, then level and message."""
    time_of_logging = rfc3339(event["_record"].created)
    event.pop("ts", None)  # of another library
    return {"ts": time_of_logging, "level": event.pop("level"), "msg": event.pop("event"), **event}


def _without_messages(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace an exception by its types and places."""
    error = (event.pop("exc_info", None) or (None, None, None))[1]
    if error is not None:
        event["exception"] = " <- ".join(islice(_places(error, set()), _MAX_CHAINED_EXCEPTIONS))
    return event


def _places(error: BaseException | None, seen: set[int]) -> Iterator[str]:
    """Yield type and place of an exception, of its group's members, and of its causes, each once."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    frames = traceback.extract_tb(error.__traceback__)[-_MAX_FRAMES:]
    where = " > ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    yield f"{type(error).__qualname__} at {where}" if where else type(error).__qualname__
    for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _places(member, seen)
    yield from _places(error.__context__ if error.__cause__ is None else error.__cause__, seen)


def _plain(value: object) -> str:
    """Return a value as text; of an exception only its type."""
    return type(value).__qualname__ if isinstance(value, BaseException) else str(value)


def _flatten(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace the steps by the facts of the last one."""
    steps = event.pop("steps", None)
    for key, value in steps[-1].items() if steps else ():
        if key == "phases":
            event.update({f"{phase}_seconds": seconds for phase, seconds in value.items()})
        elif key == "error_codes":
            event[key] = ",".join(value)
        elif key == "checks":
            event["checks_failed"] = ",".join(check for check, passed in value.items() if not passed)
        elif key == "tls":
            event.update({f"tls_{fact}": text for fact, text in value.items()})
        else:
            event.setdefault(key, value)
    return event


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape control characters, so that no value can forge a line."""
    for key, value in event.items():
        if value is None or isinstance(value, bool | int | float):
            continue
        text = _plain(value)
        event[key] = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return event
