"""Which targets the command probes, and how it reports names that are not targets."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.variables import PREFIX, target_variables

from exporter.probe_command.selection import choose, select_destinations
from exporter.process import InvalidArgumentError
from exporter.settings import Config, load


def settings(*names: str, **more: str) -> Config:
    variables = {PREFIX + name: value for name, value in more.items()}
    for name in names:
        variables |= target_variables(name, "https://auth.pingone.example")
    return load(variables, Path("/nowhere"))


def with_destinations(*names: str) -> Config:
    """Return a configuration with the targets apac and hub_own, and these destinations."""
    fields = {
        "ENVIRONMENT_ID": "94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
        "CLIENT_ID": "client",
        "REDIRECT_URI": "https://app.example/callback",
    }
    more = {f"DESTINATIONS__{name}__{field}": text for name in names for field, text in fields.items()}
    return settings("apac", "hub_own", **more)


THREE = settings("apac", "emea", "retired", TARGETS__RETIRED__ENABLED="false")


def chosen(among: Config, *names: str) -> list[str]:
    return [target.name for target in choose(names, among)]


def errors(among: Config, *names: str) -> list[str]:
    with pytest.raises(InvalidArgumentError) as caught:
        choose(names, among)
    return str(caught.value).splitlines()


def test_without_names_all_enabled_targets_are_probed() -> None:
    assert chosen(THREE) == ["apac", "emea"]


def test_targets_are_in_the_given_order_each_once() -> None:
    assert chosen(THREE, "emea", "apac", "emea") == ["emea", "apac"]


def test_targets_of_other_shards_count_too() -> None:
    names = [f"t{number}" for number in range(10)]
    shard = settings(*names, SHARD__COUNT="3", SHARD__INDEX="1")
    assert 0 < len(shard.targets) < len(names)
    assert chosen(shard) == names
    assert chosen(shard, *reversed(names)) == names[::-1]


def test_every_wrong_name_is_reported() -> None:
    assert errors(THREE, "apac", "emae", "retired", "retried", "x") == [
        'unknown target "emae"; did you mean emea?',
        'target "retired" is disabled; set its ENABLED to true',
        'unknown target "retried"; did you mean retired?',
        'unknown target "x"; known: apac, emea',
    ]


def test_a_pattern_stands_for_all_names_that_match_it() -> None:
    among = settings("apac", "emea_a", "emea_b", "retired_emea", TARGETS__RETIRED_EMEA__ENABLED="false")
    assert chosen(among, "emea_*") == ["emea_a", "emea_b"]
    assert chosen(among, "*_[b]", "emea_?", "apac") == ["emea_b", "emea_a", "apac"]
    assert errors(among, "emea_*", "x*") == ['no target matches "x*"; known: apac, emea_a, emea_b']


def test_of_many_targets_the_first_ones_are_listed() -> None:
    many = settings(*(f"t{number:03}" for number in range(200)))
    (line,) = errors(many, "x")
    assert line.startswith('unknown target "x"; known: t000, t001, ')
    assert line.endswith(", t019 and 180 more")


def test_a_name_is_printed_without_control_characters() -> None:
    (line,) = errors(THREE, "\x1b[2Jx" + "y" * 1000)
    assert line.isprintable()
    assert len(line) < 300


@pytest.mark.parametrize(
    ("names", "destinations", "listed"),
    [
        ([], [], ["hub", "hub_2", "west"]),
        ([], ["west"], ["west"]),
        (["apac", "hub_own"], [], []),
        (["apac"], ["hub_2"], ["hub_2"]),
        (["west_partner_a_3f2a"], [], ["west"]),
        (["hub_2_partner_a_3f2a"], [], ["hub", "hub_2"]),
        (["hub_partner_a_3f2a", "typo"], ["west"], ["hub", "west"]),
        (["hub_2_*", "ap*"], [], ["hub", "hub_2"]),
        (["*"], [], ["hub", "hub_2", "west"]),
    ],
)
def test_only_destinations_that_may_have_a_named_target_are_listed(
    names: list[str], destinations: list[str], listed: list[str]
) -> None:
    config = with_destinations("HUB", "HUB_2", "WEST")
    assert [each.name for each in select_destinations(names, destinations, config)] == listed


def test_every_unknown_destination_is_reported() -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        select_destinations([], ["hub", "wets", "x"], with_destinations("HUB", "WEST"))
    assert str(caught.value).splitlines() == [
        'unknown destination "wets"; known: hub, west',
        'unknown destination "x"; known: hub, west',
    ]
    with pytest.raises(
        InvalidArgumentError, match=r'^unknown destination "hub"; the configuration has none$'
    ):
        select_destinations([], ["hub"], THREE)
