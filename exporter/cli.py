"""Commands and exit statuses; no logic.

0   ok, or stopped by a signal
1   runtime failure: a port in use, a failed probe
2   invalid configuration or arguments
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from exporter import __version__
from exporter.durations import parse_duration
from exporter.process import CommandError
from exporter.settings import ConfigurationError, load

EXIT_OK, EXIT_FAILED, EXIT_INVALID = 0, 1, 2
MAX_PORT = 65_535


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status."""
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int | None] = options.command
    try:
        return command(options) or EXIT_OK
    except CommandError as error:
        print(error, file=sys.stderr)  # noqa: T201  there is no log yet
        return error.exit_status
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201  likewise
        if command is _check_config:
            count = len(error.errors)
            print(f"{count} error{'' if count == 1 else 's'}", file=sys.stderr)  # noqa: T201  likewise
        return EXIT_INVALID


# Each command imports what it needs itself: errors in the configuration are reported immediately.


def _run(_options: argparse.Namespace) -> None:
    read = partial(load, os.environ, _working_directory())
    config = read()
    # httpx and structlog import it, if they can, for command lines of their own: 5 MB.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    from exporter.daemon import run  # noqa: PLC0415

    run(config, read)


def _check_config(options: argparse.Namespace) -> int:
    config = load(os.environ, _working_directory())
    if options.list_providers:
        from exporter.probe_command import list_now  # noqa: PLC0415

        text, done = list_now(config)
    else:
        from exporter.check_config import check_config  # noqa: PLC0415

        report = check_config(config)
        text, done = report.text, True
        for warning in report.warnings:
            print(f"warning: {warning}", file=sys.stderr)  # noqa: T201  apart from the output
    try:
        print(text, flush=True)  # noqa: T201  the command's output
    except BrokenPipeError:  # the reader has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_OK if done else EXIT_FAILED


def _probe(options: argparse.Namespace) -> int:
    config = load(os.environ, _working_directory())
    from exporter.probe_command import probe  # noqa: PLC0415

    done = probe(config, options.targets, destinations=options.destination, as_json=options.json)
    return EXIT_OK if done else EXIT_FAILED


def _demo(options: argparse.Namespace) -> None:
    from exporter.demo import demo  # noqa: PLC0415

    demo(duration=options.duration, prometheus=options.prometheus)


def _simulate(options: argparse.Namespace) -> None:
    from exporter.demo import simulate  # noqa: PLC0415

    simulate(
        host=options.host,
        control_port=options.control_port,
        environments=options.environments,
        weather=options.weather,
        script=options.script,
    )


def _working_directory() -> Path:
    """Return the directory where a `.env` is looked for."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise SystemExit("the working directory does not exist") from None


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {MAX_PORT}")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pingone-flow-exporter",
        description="Watches PingOne federations with synthetic OIDC authorize requests.",
        epilog="Settings come from environment variables and files; see docs/settings.md. "
        "Exit status: 0 ok, 1 runtime failure, 2 invalid configuration or arguments.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.set_defaults(command=_run)
    commands = parser.add_subparsers(metavar="COMMAND")
    commands.add_parser("run", help="probe on a schedule and serve metrics (the default)")
    check = commands.add_parser("check-config", help="validate offline; print what would run, or every error")
    check.add_argument("--list-providers", action="store_true", help="list each destination's providers now")
    check.set_defaults(command=_check_config)
    probe = commands.add_parser(
        "probe",
        help="probe each target once and exit",
        epilog="Exit status: 0 all probes ok, 1 some failed, 2 invalid configuration or arguments.",
    )
    probe.add_argument("targets", nargs="*", metavar="TARGET", help="default: all, discovered ones too")
    probe.add_argument(
        "--destination", action="append", default=[], metavar="NAME", help="probe each provider that it lists"
    )
    probe.add_argument("--json", action="store_true", help="print JSON, in the format of the API")
    probe.set_defaults(command=_probe)
    demo = commands.add_parser("demo", help="run exporter and simulator together; needs no configuration")
    demo.add_argument("--duration", type=_duration, metavar="30s", help="stop after this duration")
    demo.add_argument("--prometheus", action="store_true", help="also start a Prometheus that scrapes it")
    demo.set_defaults(command=_demo)
    simulate = commands.add_parser("simulate", help="run the simulator alone, and print settings to probe it")
    simulate.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    simulate.add_argument(
        "--control-port", type=_port, default=0, metavar="PORT", help="of the control API (default: any free)"
    )
    simulate.add_argument(
        "--environments", type=int, metavar="N", help="number of healthy environments, not the demo's"
    )
    simulate.add_argument(
        "--weather",
        action="append",
        default=[],
        metavar="NAME=KIND[,PARAMETER=VALUE]",
        help="weather at the start; may be repeated",
    )
    simulate.add_argument("--script", type=Path, metavar="weather.yaml", help="weather over time")
    simulate.set_defaults(command=_simulate)
    return parser
