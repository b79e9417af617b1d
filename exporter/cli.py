"""Commands and exit codes; no logic.

0   done, or stopped by a signal
1   what happened: a port in use
2   what the operator wrote: settings, no targets, a missing file, an unknown command
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.settings import ConfigurationError, Settings, describe, load

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_OK, EXIT_HAPPENED, EXIT_WRITTEN = 0, 1, 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status."""
    command = _parser().parse_args(arguments).command
    try:
        settings = load(os.environ, Path.cwd())
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201  what the operator asked for
        return EXIT_WRITTEN
    return _check_config(settings) if command == "check-config" else _run(settings)


def _check_config(settings: Settings) -> int:
    print(describe(settings))  # noqa: T201  what the operator asked for
    return EXIT_OK


def _run(settings: Settings) -> int:
    # Imported here: checking a configuration needs none of it, and answers at once.
    from exporter.app import run  # noqa: PLC0415
    from exporter.serving import ListenError  # noqa: PLC0415

    try:
        run(settings)
    except ListenError as error:
        print(error, file=sys.stderr)  # noqa: T201  there is no log yet
        return EXIT_HAPPENED
    return EXIT_OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pingone-flow-exporter",
        description="Watches PingOne federations with synthetic OIDC authorize requests.",
        epilog="Settings come from the environment; see docs/settings.md.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="probe on a schedule and serve metrics (the default)")
    commands.add_parser("check-config", help="print what would be probed, or every mistake")
    parser.set_defaults(command="run")
    return parser
