"""The command: choose, walk, and only then render."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from functools import partial
from shutil import get_terminal_size
from types import FrameType
from typing import NoReturn, TextIO

from exporter.observing import log_to
from exporter.once.choice import choose
from exporter.once.progress import progress
from exporter.once.report import Walk, tally, to_json, to_text
from exporter.once.walking import walk
from exporter.settings import Config

_STOPPED = 1


def probe(settings: Config, names: Sequence[str], *, as_json: bool) -> bool:
    """Walk the targets of these names once, or all that are enabled, and print what came of it.

    Args:
        settings: what there is to probe, and how.
        names: which targets; none means all.
        as_json: for scripts, instead of a table.

    Returns:
        Whether every walk was a success.

    Raises:
        ConfigurationError: if a name is no target's.
    """
    walks = [Walk(target, journey) for target in choose(names, settings) for journey in target.journeys]
    level = "error" if settings.log.level == "error" else "warning"
    with (
        log_to(sys.stderr, level=level, style=settings.log.format),
        progress(sys.stderr, partial(tally, walks)),
    ):
        asyncio.run(walk(walks, places=settings.max_concurrent_probes))
    for number in (signal.SIGTERM, signal.SIGINT):  # whoever reads may be stuck
        signal.signal(number, _end)
    written = _write(walks, sys.stdout, as_json=as_json)
    return written and all(walk.outcome is not None and walk.outcome.success for walk in walks)


def _write(walks: Sequence[Walk], stream: TextIO, *, as_json: bool) -> bool:
    """Print the result; whether somebody had it."""
    terminal = stream.isatty()
    room = get_terminal_size().columns if terminal else None
    text = to_json(walks) if as_json else to_text(walks, room=room, colors=terminal)
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        # Whoever reads had enough, which says nothing of the targets. The interpreter would flush once more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except OSError as error:
        print(f"the result cannot be written: {error.strerror}", file=sys.stderr)  # noqa: T201  there is no log any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return False
    return True


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(_STOPPED)
