"""What `simulate` was asked for and cannot be is said word for word, with the option that asked for it."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from exporter.demo import DemoError, UnavailableError, simulate, simulation

NAMES = (
    "emea_workforce, us_retail, apac_partners, ca_customers, au_suppliers, sg_contractors, "
    "latam_franchise, nordics_workforce"
)
KINDS = (
    "healthy, slow, flaky, rate_limited, error_json, error_html, silent, refused, reset, tls_expired, "
    "tls_wrong_name, flow_failed, policy_changed, maintenance, client_deleted, redirect_uri_removed, "
    "clock_skewed"
)


def refusal(**options: Any) -> DemoError:  # noqa: ANN401  whatever the command hands on
    usual = {"host": "127.0.0.1", "control_port": 0, "environments": None, "weather": [], "script": None}
    with pytest.raises(DemoError) as refused:
        simulate(**{**usual, **options})
    return refused.value


@pytest.mark.parametrize("number", [0, -3])
def test_there_is_at_least_one_environment(number: int) -> None:
    error = refusal(environments=number)
    assert str(error) == f"--environments {number}: there must be at least one"


@pytest.mark.parametrize(
    ("weather", "complaint"),
    [
        ("emea=slow", f"write NAME=KIND, where NAME is one of {NAMES}"),
        ("us_retail", f"write NAME=KIND, where NAME is one of {NAMES}"),
        ("=slow", f"write NAME=KIND, where NAME is one of {NAMES}"),
        ("", f"write NAME=KIND, where NAME is one of {NAMES}"),
        ("us_retail=", f'unknown weather ""; one of {KINDS}'),
        ("us_retail=rain", f'unknown weather "rain"; one of {KINDS}'),
        ("us_retail=slow,ms=-1", "ms of slow must be a whole number from 0 to 600000, not -1"),
        ("us_retail=slow,s=1", 'slow has no parameter "s"; it has ms, jitter'),
        ("us_retail=reset,ms=1", 'reset has no parameter "ms"; it has none'),
        ("us_retail=slow,800", '"800" is no parameter; write for example slow,ms=800'),
        ("us_retail=slow,ms=1,ms=2", '"ms" is given twice'),
    ],
)
def test_weather_that_is_none_is_told_what_would_be_right(weather: str, complaint: str) -> None:
    assert str(refusal(weather=["us_retail=slow", weather])) == f"--weather {weather}: {complaint}"


def test_weather_names_the_environments_that_were_asked_for() -> None:
    error = refusal(environments=2, weather=["us_retail=slow"])
    assert str(error) == (
        "--weather us_retail=slow: write NAME=KIND, where NAME is one of environment_1, environment_2"
    )


def test_weather_of_certificates_needs_an_environment_with_https() -> None:
    error = refusal(weather=["us_retail=tls_expired"])
    assert str(error) == "us_retail is served over http; tls_expired needs an environment with https"
    assert not isinstance(error, UnavailableError)


@pytest.mark.parametrize("host", ["a..b", "münchen", "", "127.0.0.1:80", "a b"])
def test_a_host_is_a_name_that_resolves(host: str) -> None:
    assert str(refusal(host=host)) == f"--host {host}: the name does not resolve"


def test_a_host_is_one_of_this_machine() -> None:
    error = refusal(host="192.0.2.1", environments=1)
    assert str(error) == "--host 192.0.2.1: this machine has no such address"
    assert not isinstance(error, UnavailableError)


def test_a_control_port_in_use_is_nobodys_mistake() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        error = refusal(control_port=port, environments=1)
    assert str(error) == f"--control-port {port}: address already in use; 0 means any free one"
    assert isinstance(error, UnavailableError)


def test_what_else_the_system_refuses_is_nobodys_mistake_either(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(simulation, "simulator", refuse)
    error = refusal()
    assert str(error) == "the simulator cannot start: too many open files"
    assert isinstance(error, UnavailableError)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, "no such file or directory"),
        (b"# Z\xfcrich", "it is no text in UTF-8"),
        (b"[{after: 0}\n", "line 2: not YAML: expected ',' or ']', but got '<stream end>'"),
        (
            b"- {after: 0, environment: emea, weather: slow}",
            "line 1, change 1: no environment has the name or id emea",
        ),
    ],
    ids=["absent", "latin", "no_yaml", "about_another_world"],
)
def test_a_script_that_cannot_be_played_is_told_by_its_file(
    tmp_path: Path, content: bytes | None, complaint: str
) -> None:
    script = tmp_path / "weather.yaml"
    if content is not None:
        script.write_bytes(content)
    assert str(refusal(script=script)) == f"--script {script}: {complaint}"


def test_a_directory_is_no_script(tmp_path: Path) -> None:
    assert str(refusal(script=tmp_path)) == f"--script {tmp_path}: is a directory"


def test_every_mistake_of_a_script_has_a_line_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "weather.yaml"
    script.write_text("- {after: 0, environment: us_retail, weather: rain}\n- {after: soon}\n")
    assert str(refusal(script=script)).splitlines() == [
        f'--script {script}: line 1, change 1: unknown weather "rain"; one of {KINDS}',
        f"--script {script}: line 2, change 2: environment and weather must be there",
    ]


def test_a_bug_is_not_taken_for_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        await asyncio.sleep(0)
        raise BrokenPipeError

    monkeypatch.setattr(simulation, "_simulate", fail)
    with pytest.raises(BrokenPipeError):
        simulate(host="127.0.0.1", control_port=0, environments=1, weather=[], script=None)
