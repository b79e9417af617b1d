"""Logging as the daemon does, in tests."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from exporter.observing import log_to


@contextmanager
def logging_alone(
    stream: TextIO,
    *,
    level: str = "info",
    style: str = "logfmt",
    max_queued_lines: int = 10_000,
    max_flush_seconds: float = 60.0,
) -> Iterator[None]:
    """Log as the daemon does, without pytest's handlers: they change records, and reject some."""
    root = logging.getLogger()
    handlers, levels = root.handlers, (root.level, logging.getLogger("exporter").level)
    root.handlers = []
    try:
        with log_to(
            stream,
            level=level,
            style=style,
            max_queued_lines=max_queued_lines,
            max_flush_seconds=max_flush_seconds,
        ):
            yield
        assert root.handlers == []  # one that is left would fill a queue that is never read
        assert (root.level, logging.getLogger("exporter").level) == levels
    finally:
        root.handlers = handlers


def written(log: Callable[[], object], *, level: str = "debug", style: str = "logfmt") -> list[str]:
    """Return the lines that came of calling `log`."""
    stream = io.StringIO()
    with logging_alone(stream, level=level, style=style):
        log()
    *lines, rest = stream.getvalue().split("\n")
    assert rest == ""
    return lines
