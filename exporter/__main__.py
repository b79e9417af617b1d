"""The command's entry point, also as `python -m exporter`.

The first process of a container ignores SIGTERM until it handles it, and imports take a while. So signals are
handled before the imports, and end the process immediately; the event loop's handlers replace these later.
Before startup, SIGTERM exits 0 for the daemon, which has nothing to drain, and 1 for `probe` and
`check-config`, which have no result yet. The daemon ignores SIGHUP until then: its first look at the files
notices what has changed.

The handlers call `os._exit` instead of raising: an import runs destructors and callbacks of weak references,
where an exception would be swallowed.
"""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

_WITH_RESULT = {"check-config", "probe"}


def main() -> int:
    """Run the command line and return the exit status."""
    if _command() == "run":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGTERM):  # a supervisor may send either
        signal.signal(number, _exit)
    from exporter import cli  # noqa: PLC0415  see above
    from exporter.process import prepare_process  # noqa: PLC0415  likewise

    prepare_process()
    status = cli.main()
    if _command() == "run":
        # Threads may hang in the system's resolver, in a file system or in a write of the log. When the
        # interpreter ended under them, one clean stop in hundreds was a SIGSEGV.
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)
    return status


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(int(_command() in _WITH_RESULT))


def _command() -> str:
    """Return the command in the arguments; the flags before it take one value each."""
    arguments = iter(sys.argv[1:])
    for argument in arguments:
        if not argument.startswith("-"):
            return argument
        if "=" not in argument:
            next(arguments, None)
    return "run"


if __name__ == "__main__":
    sys.exit(main())
