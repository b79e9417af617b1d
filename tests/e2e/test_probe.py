"""The one-shot, run as an SRE runs it: from a shell, a script, a pipe, or in any pod."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from harness.daemon import COMMAND, run_command
from harness.http_messages import Answer, Script, silent
from harness.http_server import HttpServer
from harness.process import Process, clean_environment
from harness.simulated import Simulated, discovered
from harness.variables import PREFIX, target_variables
from harness.waiting import PATIENCE, poll

from exporter.outcome import Phase
from exporter.reasons import FAULTS, Reason
from exporter.simulator import demo_environments
from exporter.target import Journey

pytestmark = pytest.mark.e2e

TEXT = {"type": "string", "minLength": 1}
NUMBER = {"type": "number", "minimum": 0}
TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"}
REASON = {"enum": [reason.value for reason in Reason]}


def the_only(properties: dict[str, Any], *optional: str) -> dict[str, Any]:
    required = [name for name in properties if name not in optional]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


TLS = {"version": TEXT, "cipher": TEXT, "not_after": TIME}
STEP = the_only(
    {
        "step": TEXT,
        "host": TEXT,
        "detail": TEXT,
        "reason": REASON,
        "phases": {
            "type": "object",
            "propertyNames": {"enum": [phase.value for phase in Phase]},
            "additionalProperties": NUMBER,
        },
        "http_status_code": {"type": "integer"},
        "flow_status": TEXT,
        "error_codes": {"type": "array", "items": TEXT, "minItems": 1},
        "checks": {"type": "object", "additionalProperties": {"type": "boolean"}},
        "correlation_id": TEXT,
        "address": TEXT,
        "addresses_tried": {"type": "array", "items": TEXT, "minItems": 2},
        "tls": the_only(TLS, *TLS),
    },
    "http_status_code", "flow_status", "error_codes", "checks", "correlation_id", "address",
    "addresses_tried", "tls", "detail",
)  # fmt: skip
OUTCOME = the_only(
    {
        "target": TEXT,
        "journey": {"enum": [journey.value for journey in Journey]},
        "success": {"type": "boolean"},
        "reason": REASON,
        "fault": {"enum": sorted({fault.value for faults in FAULTS.values() for fault in faults})},
        "step": TEXT,
        "phase": {"enum": [phase.value for phase in Phase]},
        "started_at": TIME,
        "duration_seconds": NUMBER,
        "stalled": {"const": True},
        "transaction_id": TEXT,
        "steps": {"type": "array", "items": STEP},
    },
    "stalled",
)
SHAPE = the_only({"outcomes": {"type": "array", "items": OUTCOME}})
"""The list of fields in DESIGN, Commands; what is unknown is absent."""

REFUSED = {"weather": "refused"}
SECRET = "hunter2-planted"
DISCOVERED = discovered(demo_environments())
HINT = "jane.planted@example.com"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulated]:
    """The demo's world, with HTTPS, a custom domain, PKCE and DaVinci in it; each test makes the weather."""
    with Simulated(demo_environments(), tmp_path_factory.mktemp("simulator")) as running:
        yield running


@pytest.fixture
def names(simulated: Simulated) -> list[str]:
    """Clear the weather, and return all targets' names."""
    for environment in demo_environments():
        simulated.put(environment.name, {"weather": "healthy"})
    return sorted([*simulated.running.target_settings(), *DISCOVERED])


def probe(
    *arguments: str, cwd: Path, env: Mapping[str, str], command: Sequence[str] = COMMAND
) -> subprocess.CompletedProcess[str]:
    # Longer than any machine needs, whatever the weather.
    defaults = {f"{PREFIX}DEFAULTS__INTERVAL": "120s", f"{PREFIX}DEFAULTS__TIMEOUT": "50s"}
    return run_command("probe", *arguments, cwd=cwd, env=defaults | dict(env), command=command)


