"""Run the exporter's daemon, and have it write what only it knows to a file with each SIGUSR1.

    python benchmarks/soak/observed.py FILE

That is JSON with `tasks`, the number of tasks of its event loop, and `live_megabytes`, the memory that is in
use: what Python and the C library have handed out, without what they hold free.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import signal
import sys
from pathlib import Path
from types import FrameType

from exporter.__main__ import main

_BLOCK_BYTES = 100
"""Of one of Python's blocks (of 512 at most) on average: 362,000 had 36 MB, by sys._debugmallocstats."""


class _MallInfo(ctypes.Structure):
    """What the C library has handed out and holds, in bytes (mallinfo2(3), glibc 2.33)."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    )  # fmt: skip


_libc = ctypes.CDLL(None)
_libc.mallinfo2.restype = _MallInfo


def live_megabytes() -> float:
    """Return what is in use: Python's small blocks, and all that is allocated from the C library."""
    malloc = _libc.mallinfo2()
    in_use: int = malloc.uordblks + malloc.hblkhd
    return (in_use + sys.getallocatedblocks() * _BLOCK_BYTES) / 1e6


def write_facts(_number: int, _frame: FrameType | None) -> None:
    """Write the facts; before the event loop runs, nothing."""
    try:
        tasks = len(asyncio.all_tasks())
    except RuntimeError:
        return
    new = _file.with_suffix(".new")
    new.write_text(json.dumps({"tasks": tasks, "live_megabytes": live_megabytes()}), encoding="ascii")
    new.replace(_file)


if __name__ == "__main__":
    _file = Path(sys.argv.pop(1))
    signal.signal(signal.SIGUSR1, write_facts)
    sys.exit(main())
