"""Commands and exit codes; no logic.

0   done, or stopped by a signal
1   what happened: a port in use, a failed probe
2   what the operator wrote: settings, no targets, a missing file, an unknown command or target
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from exporter import __version__
from exporter.durations import parse_duration
from exporter.settings import ConfigurationError, load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

EXIT_OK, EXIT_HAPPENED, EXIT_WRITTEN = 0, 1, 2
HIGHEST_PORT = 65_535


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status."""
    options = _parser().parse_args(arguments)
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "run": _run,
        "check-config": _check_config,
        "probe": _probe,
        "demo": _demo,
        "simulate": _simulate,
    }
    try:
        return commands[options.command](options)
    except ConfigurationError as error:
        return _complain(error, EXIT_WRITTEN)


def _run(_options: argparse.Namespace) -> int:
    read = partial(load, os.environ, _working_directory())
    settings = read()
    # Imported here: what is wrong with a configuration is told at once.
    from exporter.daemon import run  # noqa: PLC0415
    from exporter.serving import ListenError  # noqa: PLC0415

    try:
        run(settings, read)
    except ListenError as error:
        return _complain(error, EXIT_HAPPENED)
    return EXIT_OK


def _check_config(_options: argparse.Namespace) -> int:
    from exporter.preview import preview  # noqa: PLC0415  the daemon needs none of it

    found = preview(load(os.environ, _working_directory()))
    try:
        print(found.text, flush=True)  # noqa: T201  what the operator asked for
    except BrokenPipeError:  # whoever reads has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201  beside it, not in it
    return EXIT_OK


def _probe(options: argparse.Namespace) -> int:
    settings = load(os.environ, _working_directory())
    from exporter.once import probe  # noqa: PLC0415  checking a configuration needs none of it

    return EXIT_OK if probe(settings, options.targets, as_json=options.json) else EXIT_HAPPENED


def _demo(options: argparse.Namespace) -> int:
    from exporter.demo import DemoError, demo  # noqa: PLC0415  the daemon needs none of it

    try:
        demo(duration=options.duration, prometheus=options.prometheus)
    except DemoError as error:
        return _complain(error, EXIT_HAPPENED)
    return EXIT_OK


def _simulate(options: argparse.Namespace) -> int:
    # Imported here: the daemon needs none of it.
    from exporter.demo import DemoError, UnavailableError, simulate  # noqa: PLC0415

    try:
        simulate(
            host=options.host,
            control_port=options.control_port,
            environments=options.environments,
            weather=options.weather,
            script=options.script,
        )
    except UnavailableError as error:
        return _complain(error, EXIT_HAPPENED)
    except DemoError as error:
        return _complain(error, EXIT_WRITTEN)
    return EXIT_OK


def _working_directory() -> Path:
    """Return the directory where a `.env` is looked for."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise SystemExit("the working directory does not exist") from None


def _complain(error: Exception, status: int) -> int:
    print(error, file=sys.stderr)  # noqa: T201  there is no log for it
    return status


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > HIGHEST_PORT:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {HIGHEST_PORT}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pingone-flow-exporter",
        description="Watches PingOne federations with synthetic OIDC authorize requests.",
        epilog="Settings come from the environment and from files; see docs/settings.md.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("run", help="probe on a schedule and serve metrics (the default)")
    commands.add_parser("check-config", help="print what would run, or every mistake")
    probe = commands.add_parser(
        "probe",
        help="one walk of each target, now",
        epilog="Exit status: 0 all are good, 1 some are not, 2 the configuration is wrong.",
    )
    probe.add_argument("targets", nargs="*", metavar="TARGET", help="default: all that are enabled")
    probe.add_argument("--json", action="store_true", help="for scripts, in the shape of the API")
    demo = commands.add_parser("demo", help="simulator and exporter together, nothing to configure")
    demo.add_argument("--duration", type=_duration, metavar="30s", help="end after this long")
    demo.add_argument("--prometheus", action="store_true", help="start a Prometheus that scrapes it")
    simulate = commands.add_parser("simulate", help="the simulator alone, and how to watch it")
    simulate.add_argument("--host", default="127.0.0.1", help="where to listen (127.0.0.1)")
    simulate.add_argument(
        "--control-port", type=_port, default=0, metavar="PORT", help="default: any free one"
    )
    simulate.add_argument(
        "--environments", type=int, metavar="N", help="so many healthy ones, not the demo's"
    )
    simulate.add_argument(
        "--weather",
        action="append",
        default=[],
        metavar="NAME=KIND[,PARAMETER=VALUE]",
        help="at the start; may be repeated",
    )
    simulate.add_argument("--script", type=Path, metavar="weather.yaml", help="weather over time")
    parser.set_defaults(command="run")  # last: a default set before its action would not reach it
    return parser
