"""The command, also as `python -m exporter`.

The first process of a container ignores SIGTERM until it handles it, and the imports take a while. So
that comes before them: whoever is told to end before there is anything to drain ends at once. The
event loop's own handlers replace these.

The daemon ends well then, having had nothing to do; a command that is to find something out has not done
so, and must not look as if all were well.

SIGHUP asks the daemon for a reload, and by default ends it. One that comes too early is ignored: what has
changed since it was read is noticed by the first look for changes on disk.

Nothing is raised for it: an import runs destructors, callbacks of weak references and bare excepts,
and an exception that comes up in one of those is swallowed.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

_FIND_OUT = ["check-config"], ["probe"]
_RELOADS: tuple[list[str], ...] = [], ["run"]


def main() -> int:
    """Run the command line and return the exit status."""
    if sys.argv[1:2] in _RELOADS:
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGTERM):  # whoever sees SIGTERM handled may send either
        signal.signal(number, _end)
    from exporter import cli  # noqa: PLC0415  see above
    from exporter.process import prepare_process  # noqa: PLC0415  likewise

    prepare_process()
    return cli.main()


def _end(_number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(int(sys.argv[1:2] in _FIND_OUT))


if __name__ == "__main__":
    sys.exit(main())
