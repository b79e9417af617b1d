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
from exporter.settings import FLAGS, Config, ConfigurationError, load

EXIT_OK, EXIT_FAILED, EXIT_INVALID = 0, 1, 2
MAX_PORT = 65_535
MIN_PAUSE_SECONDS = 1.0

_Command = Callable[[argparse.Namespace], int | None]
_PROGRAM = "pingone-flow-exporter"
_SHELLS = ("bash", "zsh", "fish")
_BASH = """\
_pingone_flow_exporter() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} command="" words="" each
  COMPREPLY=()
  for each in "${{COMP_WORDS[@]:1:$((COMP_CWORD-1))}}"; do
    case $each in {names}) command=$each; break ;; esac
  done
  case ${{COMP_WORDS[COMP_CWORD-1]}} in
    --log.level) words="debug info warning error" ;;
    --log.format) words="logfmt json" ;;
    --*.file|--script) return ;;
    *) case $command in
      "") words="{commands}" ;;
{cases}
    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -F _pingone_flow_exporter {program}
"""
_ZSH = "autoload -Uz compinit bashcompinit && compinit && bashcompinit\n"
_FISH = """\
complete -c {program} -n __fish_use_subcommand -a '{commands}'
{cases}
"""
"""Completions have no more than words, so no library is needed for them: shtab has 1,500 lines."""


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
        if command is _check_config and options.json:
            from exporter.check_config import errors_to_json  # noqa: PLC0415  see below

            print(errors_to_json(error.errors))  # noqa: T201  the command's output
            return EXIT_INVALID
        print(error, file=sys.stderr)  # noqa: T201  there is no log yet
        if command is _check_config:
            count = len(error.errors)
            print(f"{count} error{'' if count == 1 else 's'}", file=sys.stderr)  # noqa: T201  likewise
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
    config = _reader(options)()
    if options.list_providers:
        from exporter.probe_command import list_now  # noqa: PLC0415

        text, done = list_now(config)
    else:
        from exporter.check_config import check_config  # noqa: PLC0415

        report = check_config(config, full=options.full)
        text, done = report.json if options.json else report.text, True
        for warning in () if options.json else report.warnings:
            print(f"warning: {warning}", file=sys.stderr)  # noqa: T201  apart from the output
    try:
        print(text, flush=True)  # noqa: T201  the command's output
    except BrokenPipeError:  # the reader has read enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_OK if done else EXIT_FAILED


def _probe(options: argparse.Namespace) -> int:
    config = _reader(options)()
    from exporter.probe_command import Selection, probe  # noqa: PLC0415

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
    """Print a shell's completion, or what that calls: the names of all targets."""
    if options.shell == "targets":
        config = _reader(options)()
        print(*sorted(target.name for target in config.enabled), sep="\n")  # noqa: T201  likewise
        return
    usages = {name: each.format_usage() for name, each in options.commands.items()}
    words = {
        name: " ".join(["--help", *re.findall(r"--[a-z][\w.-]+", text)]) for name, text in usages.items()
    }
    words["probe"] += f" $({_PROGRAM} completion targets 2>/dev/null)"
    words["completion"] += f" {' '.join(_SHELLS)}"
    if options.shell == "fish":
        words["probe"] = words["probe"].replace("$(", "(")
        form, text = "complete -c {program} -n '__fish_seen_subcommand_from {0}' -a '{1}'", _FISH
    else:
        form, text = '      {0}) words="{1}" ;;', _BASH if options.shell == "bash" else f"{_ZSH}{_BASH}"
    cases = "\n".join(form.format(*each, program=_PROGRAM) for each in words.items())
    commands = " ".join([*words, "--help", "--version", *FLAGS])
    print(text.format(program=_PROGRAM, commands=commands, names="|".join(words), cases=cases), end="")  # noqa: T201  likewise


_WITH_SETTINGS = (_run, _check_config, _probe, _completion)