def rows(done: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """Return the cells of the table's rows by target, its heading under `target`."""
    table, _, _ = done.stdout.partition("\n\n")
    cells = [re.split(r" {2,}", line.strip()) for line in table.splitlines()]
    return {first: rest for first, *rest in cells}


def outcomes(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, Any]]:
    """Return the outcomes by target, after checking that there is nothing but them."""
    document = json.loads(done.stdout)
    jsonschema.validate(document, SHAPE)
    return {outcome["target"]: outcome for outcome in document["outcomes"]}


def test_if_all_targets_are_healthy_table_and_exit_status_show_it(
    tmp_path: Path, simulated: Simulated, names: list[str]
) -> None:
    done = probe(cwd=tmp_path, env=simulated.variables)
    assert (done.returncode, done.stderr) == (0, "")
    heading, *found = rows(done).items()
    assert heading[0] == "target"
    assert heading[1] == [
        "journey", "result", "step", "status", "code", *(phase.value for phase in Phase), "total", "address",
    ]  # fmt: skip
    assert [name for name, _ in found] == names
    assert {cells[1] for _, cells in found} <= {"ok", "ok, slow", "ok, not timed"}
    # A token has no status, and neither have most providers that a destination lists.
    assert {cells[3] for name, cells in found if name not in {"uk_partners", *DISCOVERED}} == {"200"}
    assert done.stdout.endswith(f"\n\n{len(names)} of {len(names)} ok\n")
    assert "\x1b" not in done.stdout


def test_a_destination_is_listed_and_each_of_its_providers_probed_once(
    tmp_path: Path, simulated: Simulated, names: list[str]
) -> None:
    assert set(names) > set(DISCOVERED)
    done = probe("--destination", "hub", cwd=tmp_path, env=simulated.variables)
    assert (done.returncode, done.stderr) == (0, "")
    heading, *found = rows(done).items()
    assert heading[0] == "target"
    assert [name for name, _ in found] == DISCOVERED
    last_steps = {name.split("_")[1]: cells[2] for name, cells in found}
    beyond = dict.fromkeys(("finance", "legal", "partner", "pilot", "retail", "travel"), "source_authorize")
    assert last_steps == {"archive": "initiate", **beyond}
    assert done.stdout.endswith("\n\n7 of 7 ok\n")

    simulated.put("hub", {"weather": "provider_missing", "name": "Pilot"})
    simulated.put("travel", {"weather": "client_deleted"})
    done = probe("--destination", "hub", "--json", cwd=tmp_path, env=simulated.variables)
    reasons = {name.split("_")[1]: outcome["reason"] for name, outcome in outcomes(done).items()}
    healthy = dict.fromkeys(("archive", "finance", "legal", "partner", "retail"), "ok")
    assert (done.returncode, reasons) == (1, {**healthy, "travel": "oauth_error"})


def test_failures_are_shown_in_detail_and_the_others_are_ok(
    tmp_path: Path, simulated: Simulated, names: list[str]
) -> None:
    broken, refused, *_ = names
    simulated.put(broken, {"weather": "error_json", "code": 503})
    simulated.put(refused, REFUSED)
    done = probe(cwd=tmp_path, env=simulated.variables)
    assert (done.returncode, done.stderr) == (1, "")
    results = {name: cells[1] for name, cells in rows(done).items()}
    assert (results[broken], results[refused]) == ("server error", "connection failed")
    details = dict(re.findall(r"^(\w+): .*\n((?:  .*\n)+)", done.stdout, re.MULTILINE))
    assert details.keys() == {broken, refused}
    facts = dict(re.findall(r"^  (\w+(?: \w+)*) {2,}(\S.*)$", details[broken], re.MULTILINE))
    assert facts.keys() == {
        "detail", "reason", "fault", "who acts", "step", "phase", "code", "error codes", "host", "address",
        "correlation ID", "transaction ID", "started at",
    }  # fmt: skip
    assert (facts["reason"], facts["fault"], facts["code"]) == ("server_error", "provider", "503")
    assert re.search(r"^  reason +connect\n  fault +network$", details[refused], re.MULTILINE)
    assert done.stdout.endswith(f"\n\n{len(names) - 2} of {len(names)} ok, 2 failed\n")


