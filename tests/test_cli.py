"""Each command calls what it names, with its options; the exit status distinguishes failures from errors."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from harness.variables import target_variables

import exporter.daemon
import exporter.demo
import exporter.probe_command
from exporter import cli
from exporter.probe_command.selection import Selection
from exporter.process import CommandError, InvalidArgumentError
from exporter.serving import ListenError
from exporter.settings import Config, LogSettings

COMMANDS = ("run", "check-config", "probe", "demo", "simulate", "completion")
Calls = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the shell that runs the tests, and an empty working directory."""
    for name in list(os.environ):
        if name.upper().startswith("FLOW_EXPORTER_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in target_variables("emea", "http://127.0.0.1:1").items():
        monkeypatch.setenv(name, value)


def recorder(calls: Calls, error: Exception | None = None) -> Callable[..., None]:
    def record(**options: Any) -> None:  # noqa: ANN401  whatever the command hands on
        calls.append(options)
        if error is not None:
            raise error

    return record


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("arguments", [[], ["run"]], ids=["none", "run"])
def test_run_is_the_default_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: list[str]
) -> None:
    ran: list[tuple[Config, Callable[[], Config]]] = []
    monkeypatch.setattr(exporter.daemon, "run", lambda *given: ran.append(given))
    assert cli.main(arguments) == 0
    ((settings, load),) = ran
    assert [target.name for target in settings.targets] == ["emea"]
    (tmp_path / ".env").write_text("FLOW_EXPORTER_LOG__LEVEL=debug\n", encoding="utf-8")
    assert load() == replace(settings, log=LogSettings(level="debug"))


@pytest.mark.usefixtures("configured")
def test_a_port_in_use_is_a_runtime_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise ListenError("cannot listen on :9988: in use")

    monkeypatch.setattr(exporter.daemon, "run", refuse)
    assert cli.main([]) == 1
    assert capsys.readouterr() == ("", "cannot listen on :9988: in use\n")


