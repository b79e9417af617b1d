"""What check-config prints: what would run, the load on providers, and what looks wrong."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from harness.daemon import COMMAND
from harness.process import clean_environment

from exporter.check_config import ConfigReport, check_config
from exporter.settings import load

NOWHERE = Path("/nonexistent")
P, D = "FLOW_EXPORTER_", "FLOW_EXPORTER_DEFAULTS__"
SOURCE = "94e3268d-847d-47aa-a45e-1ef8dd8f4df0"
OTHER = "14e3268d-847d-47aa-a45e-1ef8dd8f4df0"


def environ(*names: str, **fields: str) -> dict[str, str]:
    """Return the variables of targets of one source environment, and of others by `NAME__FIELD`."""
    ids = {f"{D}SOURCE_ENVIRONMENT_ID": SOURCE, f"{D}DESTINATION_ENVIRONMENT_ID": OTHER}
    clients = {f"{P}TARGETS__{name}__CLIENT_ID": "client" for name in names}
    return {**ids, **clients, **{f"{P}TARGETS__{name}": value for name, value in fields.items()}}


def checked(variables: Mapping[str, str]) -> ConfigReport:
    return check_config(load(variables, NOWHERE))


def test_loads_first_probes_and_targets_are_shown_in_this_order() -> None:
    apac = {
        "APAC__REGION": "EU",
        "APAC__SOURCE_ENVIRONMENT_ID": OTHER,
        "APAC__INTERVAL": "1s",
        "APAC__LATENCY_OBJECTIVE": "300ms",
    }
    found = checked(environ("EMEA", "APAC", "US", **apac))
    assert found.text.startswith(
        """\
auth host         targets  probes/min  open flows
auth.pingone.eu         1          60         900
auth.pingone.com        2           2          30

environment                           targets  probes/min  open flows
14e3268d-847d-47aa-a45e-1ef8dd8f4df0        1          60         900
94e3268d-847d-47aa-a45e-1ef8dd8f4df0        2           2          30

target  journey    first probe  interval
apac    authorize  immediately        1s
emea    authorize  immediately        1m
us      authorize  after 50ms         1m

target apac
  authorize URL           https://auth.pingone.eu/"""
    )
    assert found.text.endswith("\n\nOK: 3 targets")
    assert found.warnings == ()


def test_a_rare_probe_is_not_shown_as_0() -> None:
    text = checked(environ("A", A__INTERVAL="1d")).text
    assert text.split("\n")[1] == "auth.pingone.com        1        <0.1        <0.1"


def test_of_a_thousand_environments_the_heaviest_twenty_are_shown() -> None:
    ids = {f"T{n}__SOURCE_ENVIRONMENT_ID": f"{n:08}-847d-47aa-a45e-1ef8dd8f4df0" for n in range(1000)}
    text = checked(environ(*(f"T{n}" for n in range(1000)), **ids, T7__INTERVAL="30s")).text
    table = text.split("\n\n")[1].split("\n")
    assert table[1].startswith("00000007-847d-47aa-a45e-1ef8dd8f4df0        1           2 ")
    assert len(table) == 22
    assert table[-1] == "and 980 more, with fewer probes"


def test_a_shard_shows_its_own_load_and_that_of_all_shards() -> None:
    shard = {f"{P}SHARD__COUNT": "2"}
    found = checked({**environ(*(f"T{n}" for n in range(10))), **shard})
    here, everywhere = found.text.split("\n")[1].split()[2:4]
    assert 0 < int(here) < 10
    assert everywhere == "10"
    assert found.text.startswith("auth host         targets  probes/min  all shards  open flows\n")


def test_a_shard_without_a_target_shows_no_tables() -> None:
    shard = {f"{P}SHARD__COUNT": "2"}
    texts = [checked({**environ("A"), **shard, f"{P}SHARD__INDEX": index}).text for index in "01"]
    assert sorted(text.split()[0] for text in texts) == ["auth", "exporter"]


LIMIT = "PingOne is reported to limit one source address to 105/s (35% of about 300/s); increase INTERVAL"


def test_a_load_near_the_providers_limit_is_warned_of() -> None:
    often = {f"{D}INTERVAL": "100ms", f"{D}LATENCY_OBJECTIVE": "10ms"}
    assert checked({**environ(*"ABCDE"), **often}).warnings == ()
    assert checked({**environ(*"ABCDEF"), **often}).warnings == (
        f"environment {SOURCE} gets 60 requests/s; {LIMIT}",
    )