def test_json_has_the_documented_fields_in_the_requested_order(
    tmp_path: Path, simulated: Simulated, names: list[str]
) -> None:
    first, second, third, *_ = reversed(names)
    simulated.put(second, {"weather": "client_deleted"})
    done = probe("--json", first, second, third.upper(), cwd=tmp_path, env=simulated.variables)
    assert (done.returncode, done.stderr) == (1, "")
    found = outcomes(done)
    assert list(found) == [first, second, third]
    assert [outcome["success"] for outcome in found.values()] == [True, False, True]
    assert found[second]["fault"] == "configuration"
    step = found[first]["steps"][-1]
    assert step.keys() >= {"phases", "http_status_code", "flow_status", "checks", "correlation_id", "address"}


def test_both_names_run_the_same_command_for_the_named_targets_only(
    tmp_path: Path, simulated: Simulated, names: list[str]
) -> None:
    command = (sys.executable, "-m", "exporter")
    done = probe(names[0], "--json", cwd=tmp_path, env=simulated.variables, command=command)
    assert (done.returncode, list(outcomes(done))) == (0, [names[0]])


def test_the_certificate_of_a_tls_target_is_reported_even_if_rejected(
    tmp_path: Path, simulated: Simulated, names: list[str]
) -> None:
    (secure,) = [environment.name for environment in demo_environments() if environment.https][:1]
    assert secure in names
    simulated.put(secure, {"weather": "tls_expired"})
    done = probe(secure, "--json", cwd=tmp_path, env=simulated.variables)
    found = outcomes(done)[secure]
    assert (done.returncode, found["reason"], found["fault"]) == (1, "tls", "provider")
    assert found["steps"][-1]["tls"].keys() >= {"not_after"}


THREE = {
    **target_variables("apac", "http://127.0.0.1:9"),
    **target_variables("emea", "http://127.0.0.1:9"),
    **target_variables("retired", "http://127.0.0.1:9", enabled="false"),
}


def test_all_unknown_targets_are_reported_and_nothing_is_probed(tmp_path: Path) -> None:
    done = probe("apac", "emae", "retired", "x", cwd=tmp_path, env=THREE)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        'unknown target "emae"; did you mean emea?\n'
        'target "retired" is disabled; set its ENABLED to true\n'
        'unknown target "x"; known: apac, emea\n'
    )


def test_invalid_settings_are_reported_as_by_check_config(tmp_path: Path) -> None:
    env = THREE | {f"{PREFIX}LOG__FORMAT": SECRET}
    done = probe("emea", cwd=tmp_path, env=env)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        run_command("check-config", cwd=tmp_path, env=env).stderr == f"{done.stderr}1 error\n" != "1 error\n"
    )
    assert SECRET not in done.stderr


def test_probe_also_probes_targets_of_other_shards(tmp_path: Path) -> None:
    with HttpServer() as server:
        env: dict[str, str] = {f"{PREFIX}SHARD__COUNT": "3", f"{PREFIX}SHARD__INDEX": "exporter-1"}
        asked = [f"t{number}" for number in range(6)]
        for name in asked:
            env |= target_variables(name, server.base_url)
        assert list(outcomes(probe("--json", cwd=tmp_path, env=env))) == asked
        assert list(outcomes(probe("--json", asked[0], cwd=tmp_path, env=env))) == asked[:1]
        assert list(outcomes(probe("--json", asked[1], cwd=tmp_path, env=env))) == asked[1:2]


def test_a_hanging_target_delays_the_others_by_its_timeout_at_most(tmp_path: Path) -> None:
    with HttpServer() as server, HttpServer(behavior=silent) as hanging:
        env = {
            **target_variables("good", server.base_url),
            **target_variables("hangs", f"http://127.0.0.1:{hanging.port}", timeout="1s"),
            **target_variables("last", server.base_url),
        }
        done = probe("--json", cwd=tmp_path, env=env)
        found = outcomes(done)
        poll(
            lambda: [request.answered_at for request in server.requests],
            lambda ended: len(ended) == 2 and None not in ended,
            what="both whole answers",
        )
        assert {name: outcome["reason"] for name, outcome in found.items()} == {
            "good": "ok", "hangs": "timeout", "last": "ok",
        }  # fmt: skip
        assert found["hangs"]["duration_seconds"] >= 1
        began = {name: outcome["started_at"] for name, outcome in found.items()}
        assert began["last"] >= began["good"]  # 50 ms apart, since they are asked at one place