@pytest.mark.usefixtures("configured")
def test_an_address_that_cannot_be_listened_on_is_explained_by_its_flag(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert cli.main(["run", "--web.listen-address", address]) == 1
    hint = "address already in use; use --web.listen-address to change it"
    assert capsys.readouterr() == ("", f"cannot listen on {address}: {hint}\n")


@pytest.mark.usefixtures("configured")
def test_a_bug_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(exporter.daemon, "run", fail)
    with pytest.raises(ZeroDivisionError):
        cli.main([])


@pytest.mark.parametrize(
    "arguments", [[], ["run"], ["check-config"], ["probe"]], ids=["none", "run", "check-config", "probe"]
)
def test_an_invalid_configuration_is_reported_and_nothing_is_started(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setattr(exporter.daemon, "run", pytest.fail)
    monkeypatch.setenv("FLOW_EXPORTER_LOGG__LEVEL", "info")
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(":")[0] for line in err.splitlines()] == [
        "FLOW_EXPORTER_LOGG__LEVEL",
        "FLOW_EXPORTER_TARGETS",
        *(["2 errors"] if arguments == ["check-config"] else []),
    ]


def test_check_config_does_not_import_the_daemon(tmp_path: Path) -> None:
    """A check in a pipeline is to answer at once, and must not fail where a library of the daemon would."""
    script = "import sys, exporter.cli; exporter.cli.main(['check-config']); print(*sorted(sys.modules))"
    environment = {"PATH": os.environ["PATH"], **target_variables("emea", "http://127.0.0.1:1")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert {"exporter.settings", "exporter.check_config"} <= loaded
    assert not {"exporter.daemon", "exporter.demo", "exporter.probe_command"} & loaded
    assert not {"httpx", "prometheus_client", "starlette", "uvicorn"} & loaded


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize(("good", "status"), [(True, 0), (False, 1)], ids=["good", "bad"])
def test_probe_gets_its_options_and_its_result_is_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, *, good: bool, status: int
) -> None:
    calls: Calls = []

    def probe(settings: Config, selection: Selection, **options: Any) -> bool:  # noqa: ANN401  whatever the command hands on
        assert [target.name for target in settings.targets] == ["emea"]
        calls.append({**asdict(selection), **options})
        return good

    monkeypatch.setattr(exporter.probe_command, "probe", probe)
    assert cli.main(["probe"]) == status
    assert cli.main(["probe", "EMEA", "apac", "--json"]) == status
    assert cli.main(["probe", "--destination", "Hub", "--destination", "west"]) == status
    assert cli.main(["probe", "--label", "OWNER=x=y", "--watch", "--full"]) == status
    assert cli.main(["probe", "--every", "1m"]) == status
    usual: dict[str, Any] = {"names": [], "destinations": [], "labels": []}
    usual |= {"watch": False, "every": None, "as_json": False, "full": False}
    assert calls == [
        usual,
        usual | {"names": ["emea", "apac"], "as_json": True},
        usual | {"destinations": ["hub", "west"]},
        usual | {"labels": [("owner", "x=y")], "watch": True, "full": True},
        usual | {"watch": True, "every": 60.0},
    ]


@pytest.mark.usefixtures("configured")
def test_labels_select_targets(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, owner in (("apac", "a"), ("emea", "b")):
        monkeypatch.setenv(f"FLOW_EXPORTER_TARGETS__{name.upper()}__LABELS__OWNER", owner)
    for name, value in target_variables("apac", "http://127.0.0.1:1").items():
        monkeypatch.setenv(name, value)
    assert cli.main(["probe", "--label", "owner=b", "--json"]) == 1
    (outcome,) = json.loads(capsys.readouterr().out)["outcomes"]
    assert outcome["target"] == "emea"
    assert cli.main(["probe", "--label", "owner=c"]) == 2
    assert cli.main(["probe", "apac", "--label", "owner=a", "--label", "tier=1"]) == 2
    assert cli.main(["probe", "apac", "--label", "tier=1"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        "no target has the label owner=c; known: owner=a, owner=b",
        "no target has the labels owner=a, tier=1; known: owner=a",
        "no target has the label tier=1; none has a label tier",
    ]


@pytest.mark.usefixtures("configured")
def test_settings_are_flags_before_or_after_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLOW_EXPORTER_LOG__LEVEL", "warning")
    Path("web.yaml").write_text("basic_auth_users: {}\n", encoding="utf-8")
    Path("flows.yaml").write_text("log: {format: json}\n", encoding="utf-8")
    before = ["--log.level=debug", "--web.config.file", "web.yaml"]
    after = ["--config.file", "flows.yaml", "--web.listen-address=:1", "--web.listen-address=:2"]
    assert cli.main([*before, "check-config", *after]) == 0
    shown = capsys.readouterr().out
    assert "  log                     json, from level debug\n" in shown
    assert "  listen addresses        :1, :2\n" in shown
    assert "  web security            no TLS, no login\n" in shown
    ran: list[Config] = []
    monkeypatch.setattr(exporter.daemon, "run", lambda config, read: ran.extend([config, read()]))
    assert cli.main(before) == 0
    assert [config.log.level for config in ran] == ["debug", "debug"]


@pytest.mark.usefixtures("configured")
def test_an_error_in_a_flag_names_the_flag(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["--config.file=no.yaml", "--web.config.file=no.yaml", "--web.listen-address=x", "--log.format=x"]
    for arguments in (wrong, ["probe", *wrong]):
        assert cli.main([*arguments, "--log.level=loud"]) == 2
        out, err = capsys.readouterr()
        assert (out, err.replace(os.getcwd(), "")) == ("", FLAG_ERRORS)  # noqa: PTH109  as the text has it


FLAG_ERRORS = """\
--config.file: file not found: /no.yaml
--log.format: expected logfmt or json
--log.level: expected debug, info, warning or error
--web.config.file: file not found: /no.yaml
--web.listen-address: invalid listen address; use host:port, e.g. :9988, 127.0.0.1:9988 or [::1]:9988
"""


def test_commands_without_settings_refuse_their_flags(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["--log.level=debug", "--config.file=x", "demo"])
    assert end.value.code == 2
    message = (
        "pingone-flow-exporter: error: only run, check-config and probe take --config.file, --log.level\n"
    )
    assert capsys.readouterr().err.endswith(message)


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_help_has_examples_that_parse_and_the_exit_status(
    capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([*command, "--help"])
    assert end.value.code == 0
    shown = capsys.readouterr().out
    assert re.search(r"\nexit status: 0 ok, .*2 invalid configuration or arguments\n$", shown)
    examples = re.findall(r"^  pingone-flow-exporter (.*)$", shown, re.MULTILINE)
    assert examples
    for example in examples:
        if not example.endswith("--help"):
            cli.parser().parse_args(shlex.split(re.split(r" (?:\||>+) ?", example)[0]))


@pytest.mark.usefixtures("configured")
def test_a_configuration_is_checked_into_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FLOW_EXPORTER_DEFAULTS__PROMPT", "none")
    assert cli.main(["check-config", "--json"]) == 0
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (document["valid"], document["errors"], err) == (True, [], "")
    assert [warning.partition("=")[0] for warning in document["warnings"]] == ["emea: with PROMPT"]
    assert document["targets"]["emea"]["prompt"] == "none"
    assert document["exporter"]["log"] == "logfmt, from level info"
    assert document["load"]["auth_host"][0] | {"probes_per_min": ""} == {
        "auth_host": "127.0.0.1:1", "targets": "1", "probes_per_min": "",
    }  # fmt: skip
    assert document["first_probes"][0]["target"] == "emea"
    assert cli.main(["check-config", "--json", "--log.level=loud"]) == 2
    error = {"location": "--log.level", "message": "expected debug, info, warning or error"}
    out, err = capsys.readouterr()
    assert (json.loads(out), err) == ({"valid": False, "errors": [error], "warnings": []}, "")


COMPLETE = """
source <(pingone-flow-exporter completion bash)
complete_words() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
  _pingone_flow_exporter
  echo "${COMPREPLY[@]}"
}
complete_words pingone-flow-exporter ch
complete_words pingone-flow-exporter --log.level debug probe --w
complete_words pingone-flow-exporter probe em
complete_words pingone-flow-exporter --log.format ""
complete_words pingone-flow-exporter --config.file ""
"""


@pytest.mark.e2e
def test_bash_completes_commands_options_values_and_targets() -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, **target_variables("emea", "http://127.0.0.1:1")}
    done = subprocess.run(
        ["bash", "-c", COMPLETE], env=environment, capture_output=True, text=True, check=True
    )
    words = [set(line.split()) for line in done.stdout.splitlines()]
    flags = {"--watch", "--web.config.file", "--web.listen-address"}
    assert words == [{"check-config"}, flags, {"emea"}, {"logfmt", "json"}, set()]


@pytest.mark.e2e
@pytest.mark.parametrize("command", ["completion bash", "check-config --json"])
def test_output_that_nobody_takes_ends_in_one_line_and_a_closed_pipe_in_none(command: str) -> None:
    call = partial(
        subprocess.run,
        [sys.executable, "-m", "exporter", *command.split()],
        env={},
        cwd=Path(cli.__file__).parents[1],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = call(stdout=full)
    assert (done.returncode, done.stderr) == (1, "cannot write the output: No space left on device\n")
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        assert call(stdout=closed).stderr == ""


@pytest.mark.usefixtures("configured")
def test_check_config_lists_no_providers_without_destinations(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check-config", "--list-providers"]) == 0
    assert capsys.readouterr() == ("no destinations\n", "")


@pytest.mark.usefixtures("configured")
def test_an_unknown_target_is_an_invalid_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["probe", "emae"]) == 2
    complaint = 'unknown target "emae"; did you mean emea?\n'
    assert capsys.readouterr() == ("", complaint)


@pytest.mark.parametrize(
    "arguments",
    [
        "prob",
        "run more",
        "--verbose",
        "demo --duration soon",
        "simulate --control-port x",
        "probe --label owner",
        "probe --every 500ms",
        "completion tcsh",
    ],
)
def test_an_unknown_command_or_option_is_an_invalid_argument(
    capsys: pytest.CaptureFixture[str], arguments: str
) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(arguments.split())
    assert end.value.code == 2
    assert capsys.readouterr().err.startswith("usage: pingone-flow-exporter")


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], {"duration": None, "prometheus": False}),
        (["--duration", "1m30s", "--prometheus"], {"duration": 90.0, "prometheus": True}),
    ],
    ids=["usual", "all"],
)
def test_the_demo_needs_no_configuration_and_gets_its_options(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str], options: dict[str, Any]
) -> None:
    calls: Calls = []
    monkeypatch.setattr(exporter.demo, "demo", recorder(calls))
    assert cli.main(["demo", *arguments]) == 0
    assert calls == [options]


@pytest.mark.parametrize(("error", "status"), [(CommandError, 1), (InvalidArgumentError, 2)])
@pytest.mark.parametrize("command", ["demo", "simulate"])
def test_a_demo_that_cannot_start_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    error: type[CommandError],
    status: int,
) -> None:
    monkeypatch.setattr(exporter.demo, command, recorder([], error("there is none")))
    assert cli.main([command]) == status
    assert capsys.readouterr() == ("", "there is none\n")


def test_the_simulator_gets_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: Calls = []
    monkeypatch.setattr(exporter.demo, "simulate", recorder(calls))
    assert cli.main(["simulate"]) == 0
    wanted = "--host ::1 --control-port 7 --environments 3 --weather a=b --weather c=d --script rain.yaml"
    assert cli.main(["simulate", *wanted.split()]) == 0
    usual, chosen = calls
    assert usual == {
        "host": "127.0.0.1",
        "control_port": 0,
        "environments": None,
        "weather": [],
        "script": None,
    }
    assert chosen == {
        "host": "::1",
        "control_port": 7,
        "environments": 3,
        "weather": ["a=b", "c=d"],
        "script": Path("rain.yaml"),
    }
