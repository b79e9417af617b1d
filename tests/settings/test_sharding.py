"""Each target is one shard's, a release reshuffles nothing, and few move when a shard is added."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.settings import ConfigurationError, ShardConfig, load
from exporter.settings.sharding import MOST_SHARDS, shard_index, shard_of

INDEX, COUNT = "FLOW_EXPORTER_SHARD__INDEX", "FLOW_EXPORTER_SHARD__COUNT"
NOWHERE = Path("/nonexistent")
NAMES = [f"target_{number}" for number in range(1000)]

names = st.from_regex(r"[a-z0-9]{1,20}(_[a-z0-9]{1,20})?", fullmatch=True)
counts = st.integers(1, MOST_SHARDS - 1)


def variables(*targets: str) -> dict[str, str]:
    fields = {
        "SOURCE_ENVIRONMENT_ID": "94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
        "DESTINATION_ENVIRONMENT_ID": "0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11",
        "CLIENT_ID": "client",
    }
    return {
        f"FLOW_EXPORTER_TARGETS__{target.upper()}__{name}": value
        for target in targets
        for name, value in fields.items()
    }


def told(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(environ, NOWHERE)
    return str(caught.value).split("\n")


@pytest.mark.parametrize(
    ("target", "shards"),
    [
        ("emea", [0, 0, 2, 2, 6]),
        ("apac", [0, 1, 2, 2, 2]),
        ("na_workforce", [0, 0, 0, 0, 6]),
        ("latam_customers", [0, 0, 0, 0, 0]),
        ("a", [0, 0, 0, 0, 9]),
        ("t1", [0, 0, 0, 3, 8]),
    ],
)
def test_no_release_reshuffles(target: str, shards: list[int]) -> None:
    """Values that were published; a change of any of them breaks everybody's rollout."""
    assert [shard_of(target, count) for count in (1, 2, 3, 5, 10)] == shards


@given(names, counts)
def test_a_target_that_moves_when_a_shard_is_added_moves_to_that_shard(target: str, count: int) -> None:
    assert shard_of(target, count + 1) in {shard_of(target, count), count}


@pytest.mark.parametrize("count", [2, 3, 10])
def test_targets_are_spread_evenly_and_few_move(count: int) -> None:
    before = [shard_of(name, count) for name in NAMES]
    even = len(NAMES) / count
    assert all(0.7 * even < before.count(shard) < 1.3 * even for shard in range(count))
    moved = sum(shard_of(name, count + 1) != shard for name, shard in zip(NAMES, before, strict=True))
    assert 0.7 < moved / (len(NAMES) / (count + 1)) < 1.3


@given(st.sets(names, min_size=1, max_size=8), st.integers(1, 5))
def test_every_target_is_probed_by_exactly_one_shard(targets: set[str], count: int) -> None:
    shares = []
    for index in range(count):
        settings = load({**variables(*targets), INDEX: f"exporter-{index}", COUNT: str(count)}, NOWHERE)
        assert len(settings.targets) + len(settings.shard.elsewhere) == len(targets)
        shares += [target.name for target in settings.targets]
    assert sorted(shares) == sorted(targets)


@pytest.mark.parametrize(
    ("written", "index"),
    [("0", 0), ("007", 7), (2, 2), ("exporter-0", 0), ("a-1-release.exporter-12", 12), ("a-1", 1)],
)
def test_an_index_is_a_number_or_ends_a_pods_name(written: object, index: int) -> None:
    assert shard_index(written) == index


@pytest.mark.parametrize(
    "written",
    ["", "-1", "exporter", "exporter-", "exporter2", "exporter-2-x", "1.5", "Exporter-1", "٣", True, None],
)
def test_what_is_no_index_is_told(written: object) -> None:
    with pytest.raises(ValueError, match=r"^is no shard; write its number, from 0, or"):
        shard_index(written)


def test_there_is_one_shard_unless_said_otherwise() -> None:
    settings = load(variables("emea"), NOWHERE)
    assert settings.shard == ShardConfig(index=0, count=1, elsewhere=())
    assert len(settings.targets) == 1


def test_slots_are_for_the_targets_of_the_shard_alone() -> None:
    environ = variables(*(f"t{number}" for number in range(300)))
    environ |= {"FLOW_EXPORTER_DEFAULTS__INTERVAL": "10s", "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "9s"}
    whole = load(environ, NOWHERE).max_concurrent_probes
    half = load({**environ, COUNT: "2"}, NOWHERE).max_concurrent_probes
    assert whole == 405
    assert half < 300


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        (
            {INDEX: "1"},
            (
                f"{INDEX}: must be less than the number of shards, which is 1 where {COUNT} does not set it; "
                "the first one is 0"
            ),
        ),
        (
            {INDEX: "exporter-3", COUNT: "3"},
            f"{INDEX}: must be less than the number of shards, which {COUNT} sets; the first one is 0",
        ),
        ({COUNT: "101"}, f"{COUNT}: is more than 100 shards; write fewer"),
        (
            {INDEX: "3", COUNT: "0"},
            (
                f"{COUNT}: is no whole number from 1 to 999999999; "
                "write how many exporters share the targets, for example 3"
            ),
        ),
    ],
)
def test_a_shard_that_cannot_be_is_told_once(environ: Mapping[str, str], line: str) -> None:
    assert told({**variables("emea"), **environ}) == [line]


def test_no_targets_at_all_stay_a_mistake_of_every_shard() -> None:
    (line,) = told({INDEX: "1", COUNT: "3"})
    assert line.startswith("FLOW_EXPORTER_TARGETS: there is no target")
