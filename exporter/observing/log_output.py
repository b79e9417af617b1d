"""How log lines look and leave the process.

    2026-…Z  level=warning msg="target fails" target=emea reason=tls …        logfmt
    {"ts": "2026-…Z", "level": "warning", "msg": "target fails", …}           json

Lines are rendered and written by a thread of their own: whoever reads standard error may be slow or
stuck, and that must not show in anyone's latency. What does not fit the queue is dropped and
counted, never waited for.

An exception is written as its types and where they were raised, without its message and without
locals: a message may quote a URL, and a URL holds nonce and state.

The end of the process must not wait for a stuck reader either. It would, in two places: `logging`
takes the lock of each of its handlers when the interpreter ends, and the interpreter flushes
`sys.stderr`; whoever is stuck in a write holds both. So the thread writes without a handler, to a
file object of its own.
"""

from __future__ import annotations

import logging
import queue
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from logging.handlers import QueueHandler, QueueListener
from typing import TYPE_CHECKING, TextIO

import structlog

from exporter.outcome import rfc3339

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor, WrappedLogger

_QUEUED_LINES = 10_000
_FLUSH_SECONDS = 2.0
_FRAMES = 20
_LINKS = 20


@contextmanager
def log_to(stream: TextIO, *, level: str, style: str) -> Iterator[None]:
    """Send the log of this process to `stream` for as long as the context lasts.

    Args:
        stream: where lines go, usually standard error.
        level: debug, info, warning or error; for this program's own lines. Libraries are heard from
            warning on: below that, httpx and httpcore write whole URLs and headers.
        style: logfmt or json.
    """
    lines: queue.Queue[logging.LogRecord] = queue.Queue(_QUEUED_LINES)
    queued = _DroppingHandler(lines)
    listener = _Listener(lines, _unshared(stream), _formatter(style))
    root = logging.getLogger()
    root.addHandler(queued)
    root.setLevel(logging.WARNING)
    set_log_level(level)
    listener.start()
    try:
        yield
    finally:
        root.removeHandler(queued)
        listener.stop()


def set_log_level(level: str) -> None:
    """Log this program's own lines from a level on: debug, info, warning or error."""
    logging.getLogger("exporter").setLevel(level.upper())


class _DroppingHandler(QueueHandler):
    """Never waits for room in the queue."""

    def __init__(self, lines: queue.Queue[logging.LogRecord]) -> None:
        super().__init__(lines)
        self._dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Leave the record whole: rendering is the other thread's business."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Queue a record, or drop it and say so with the next one that fits."""
        try:
            if self._dropped:
                self.queue.put_nowait(_dropped(self._dropped))
                self._dropped = 0
            self.queue.put_nowait(record)
        except queue.Full:
            self._dropped += 1


def _dropped(count: int) -> logging.LogRecord:
    message = "log lines dropped: whoever reads them is too slow"
    record = logging.LogRecord("exporter", logging.WARNING, __file__, 0, message, None, None)
    record.lines = count
    return record


class _Listener(QueueListener):
    """Writes what is queued; ends within bounded time, even if the stream is stuck."""

    def __init__(
        self, lines: queue.Queue[logging.LogRecord], stream: TextIO, formatter: logging.Formatter
    ) -> None:
        super().__init__(lines)
        self._stream = stream
        self._formatter = formatter

    def handle(self, record: logging.LogRecord) -> None:
        """Render a record and write it."""
        try:
            line = self._formatter.format(record)
        except Exception:  # noqa: BLE001  one line that cannot be rendered must not cost those after it
            line = self._formatter.format(_unwritable(record))
        with suppress(OSError, ValueError):  # the reader is gone, or the stream is closed: nobody to tell
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def stop(self) -> None:
        """Write what is queued, for two seconds at most."""
        until = time.monotonic() + _FLUSH_SECONDS
        thread, self._thread = self._thread, None
        with suppress(queue.Full):
            self.queue.put(self._sentinel, timeout=_FLUSH_SECONDS)  # type: ignore[attr-defined]  # typed as less than Queue
            if thread is not None:
                thread.join(max(0.0, until - time.monotonic()))


def _unwritable(record: logging.LogRecord) -> logging.LogRecord:
    """Make a line that says where the line comes from that nobody could render; the values stay untold."""
    line = logging.LogRecord(
        record.name, logging.ERROR, record.pathname, record.lineno, "log line cannot be rendered", None, None
    )
    line.place = f"{record.pathname}:{record.lineno}"
    return line


def _unshared(stream: TextIO) -> TextIO:
    """Return a file object of our own for where `stream` leads, or itself if it is no file."""
    try:
        descriptor = stream.fileno()
    except OSError:
        return stream
    # Never closed: that would wait for a stuck write, and there is no descriptor to give back.
    return open(descriptor, "w", encoding=stream.encoding, errors="backslashreplace", closefd=False)


def _formatter(style: str) -> logging.Formatter:
    order = ["ts", "level", "msg"]
    rendering: list[Processor]
    if style == "json":
        rendering = [_ordered(order), structlog.processors.JSONRenderer(default=_plain)]
    else:
        logfmt = structlog.processors.LogfmtRenderer(key_order=order, bool_as_flag=False)
        rendering = [_flatten, _printable, logfmt]
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.ExtraAdder(),
            structlog.processors.EventRenamer("msg"),
            _when,
            _without_messages,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
    )


def _when(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Say when it was logged, not when it was rendered."""
    event["ts"] = rfc3339(event["_record"].created)
    return event


def _without_messages(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Write an exception as types and places alone."""
    error = (event.pop("exc_info", None) or (None, None, None))[1]
    if error is not None:
        event["exception"] = " <- ".join(islice(_places(error, set()), _LINKS))
    return event


def _places(error: BaseException | None, seen: set[int]) -> Iterator[str]:
    """Yield type and place of an exception, of a group's members, and of what led to it, each once."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    where = " > ".join(f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames)
    yield f"{type(error).__qualname__} at {where}" if where else type(error).__qualname__
    for member in error.exceptions if isinstance(error, BaseExceptionGroup) else ():
        yield from _places(member, seen)
    yield from _places(error.__context__ if error.__cause__ is None else error.__cause__, seen)


def _plain(value: object) -> str:
    """Write what is neither text nor number; of an exception its type alone."""
    return type(value).__qualname__ if isinstance(value, BaseException) else str(value)


def _ordered(first: list[str]) -> Processor:
    """Put what a reader looks for in front."""

    def order(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        return {key: event[key] for key in (*first, *event) if key in event}

    return order


def _flatten(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Make one level of it: of the steps, the last one's facts."""
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
    """Escape control characters, so that no value can forge a line of its own."""
    for key, value in event.items():
        if value is None or isinstance(value, bool | int | float):
            continue
        text = _plain(value)
        event[key] = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
    return event
