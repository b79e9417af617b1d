"""Run the exporter's daemon, and have it write the number of its tasks to a file with each SIGUSR1.

    python benchmarks/soak/observed.py FILE

The one number of a soak that neither the system nor a page knows.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from types import FrameType

from exporter.__main__ import main


def write_tasks(_number: int, _frame: FrameType | None) -> None:
    """Write how many tasks the running event loop has; before it runs, nothing."""
    try:
        tasks = len(asyncio.all_tasks())
    except RuntimeError:
        return
    _file.write_text(f"{tasks}\n", encoding="ascii")


if __name__ == "__main__":
    _file = Path(sys.argv.pop(1))
    signal.signal(signal.SIGUSR1, write_tasks)
    sys.exit(main())