def test_two_hundred_targets_in_a_pipe_are_two_hundred_rows_and_no_bar(tmp_path: Path) -> None:
    count, hosts = 200, 10
    env = {"TERM": "xterm", "FORCE_COLOR": "1"}
    with ExitStack() as stack:
        servers = [stack.enter_context(HttpServer()) for _ in range(hosts)]
        for number in range(count):
            env |= target_variables(f"t{number}", servers[number % hosts].base_url)
        done = probe(cwd=tmp_path, env=env)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(rows(done)) == count + 1
    assert done.stdout.endswith(f"\n\n{count} of {count} ok\n")
    assert "\x1b" not in done.stdout
    assert "\r" not in done.stdout


def test_a_terminal_shows_a_progress_bar_and_then_a_table_that_fits(tmp_path: Path) -> None:
    with HttpServer() as server, HttpServer(behavior=silent) as hanging:
        env = {
            **target_variables("good", server.base_url),
            **target_variables("hangs", f"http://127.0.0.1:{hanging.port}", timeout="6s"),
            "TERM": "xterm",
            "COLUMNS": "70",
        }
        seen = at_a_terminal("probe", cwd=tmp_path, env=env)
    bar, _, table = seen.rpartition("\x1b[2K")
    assert re.search(r"probing .*1/2", bar)
    assert "\x1b[32mok" in table
    lines = re.sub(r"\x1b\[[0-9;]*m", "", table).splitlines()
    assert lines[0].split()[:2] == ["target", "result"]
    assert "address" not in lines[0]
    assert all(len(line) <= 70 for line in lines[:3])
    assert lines[-1] == "1 of 2 ok, 1 failed"


@pytest.mark.parametrize("command", ["probe", "demo --duration 1s"])
def test_no_color_at_a_terminal_means_no_style_at_all(tmp_path: Path, command: str) -> None:
    env = {**target_variables("gone", "http://127.0.0.1:1"), "TERM": "xterm-256color"}
    plain = at_a_terminal(*command.split(), cwd=tmp_path, env=env | {"NO_COLOR": "1"})
    assert not re.search(r"\x1b\[[0-9;]*m", plain)
    assert re.search(r"\x1b\[[0-9;]*m", at_a_terminal(*command.split(), cwd=tmp_path, env=env))


@pytest.mark.parametrize(("codes", "status"), [((503, 200), 0), ((200, 503), 1)], ids=["good", "bad"])
def test_watching_probes_again_until_a_signal_and_the_last_round_counts(
    tmp_path: Path, codes: tuple[int, int], status: int
) -> None:
    with HttpServer() as server:
        answers: dict[int, Script] = {200: server.answer_flow, 503: Answer(status=503)}
        server.always(answers[codes[1]])
        server.then(answers[codes[0]])
        process = Process(
            [*COMMAND, "probe", "--json", "--every", "1s"],
            directory=tmp_path / "work",
            logs=tmp_path / "logs",
            environment=target_variables("emea", server.base_url),
        )
        with process:
            poll(
                lambda: process.stdout.read_text(encoding="utf-8").count("\n"),
                lambda lines: lines >= len(codes),
                what="second round",
            )
            process.signal(signal.SIGINT)
            assert process.wait(timeout=PATIENCE) == status
    rounds = [json.loads(line) for line in process.stdout.read_text(encoding="utf-8").splitlines()]
    assert [each["outcomes"][0]["success"] for each in rounds[:2]] == [code == 200 for code in codes]
    assert process.log() == ""


