"""Each target belongs to one shard, a release reshuffles nothing, and few targets move to a new shard."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings.example import EMEA, NOWHERE, errors, targets

from exporter.settings import MAX_SHARDS, ShardSettings, load, shard_of

INDEX, COUNT = "FLOW_EXPORTER_SHARD__INDEX", "FLOW_EXPORTER_SHARD__COUNT"
NAMES = [f"target_{number}" for number in range(1000)]

names = st.from_regex(r"[a-z0-9]{1,20}(_[a-z0-9]{1,20})?", fullmatch=True)
counts = st.integers(1, MAX_SHARDS - 1)


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
    """Values that were published; a change breaks every rollout."""
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
def test_every_target_is_probed_by_exactly_one_shard(own: set[str], count: int) -> None:
    probed = []
    for index in range(count):
        config = load({**targets(*own), INDEX: f"exporter-{index}", COUNT: str(count)}, NOWHERE)
        assert len(config.targets) + len(config.on_other_shards) == len(own)
        probed += [target.name for target in config.targets]
    assert sorted(probed) == sorted(own)


@pytest.mark.parametrize(
    ("written", "index"),
    [("0", 0), ("007", 7), ("exporter-0", 0), ("a-1-release.exporter-12", 12), ("a-1", 1)],
)
def test_an_index_is_a_number_or_ends_the_name_of_a_pod(written: str, index: int) -> None:
    assert load({**EMEA, INDEX: written, COUNT: "100"}, NOWHERE).shard.index == index


@pytest.mark.parametrize(
    "written", ["", "-1", "exporter", "exporter-", "exporter2", "exporter-2-x", "1.5", "Exporter-1", "٣"]
)
def test_any_other_index_is_an_error(written: str) -> None:
    assert errors({**EMEA, INDEX: written, COUNT: "100"}) == [
        f"{INDEX}: invalid shard; use its number, from 0, or a pod name ending in it, e.g. exporter-2"
    ]


def test_there_is_one_shard_unless_said_otherwise() -> None:
    settings = load(EMEA, NOWHERE)
    assert settings.shard == ShardSettings(index="0", count=1)
    assert settings.on_other_shards == ()
    assert len(settings.targets) == 1


def test_slots_are_for_the_targets_of_the_shard_alone() -> None:
    environ = targets(*(f"t{number}" for number in range(300)))
    environ |= {"FLOW_EXPORTER_DEFAULTS__INTERVAL": "10s", "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "9s"}
    whole = load(environ, NOWHERE).max_concurrent_probes
    half = load({**environ, COUNT: "2"}, NOWHERE).max_concurrent_probes
    assert whole == 405
    assert half < 300


@pytest.mark.parametrize(
    ("environ", "line"),
    [
        ({INDEX: "1"}, f"{INDEX}: must be less than SHARD__COUNT, which is 1; the first index is 0"),
        (
            {INDEX: "exporter-3", COUNT: "3"},
            f"{INDEX}: must be less than SHARD__COUNT, which is 3; the first index is 0",
        ),
        ({COUNT: "101"}, f"{COUNT}: must be at most 100"),
        ({INDEX: "3", COUNT: "0"}, f"{COUNT}: must be at least 1"),
    ],
)
def test_an_impossible_shard_is_reported_once(environ: Mapping[str, str], line: str) -> None:
    assert errors({**EMEA, **environ}) == [line]


def test_no_targets_at_all_are_an_error_of_every_shard() -> None:
    (line,) = errors({INDEX: "1", COUNT: "3"})
    assert line.startswith("FLOW_EXPORTER_TARGETS: no targets;")