def test_the_load_of_all_shards_together_is_warned_of() -> None:
    often = {f"{D}INTERVAL": "100ms", f"{D}LATENCY_OBJECTIVE": "10ms", f"{P}SHARD__COUNT": "2"}
    assert checked({**environ(*"ABCDEF"), **often}).warnings == (
        (f"environment {SOURCE} gets 60 requests/s from all shards together; {LIMIT}"),
    )


def test_a_latency_objective_over_the_timeout_is_warned_of() -> None:
    fields = {f"T{n}__LATENCY_OBJECTIVE": "10s" for n in range(1, 8)}
    found = checked(environ(*(f"T{n}" for n in range(9)), **fields, T8__LATENCY_OBJECTIVE="9999ms"))
    assert found.warnings == (
        (
            "LATENCY_OBJECTIVE is not shorter than the timeout, so no success ever counts as slow: "
            "t1, t2, t3, t4, t5 and 2 more; decrease it"
        ),
    )


def test_an_unknown_status_is_accepted_with_a_warning() -> None:
    fields = {f"T{n}__EXPECTED_STATUSES": "USERNAME_PASSWORT_REQUIRED,DAVINCI" for n in range(7)}
    found = checked(environ(*(f"T{n}" for n in range(8)), **fields, T7__EXPECTED_STATUSES="XYZ"))
    assert "expected statuses       USERNAME_PASSWORT_REQUIRED, DAVINCI\n" in found.text
    assert found.warnings == (
        (
            "EXPECTED_STATUSES has USERNAME_PASSWORT_REQUIRED, which PingOne is not known to return: "
            "t0, t1, t2, t3, t4 and 2 more; did you mean USERNAME_PASSWORD_REQUIRED?"
        ),
        "EXPECTED_STATUSES has XYZ, which PingOne is not known to return: t7; check the spelling",
    )


def test_prompt_none_is_warned_of() -> None:
    found = checked(environ("A", "B", B__PROMPT="none"))
    assert found.warnings == (
        (
            "PROMPT=none makes PingOne answer login_required, since a probe has no session, so every probe "
            "fails: b; remove it"
        ),
    )


def test_what_the_system_lacks_is_warned_of_as_by_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.process.system_has_no_authorities", lambda: True)
    monkeypatch.setattr("resource.getrlimit", lambda _: (64, 64))
    found = checked(environ("A"))
    authorities, open_files = found.warnings
    assert authorities == "no certificate authorities on this system: install ca-certificates or set CA_FILE"
    assert open_files.startswith("100 concurrent probes may need 850 open files, but the limit is 64")


@pytest.mark.e2e
def test_warnings_go_to_standard_error_and_do_not_fail(tmp_path: Path) -> None:
    variables = environ("A", A__LATENCY_OBJECTIVE="10s")
    done = subprocess.run(
        [*COMMAND, "check-config"],
        cwd=tmp_path,
        env=clean_environment(tmp_path, variables),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("auth host ")
    assert done.stderr == (
        "warning: LATENCY_OBJECTIVE is not shorter than the timeout, so no success ever counts as slow: a; "
        "decrease it\n"
    )


@pytest.mark.e2e
def test_a_reader_that_closes_the_pipe_is_not_a_failure(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*COMMAND, "check-config"],
        cwd=tmp_path,
        env=clean_environment(tmp_path, environ("A")),
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.e2e
def test_a_configuration_file_and_a_mounted_secret_are_checked_together(tmp_path: Path) -> None:
    (tmp_path / "flows.yaml").write_text(
        f"targets:\n  emea:\n    source_environment_id: {SOURCE}\n    destination_environment_id: {OTHER}\n"
        "    client_id: 0123\n    intervall: 1m\n",
        encoding="utf-8",
    )
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / f"{P}TARGETS__EMEA__PROXY_URL").write_text("socks5://user:s3cr3t@a.example:1")
    done = subprocess.run(
        [*COMMAND, "check-config"],
        cwd=tmp_path,
        env=clean_environment(tmp_path, {f"{P}CONFIG_FILE": "flows.yaml", f"{P}SECRETS_DIR": "secrets"}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    *errors, count = done.stderr.splitlines()
    assert count == "2 errors"
    assert errors == [
        (
            f"{P}TARGETS__EMEA__PROXY_URL in secrets: https and socks proxies are not supported; use an http "
            "proxy, e.g. http://proxy.example.com:3128 (it also reaches https targets)"
        ),
        "targets.emea.intervall in flows.yaml line 6: unknown setting; did you mean targets.emea.interval?",
    ]
