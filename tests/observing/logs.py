"""Logging as the daemon does, in tests."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from exporter.observing import log_to


@contextmanager
def logging_alone(stream: TextIO, *, level: str = "info", style: str = "logfmt") -> Iterator[None]:
    """Log as the daemon does: pytest's handlers would add to the records, and object to some."""
    root = logging.getLogger()
    handlers, levels = root.handlers, (root.level, logging.getLogger("exporter").level)
    root.handlers = []
    try:
        with log_to(stream, level=level, style=style):
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
