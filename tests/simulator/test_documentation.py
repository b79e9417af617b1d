"""docs/simulator.md describes what the simulator accepts."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from simulator_reference import reference
from weather_outcomes import REPORTED

from exporter import cli
from exporter.simulator import (
    KINDS,
    demo_environments,
    parse_weather,
    read_script,
)
from exporter.simulator.control import IMPACTS

PAGE = reference()
CELLS = re.compile(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+) \|$", re.MULTILINE)
ROWS = {row[0]: row[1:] for row in CELLS.findall(PAGE)}


def test_every_kind_has_a_row_in_the_order_of_the_kinds() -> None:
    assert list(ROWS) == list(KINDS)


def test_what_is_reported_of_every_kind_is_known_and_of_no_other() -> None:
    assert list(REPORTED) == list(KINDS)


def test_endpoints_are_listed_once() -> None:
    assert (
        PAGE.count("`authorize`, `initiate`, `sign_on`, `flow`, `resume`, `callback`, `keys`, `token`") == 1
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_names_every_parameter_with_its_range_and_default(kind: str) -> None:
    listed, does, reports = ROWS[kind]
    known = KINDS[kind].model_fields
    assert re.findall(r"`(\w+)`(?:: |$)", listed) == list(known)
    for name, field in known.items():
        if name != "endpoint":
            default = "" if field.default is None else f", by default {field.default}"
            assert f"{field.description}{default}" in listed
    detail = {"failuresRemaining", "PASSWORD_LOCKED_OUT"}
    assert set(re.findall(r"`(\w+)`", does)) - detail <= known.keys()
    assert "fault `" in reports


def test_a_row_has_what_is_reported() -> None:
    assert ROWS["silent"][2] == "`timeout`, fault `provider`, phase `processing`"
    assert ROWS["flaky"][2] == (
        "`ok`, fault `none`, phase `transfer`, code 200 or "
        "`server_error`, fault `provider`, phase `transfer`, code 503"
    )


def test_the_options_are_those_of_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["simulate", "--help"])
    offered = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    assert set(re.findall(r"^\| `(--[a-z-]+)", PAGE, re.MULTILINE)) == offered


def test_the_script_can_be_played_in_the_demo() -> None:
    script = read_script(PAGE.split("```yaml\n")[1].split("```")[0], demo_environments())
    assert len(script.changes) == 3


def test_the_examples_change_the_weather_of_existing_environments() -> None:
    names = {environment.name for environment in demo_environments()}
    commands = [
        shlex.split(line, comments=True) for line in PAGE.splitlines() if "curl -X PUT $WEATHER" in line
    ]
    assert len(commands) == 2
    for command in commands:
        assert command[3].rpartition("/")[2] in names
        parse_weather(json.loads(command[command.index("-d") + 1]))  # raises if it is invalid


def test_the_examples_switch_the_status_page_to_a_status_that_it_has() -> None:
    statuses = re.findall(r"curl -X PUT \S+/status-page/(\w+)", PAGE)
    assert statuses
    assert set(statuses) <= set(IMPACTS)