def at_a_terminal(*arguments: str, cwd: Path, env: Mapping[str, str]) -> str:
    """Run the command with a terminal for all that it writes, and return that."""
    reading, writing = pty.openpty()
    with subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        env=clean_environment(cwd, env),
        stdin=subprocess.DEVNULL,
        stdout=writing,
        stderr=writing,
    ):
        os.close(writing)
        seen = b""
        with suppress(OSError):  # on Linux: the other end is closed
            while piece := os.read(reading, 65_536):
                seen += piece
    os.close(reading)
    return seen.decode().replace("\r\n", "\n")


def test_no_secret_is_printed_whatever_the_result(tmp_path: Path) -> None:
    with HttpServer() as server:
        env = {
            **target_variables("good", server.base_url, redirect_uri=f"https://rp.example/cb?x={SECRET}"),
            **target_variables("gone", "http://127.0.0.1:1", proxy_url=f"http://me:{SECRET}@127.0.0.1:1"),
            **target_variables("lost", server.base_url),
        }
        env |= {f"{PREFIX}DEFAULTS__LOGIN_HINT": HINT, f"{PREFIX}LOG__LEVEL": "debug"}
        echo = Answer(
            status=302, headers=(("Location", f"https://rp.example/cb?error={SECRET}&state=abc"),), close=True
        )
        server.then(server.answer_flow, echo)
        done = [probe(*arguments, cwd=tmp_path, env=env) for arguments in ((), ("--json",))]
        sent = {
            value
            for request in server.requests
            for name, value in request.query
            if name in {"nonce", "state"}
        }
    assert [one.returncode for one in done] == [1, 1]
    assert sent
    for text in (text for one in done for text in (one.stdout, one.stderr)):
        assert not [secret for secret in (SECRET, HINT, *sent) if secret in text]


@pytest.mark.parametrize("arguments", [(), ("--json",)], ids=["table", "json"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_when_stopped_it_prints_the_results_so_far(
    tmp_path: Path, number: signal.Signals, arguments: tuple[str, ...]
) -> None:
    with HttpServer() as server, HttpServer(behavior=silent) as hanging:
        process = Process(
            [*COMMAND, "probe", *arguments],
            directory=tmp_path / "work",
            logs=tmp_path / "logs",
            environment={
                **target_variables("good", server.base_url),
                **target_variables("hangs", f"http://127.0.0.1:{hanging.port}", timeout="59s"),
                # So that the second one begins when the first one is over.
                f"{PREFIX}MAX_CONCURRENT_PROBES": "1",
            },
        )
        with process:
            poll(lambda: hanging.connections, bool, what="the one that hangs")
            process.signal(number)
            assert process.wait(timeout=PATIENCE) == 1
        written = process.stdout.read_text(encoding="utf-8")
        if arguments:
            assert [outcome["target"] for outcome in json.loads(written)["outcomes"]] == ["good"]
        else:
            assert re.search(r"^good +ok", written, re.MULTILINE)
            assert re.search(r"^hangs +not finished$", written, re.MULTILINE)
            assert written.endswith("\n\n1 of 2 ok, 1 not finished\n")
        assert process.log() == ""


def test_a_reader_that_closes_early_causes_no_failure_and_no_traceback(tmp_path: Path) -> None:
    with HttpServer() as server:
        reading, writing = os.pipe()
        os.close(reading)
        done = subprocess.run(
            [*COMMAND, "probe"],
            cwd=tmp_path,
            env=clean_environment(tmp_path, target_variables("emea", server.base_url)),
            stdin=subprocess.DEVNULL,
            stdout=writing,
            stderr=subprocess.PIPE,
            timeout=PATIENCE,
            check=False,
        )
        os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")  # noqa: PTH110  a device
def test_a_result_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    with HttpServer() as server, open("/dev/full", "w") as full:  # noqa: PTH123  likewise
        done = subprocess.run(
            [*COMMAND, "probe", "--json"],
            cwd=tmp_path,
            env=clean_environment(tmp_path, target_variables("emea", server.base_url)),
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "cannot write the output: No space left on device\n")
