"""Each command calls what it names, with its options; the exit status distinguishes failures from errors."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness.variables import target_variables

import exporter.daemon
import exporter.demo
import exporter.probe_command
from exporter import cli
from exporter.demo import DemoError, UnavailableError
from exporter.serving import ListenError
from exporter.settings import Config, LogSettings

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

    def probe(settings: Config, names: list[str], **options: Any) -> bool:  # noqa: ANN401  whatever the command hands on
        calls.append({"known": [target.name for target in settings.targets], "names": names, **options})
        return good

    monkeypatch.setattr(exporter.probe_command, "probe", probe)
    assert cli.main(["probe"]) == status
    assert cli.main(["probe", "emea", "apac", "--json"]) == status
    assert cli.main(["probe", "--destination", "hub", "--destination", "west"]) == status
    assert calls == [
        {"known": ["emea"], "names": [], "destinations": [], "as_json": False},
        {"known": ["emea"], "names": ["emea", "apac"], "destinations": [], "as_json": True},
        {"known": ["emea"], "names": [], "destinations": ["hub", "west"], "as_json": False},
    ]


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
    "arguments", ["prob", "run more", "--verbose", "demo --duration soon", "simulate --control-port x"]
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


@pytest.mark.parametrize(("error", "status"), [(UnavailableError, 1), (DemoError, 2)])
@pytest.mark.parametrize("command", ["demo", "simulate"])
def test_a_demo_that_cannot_start_is_reported_in_one_line(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    command: str,
    error: type[DemoError],
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
