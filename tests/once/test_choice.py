"""Which targets are meant, and what is said when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.variables import PREFIX, target_variables

from exporter.once.choice import choose
from exporter.settings import Config, ConfigurationError, load


def settings(*names: str, **more: str) -> Config:
    variables = {PREFIX + name: value for name, value in more.items()}
    for name in names:
        variables |= target_variables(name, "https://auth.pingone.example")
    return load(variables, Path("/nowhere"))


THREE = settings("apac", "emea", "retired", TARGETS__RETIRED__ENABLED="false")


def chosen(among: Config, *names: str) -> list[str]:
    return [target.name for target in choose(names, among)]


def told(among: Config, *names: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        choose(names, among)
    return str(caught.value).splitlines()


def test_without_names_all_that_are_enabled_are_meant() -> None:
    assert chosen(THREE) == ["apac", "emea"]


def test_targets_come_in_the_order_asked_for_each_once_and_in_whatever_case() -> None:
    assert chosen(THREE, "emea", "APAC", "Emea") == ["emea", "apac"]


def test_a_target_of_another_shard_is_one_like_any_other() -> None:
    names = [f"t{number}" for number in range(10)]
    shard = settings(*names, SHARD__COUNT="3", SHARD__INDEX="1")
    assert 0 < len(shard.targets) < len(names)
    assert chosen(shard) == names
    assert chosen(shard, *reversed(names)) == names[::-1]


def test_every_name_that_is_no_targets_is_told_at_once() -> None:
    assert told(THREE, "apac", "emae", "retired", "retried", "x") == [
        "target emae: there is none of this name; did you mean emea?",
        "target retired: is disabled; set its ENABLED to true",
        "target retried: there is none of this name; did you mean retired?",
        "target x: there is none of this name; there are apac, emea",
    ]


def test_of_very_many_targets_the_first_ones_are_listed() -> None:
    many = settings(*(f"t{number:03}" for number in range(200)))
    (line,) = told(many, "x")
    assert line.startswith("target x: there is none of this name; there are t000, t001, ")
    assert line.endswith(", t019 and 180 more")


def test_a_name_cannot_write_to_the_terminal() -> None:
    (line,) = told(THREE, "\x1b[2Jx" + "y" * 1000)
    assert line.isprintable()
    assert len(line) < 300
