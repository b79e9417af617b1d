"""How far it is, for a person who waits.

Redrawn by a thread that formats one short line and lets go of the interpreter while it writes: a terminal
that is slow or stopped must not show in anyone's latency.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

_EVERY = 0.2
"""Seconds between two redraws, and before the first one: what is over by then needs no bar."""

_PATIENCE = 0.5
"""Seconds for the last redraw; the terminal may be stopped."""

_BAR = 30


@contextmanager
def progress(stream: TextIO, tally: Callable[[], tuple[int, int, int]]) -> Iterator[None]:
    """Show a bar on `stream` for as long as the context lasts, if it is a terminal that can redraw a line.

    Args:
        stream: where to; written to below its buffer.
        tally: how many there are, are over, and have failed.
    """
    if not stream.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield
        return
    over = threading.Event()
    drawer = threading.Thread(target=_draw, args=(stream.fileno(), tally, over), daemon=True)
    drawer.start()
    try:
        yield
    finally:
        over.set()
        drawer.join(_PATIENCE)


def _draw(descriptor: int, tally: Callable[[], tuple[int, int, int]], over: threading.Event) -> None:
    with suppress(OSError):  # the terminal is gone
        while not over.wait(_EVERY):
            os.write(descriptor, f"\r\x1b[K{line(*tally())}".encode())
        os.write(descriptor, b"\r\x1b[K")


def line(total: int, done: int, failed: int) -> str:
    """Return the bar in plain ASCII, shorter than any terminal."""
    filled = _BAR * done // total
    return f"[{'#' * filled}{'.' * (_BAR - filled)}] {done} of {total} probed, {failed} failed"