def _reader(options: argparse.Namespace) -> Callable[[], Config]:
    """Return what reads the configuration, now and after a change."""
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
    """Return what parses the command line."""
    top = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Watches PingOne federations with synthetic OIDC authorize requests.",
        epilog="Flags override environment variables, which override files; see docs/settings.md.\n\n"
        + _epilog("1 runtime failure", "--config.file=flows.yaml", "check-config --help"),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    top.set_defaults(command=_run)
    _add_flags(top)
    commands = top.add_subparsers(metavar="COMMAND")

    def add(name: str, command: _Command, meaning: str, epilog: str) -> argparse.ArgumentParser:
        added = commands.add_parser(
            name,
            help=meaning,
            description=f"{meaning[0].upper()}{meaning[1:]}.",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        added.set_defaults(command=command)
        if command in _WITH_SETTINGS:
            _add_flags(added)
        return added

    examples = "run --config.file=flows.yaml", "run --web.listen-address=:9988 --log.format=json"
    add(
        "run",
        _run,
        "probe on a schedule and serve metrics (the default)",
        _epilog("1 runtime failure", *examples),
    )
    _add_check_config(add)
    _add_probe(add)
    _add_demo(add)
    _add_simulate(add)
    examples = (
        "completion bash >>~/.bash_completion",
        f"completion fish >~/.config/fish/completions/{_PROGRAM}.fish",
    )
    shell = add("completion", _completion, "print the completion for a shell", _epilog("", *examples))
    shell.add_argument("shell", choices=[*_SHELLS, "targets"], metavar="{bash,zsh,fish}")
    shell.set_defaults(commands=commands.choices)
    return top


_Add = Callable[[str, _Command, str, str], argparse.ArgumentParser]


def _add_flags(parser: argparse.ArgumentParser) -> None:
    """Add the settings that are flags; one that is not given does not hide one before the command."""
    flags = parser.add_argument_group("settings")
    add = partial(flags.add_argument, default=argparse.SUPPRESS)
    add("--config.file", dest="--config.file", metavar="FILE", help="YAML file of all settings")
    add("--web.listen-address", dest="--web.listen-address", action="append", metavar="HOST:PORT",
        help="address to listen on (default: :9988); may be repeated")  # fmt: skip
    add("--web.config.file", dest="--web.config.file", metavar="FILE", help="TLS and basic auth")
    add("--log.level", dest="--log.level", metavar="LEVEL", help="debug, info (default), warning or error")
    add("--log.format", dest="--log.format", metavar="FORMAT", help="logfmt (default) or json")


def _epilog(failure: str, *examples: str) -> str:
    statuses = [text for text in ("0 ok", failure, "2 invalid configuration or arguments") if text]
    lines = [f"  {_PROGRAM} {example}" for example in examples]
    return "\n".join(["examples:", *lines, "", f"exit status: {', '.join(statuses)}"])


def _add_check_config(add: _Add) -> None:
    examples = "check-config --config.file=flows.yaml", "check-config --json | jq .warnings"
    epilog = _epilog("1 a listing failed", *examples)
    meaning = "validate offline; print what would run, or every error"
    check = add("check-config", _check_config, meaning, epilog)
    output = check.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print JSON, errors and warnings included")
    output.add_argument("--full", action="store_true", help="print all settings of each target, however many")
    output.add_argument("--list-providers", action="store_true", help="list each destination's providers now")


def _add_probe(add: _Add) -> None:
    examples = "probe emea apac", "probe 'emea_*' --label owner=identity", "probe emea --watch --every 10s"
    epilog = _epilog("1 a probe failed (with --watch: in the last round)", *examples)
    probe = add("probe", _probe, "probe each target once and exit", epilog)
    probe.add_argument(
        "targets",
        nargs="*",
        metavar="TARGET",
        help="name or quoted pattern; default: all, discovered ones too",
    )
    probe.add_argument(
        "--destination", action="append", default=[], metavar="NAME", help="probe each provider that it lists"
    )
    probe.add_argument(
        "--label", action="append", default=[], type=_label, metavar="NAME=VALUE",
        help="only targets with this label; may be repeated",
    )  # fmt: skip
    probe.add_argument(
        "--watch", action="store_true",
        help="probe again and again until Ctrl-C; a test account signs on in the first round only",
    )  # fmt: skip
    probe.add_argument(
        "--every", type=_pause, metavar="DURATION",
        help="like --watch, with this time between rounds (default: the shortest interval of the targets)",
    )  # fmt: skip
    probe.add_argument("--full", action="store_true", help="print every probe, however many succeeded")
    probe.add_argument(
        "--json",
        action="store_true",
        help="print JSON, in the format of the API; with --watch, a line per round",
    )


def _add_demo(add: _Add) -> None:
    meaning = "run exporter and simulator together; needs no configuration"
    epilog = _epilog("1 runtime failure", "demo --duration 30s", "demo --prometheus")
    demo = add("demo", _demo, meaning, epilog)
    demo.add_argument("--duration", type=_duration, metavar="30s", help="stop after this duration")
    demo.add_argument(
        "--prometheus",
        action="store_true",
        help="also start Prometheus with the alerts, and Alertmanager if installed",
    )


def _add_simulate(add: _Add) -> None:
    meaning = "run the simulator alone, and print settings to probe it"
    examples = "simulate --script weather.yaml", "simulate --weather emea=refused"
    simulate = add("simulate", _simulate, meaning, _epilog("1 a port is in use", *examples))
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
