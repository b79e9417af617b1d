"""Invalid options of `simulate` are reported word for word, each with its option."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from exporter import simulator
from exporter.demo import simulate
from exporter.process import CommandError

NAMES = (
    "emea_workforce, us_retail, apac_partners, ca_customers, au_suppliers, sg_contractors, "
    "latam_franchise, nordics_workforce, uk_partners, uk_hub, hub, retail, finance, legal, travel"
)
KINDS = ", ".join(simulator.KINDS)


def error_of(**options: Any) -> CommandError:  # noqa: ANN401  any option
    usual = {"host": "127.0.0.1", "control_port": 0, "environments": None, "weather": [], "script": None}
    with pytest.raises(CommandError) as refused:
        simulate(**{**usual, **options})
    return refused.value


@pytest.mark.parametrize("number", [0, -3])
def test_there_must_be_an_environment(number: int) -> None:
    error = error_of(environments=number)
    assert str(error) == f"--environments {number}: must be at least 1"


@pytest.mark.parametrize(
    ("weather", "message"),
    [
        ("emea=slow", f"expected NAME=KIND, where NAME is one of {NAMES}"),
        ("us_retail", f"expected NAME=KIND, where NAME is one of {NAMES}"),
        ("=slow", f"expected NAME=KIND, where NAME is one of {NAMES}"),
        ("", f"expected NAME=KIND, where NAME is one of {NAMES}"),
        ("us_retail=", f'unknown weather ""; use one of {KINDS}'),
        ("us_retail=rain", f'unknown weather "rain"; use one of {KINDS}'),
        ("us_retail=slow,ms=-1", 'ms of slow must be a whole number from 0 to 600000, not "-1"'),
        ("us_retail=slow,s=1", 'slow has no parameter "s"; it has ms, jitter, endpoint'),
        ("us_retail=reset,ms=1", 'reset has no parameter "ms"; it has endpoint'),
        ("us_retail=slow,800", 'invalid parameter "800"; use e.g. slow,ms=800'),
        ("us_retail=slow,ms=1,ms=2", 'duplicate parameter "ms"'),
    ],
)
def test_invalid_weather(weather: str, message: str) -> None:
    assert str(error_of(weather=["us_retail=slow", weather])) == f"--weather {weather}: {message}"


def test_weather_names_the_chosen_environments() -> None:
    error = error_of(environments=2, weather=["us_retail=slow"])
    assert str(error) == (
        "--weather us_retail=slow: expected NAME=KIND, where NAME is one of environment_1, environment_2"
    )


def test_weather_of_certificates_needs_an_environment_with_https() -> None:
    error = error_of(weather=["us_retail=tls_expired"])
    assert str(error) == (
        "--weather us_retail=tls_expired: "
        "us_retail is served over http; tls_expired needs an environment with https"
    )
    assert error.exit_status == 2


@pytest.mark.parametrize("host", ["a..b", "münchen", "", "127.0.0.1:80", "a b"])
def test_a_host_is_a_name_that_resolves(host: str) -> None:
    assert str(error_of(host=host)) == f"--host {host}: not an address of this machine"


def test_a_host_is_one_of_this_machine() -> None:
    error = error_of(host="192.0.2.1", environments=1)
    assert str(error) == "--host 192.0.2.1: not an address of this machine"
    assert error.exit_status == 2


def test_any_other_refusal_of_the_system_is_not_an_invalid_option(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("exporter.demo.simulation.simulator", refuse)
    error = error_of()
    assert str(error) == (
        "the simulator cannot listen on 127.0.0.1, control port 0: [Errno 24] Too many open files"
    )
    assert error.exit_status == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "[Errno 2] No such file or directory: '{script}'"),
        (b"# Z\xfcrich", "'utf-8' codec can't decode byte 0xfc in position 3: invalid start byte"),
        (b"[{after: 0}\n", "line 2: invalid YAML: expected ',' or ']', but got '<stream end>'"),
        (
            b"- {after: 0, environment: emea, weather: slow}",
            "line 1, change 1: no environment has the name or id emea",
        ),
    ],
    ids=["absent", "latin", "yaml", "other_environments"],
)
def test_an_invalid_script_is_reported_with_its_file(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    script = tmp_path / "weather.yaml"
    if content is not None:
        script.write_bytes(content)
    assert str(error_of(script=script)) == f"--script {script}: {message.format(script=script)}"


def test_a_directory_is_not_a_script(tmp_path: Path) -> None:
    assert str(error_of(script=tmp_path)) == (f"--script {tmp_path}: [Errno 21] Is a directory: '{tmp_path}'")


def test_every_error_of_a_script_has_a_line_of_its_own(tmp_path: Path) -> None:
    script = tmp_path / "weather.yaml"
    script.write_text("- {after: 0, environment: us_retail, weather: rain}\n- {after: soon}\n")
    assert str(error_of(script=script)).splitlines() == [
        f'--script {script}: line 1, change 1: unknown weather "rain"; use one of {KINDS}',
        (
            f"--script {script}: line 2, change 2: a change has after, environment and weather, as in "
            "{after: 30s, environment: emea, weather: slow}"
        ),
    ]


def test_a_bug_is_not_reported_as_an_invalid_option(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        await asyncio.sleep(0)
        raise BrokenPipeError

    monkeypatch.setattr("exporter.demo.simulation._simulate", fail)
    with pytest.raises(BrokenPipeError):
        simulate(host="127.0.0.1", control_port=0, environments=1, weather=[], script=None)
