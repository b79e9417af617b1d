"""Commands and exit statuses; no logic.

0 ok, or stopped by a signal; 1 runtime failure, such as a failed probe; 2 invalid configuration or arguments
"""

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from exporter import __version__
from exporter.completion import SHELLS, completion
from exporter.durations import parse_duration
from exporter.process import CommandError, write_output
from exporter.settings import FLAGS, Config, ConfigurationError, load

EXIT_OK, EXIT_FAILED, EXIT_INVALID = 0, 1, 2
MAX_PORT = 65_535
MIN_PAUSE_SECONDS = 1.0

_Command = Callable[[argparse.Namespace], int | None]
_PROGRAM = "pingone-flow-exporter"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit status."""
    parsed = parser()
    options = parsed.parse_args(arguments)
    command: _Command = options.command
    if command not in _WITH_SETTINGS and (given := _flags(options)):
        parsed.error(f"only run, check-config and probe take {', '.join(given)}")
    try:
        return command(options) or EXIT_OK
    except CommandError as error:
        text = str(error)
        for flag in _flags(options):  # which would override the variable that the text names
            text = text.replace(f"FLOW_EXPORTER_{'__'.join(FLAGS[flag]).upper()}", flag)
        print(text, file=sys.stderr)  # noqa: T201  there is no log yet
        return error.exit_status
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201  there is no log yet
        return EXIT_INVALID


# Each command imports what it needs itself: errors in the configuration are reported immediately.


def _run(options: argparse.Namespace) -> None:
    read = _reader(options)
    config = read()
    # httpx and structlog import it, if they can, for command lines of their own: 5 MB.
    sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
    from exporter.daemon import run  # noqa: PLC0415

    run(config, read)


def _check_config(options: argparse.Namespace) -> int:
    from exporter.check_config import check_config, count, errors_to_json  # noqa: PLC0415

    try:
        config = _reader(options)()
    except ConfigurationError as error:
        if options.json:
            write_output(errors_to_json(error.errors))
        else:
            print(f"{error}\n{count(len(error.errors), 'error')}", file=sys.stderr)  # noqa: T201  likewise
        return EXIT_INVALID
    if options.list_providers:
        from exporter.probe_command import list_all_providers  # noqa: PLC0415

        text, done = list_all_providers(config)
        write_output(text)
        return EXIT_OK if done else EXIT_FAILED
    report = check_config(config, full=options.full)
    write_output(report.json if options.json else report.text)
    for warning in () if options.json else report.warnings:
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201  apart from the output
    return EXIT_OK


def _probe(options: argparse.Namespace) -> int:
    config = _reader(options)()
    from exporter.probe_command import probe  # noqa: PLC0415
    from exporter.probe_command.selection import Selection  # noqa: PLC0415

    done = probe(
        config,
        Selection(options.targets, options.destination, options.label),
        watch=options.watch or options.every is not None,
        every=options.every,
        as_json=options.json,
        full=options.full,
    )
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


def _completion(options: argparse.Namespace) -> None:
    """Print a shell's completion script, or the target names that the script asks for."""
    if options.shell == "targets":
        write_output("\n".join(sorted(target.name for target in _reader(options)().enabled)))
    else:
        usages = {name: each.format_usage() for name, each in options.commands.items()}
        write_output(completion(options.shell, _PROGRAM, usages))


_WITH_SETTINGS = (_run, _check_config, _probe)


def _reader(options: argparse.Namespace) -> Callable[[], Config]:
    """Return a function that loads the configuration, at the start and at each reload."""
    try:
        directory = Path.cwd()  # where a `.env` is looked for
    except FileNotFoundError:
        raise SystemExit("the working directory does not exist") from None
    return partial(load, os.environ, directory, _flags(options))


def _flags(options: argparse.Namespace) -> dict[str, str]:
    """Return the settings that are given as flags; one that is repeated is a list."""
    given = {flag: values for flag in FLAGS if (values := getattr(options, flag, None)) is not None}
    return {flag: ",".join(values) if isinstance(values, list) else values for flag, values in given.items()}


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _pause(text: str) -> float:
    if (seconds := _duration(text)) < MIN_PAUSE_SECONDS:
        raise argparse.ArgumentTypeError("must be at least 1s")
    return seconds


def _port(text: str) -> int:
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) > MAX_PORT:
        raise argparse.ArgumentTypeError(f"must be a whole number from 0 to {MAX_PORT}")
    return int(text)


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError("use NAME=VALUE, e.g. owner=identity")
    return name.lower(), value


