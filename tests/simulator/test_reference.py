"""What the page of the simulator says can be done can be done."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from exporter import cli
from exporter.simulator import Kind, Weather, demo_world, read_script
from exporter.simulator.reference import reference
from exporter.simulator.script import check_script
from exporter.simulator.weather import PARAMETERS, Number

PAGE = reference()
CELLS = re.compile(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
ROWS = {row[0]: row[1:] for row in CELLS.findall(PAGE)}


def test_every_kind_has_a_row_in_the_order_of_the_kinds() -> None:
    assert list(ROWS) == list(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_a_row_names_every_parameter_with_its_range_and_default(kind: Kind) -> None:
    parameters, does, reports = ROWS[kind]
    assert re.findall(r"`(\w+)`: ", parameters) == list(PARAMETERS[kind])
    for parameter in PARAMETERS[kind].values():
        assert str(parameter) in parameters
        if isinstance(parameter, Number):
            assert f"{parameter}, by default {parameter.default:g}" in parameters
    assert set(re.findall(r"`(\w+)`", does)) - set(PARAMETERS[kind]) - {"jitter"} == set()
    assert "fault `" in reports


def test_a_row_says_what_is_reported() -> None:
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


def test_the_script_can_be_played_in_the_demos_world() -> None:
    script = read_script(PAGE.split("```yaml\n")[1].split("```")[0])
    check_script(script, demo_world())
    assert script.repeat == 120
    assert len(script.changes) == 3


def test_the_bodies_of_the_examples_are_weather_of_environments_that_are() -> None:
    names = {environment.name for environment in demo_world()}
    commands = [shlex.split(line, comments=True) for line in PAGE.splitlines() if "curl -X PUT" in line]
    assert len(commands) == 2
    for command in commands:
        assert command[3].rpartition("/")[2] in names
        Weather.parse(json.loads(command[command.index("-d") + 1]))  # raises if it is none