def parser() -> argparse.ArgumentParser:
    """Build the command-line parser."""
    examples = "--config.file=flows.yaml", "check-config --help"
    top = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Probes federations between PingOne environments, and exposes Prometheus metrics.",
        epilog="Flags override environment variables, which override files; see docs/settings.md.\n\n"
        + _epilog("1 runtime failure", examples),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    top.set_defaults(command=_run)
    _add_flags(top)
    commands = top.add_subparsers(metavar="COMMAND")

    def add(
        name: str, command: _Command, meaning: str, *examples: str, failure: str = "1 runtime failure"
    ) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=meaning,
            description=f"{meaning[0].upper()}{meaning[1:]}.",
            epilog=_epilog(failure, examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(command=command)
        if command in _WITH_SETTINGS:
            _add_flags(added)
        return added

    meaning = "probe on a schedule and serve metrics (the default)"
    examples = "run --config.file=flows.yaml", "run --web.listen-address=:9988 --log.format=json"
    add("run", _run, meaning, *examples)
    for add_command in (_add_check_config, _add_probe, _add_demo, _add_simulate, _add_completion):
        add_command(add)
    top.set_defaults(commands=commands.choices)
    return top


_Add = Callable[..., argparse.ArgumentParser]


def _add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the settings that are flags; one that is not given does not hide one before the command."""
    flags = parser.add_argument_group("settings")
    add = partial(flags.add_argument, default=argparse.SUPPRESS)
    add("--config.file", dest="--config.file", metavar="FILE", help="YAML file with settings")
    add("--web.listen-address", dest="--web.listen-address", action="append", metavar="HOST:PORT",
        help="address to listen on (default: :9988); may be repeated")  # fmt: skip
    add("--web.config.file", dest="--web.config.file", metavar="FILE", help="TLS and basic auth (YAML)")
    add("--log.level", dest="--log.level", metavar="LEVEL", help="debug, info (default), warning or error")
    add("--log.format", dest="--log.format", metavar="FORMAT", help="logfmt (default) or json")


def _epilog(failure: str, examples: Iterable[str]) -> str:
    lines = [f"  {_PROGRAM} {example}" for example in examples]
    status = f"exit status: 0 ok, {failure}, 2 invalid configuration or arguments"
    return "\n".join(["examples:", *lines, "", status])


def _add_check_config(add: _Add) -> None:
    meaning = "validate the configuration offline; show what would run, or every error"
    examples = "check-config --config.file=flows.yaml", "check-config --json | jq .warnings"
    check = add("check-config", _check_config, meaning, *examples, failure="1 a listing failed")
    option = partial(check.add_mutually_exclusive_group().add_argument, action="store_true")
    option("--json", help="print JSON, errors and warnings included")
    option("--full", help="print all settings of each target, even of more than 20")
    option("--list-providers", help="list the identity providers of each destination, with one request each")


def _add_probe(add: _Add) -> None:
    examples = "probe emea apac", "probe 'emea_*' --label owner=identity", "probe emea --watch --every 10s"
    failure = "1 a probe failed (with --watch: in the last round)"
    option = add("probe", _probe, "probe each target once and exit", *examples, failure=failure).add_argument
    meaning = "name or quoted pattern (default: all, including discovered targets)"
    option("targets", nargs="*", type=str.lower, metavar="TARGET", help=meaning)
    meaning = "probe all targets that this destination lists; may be repeated"
    option("--destination", action="append", default=[], type=str.lower, metavar="NAME", help=meaning)
    meaning = "only targets with this label; may be repeated"
    option("--label", action="append", default=[], type=_label, metavar="NAME=VALUE", help=meaning)
    meaning = "probe repeatedly until Ctrl-C; a test account signs on in the first round only"
    option("--watch", action="store_true", help=meaning)
    meaning = "like --watch, with a round every DURATION (default: the shortest interval of the targets)"
    option("--every", type=_pause, metavar="DURATION", help=meaning)
    option("--full", action="store_true", help="print every probe, those that succeeded included")
    meaning = "print JSON, in the format of the API; with --watch, a line per round"
    option("--json", action="store_true", help=meaning)


def _add_demo(add: _Add) -> None:
    meaning = "run the exporter and the simulator together; no configuration needed"
    option = add("demo", _demo, meaning, "demo --duration 30s", "demo --prometheus").add_argument
    option("--duration", type=_duration, metavar="30s", help="stop after this duration")
    meaning = "also start Prometheus with the alerts, and Alertmanager if installed"
    option("--prometheus", action="store_true", help=meaning)


def _add_simulate(add: _Add) -> None:
    meaning = "run the simulator only, and print the settings to probe it"
    examples = "simulate --script weather.yaml", "simulate --weather us_retail=slow,ms=800"
    option = add("simulate", _simulate, meaning, *examples).add_argument
    option("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    meaning = "port of the control API (default: any free port)"
    option("--control-port", type=_port, default=0, metavar="PORT", help=meaning)
    meaning = "run N healthy environments instead of those of the demo"
    option("--environments", type=int, metavar="N", help=meaning)
    meaning = "weather of an environment at the start; may be repeated"
    option("--weather", action="append", default=[], metavar="NAME=KIND[,PARAMETER=VALUE]", help=meaning)
    option("--script", type=Path, metavar="weather.yaml", help="file with changes of the weather over time")


def _add_completion(add: _Add) -> None:
    fish = f"completion fish >~/.config/fish/completions/{_PROGRAM}.fish"
    examples = "completion bash >>~/.bash_completion", "completion zsh >>~/.zshrc", fish
    shell = add("completion", _completion, "print shell completion", *examples)
    shell.add_argument("shell", choices=[*SHELLS, "targets"], metavar="{bash,zsh,fish}")
