"""When probes fall within their period."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.scheduling import first_delays, interval_offset
from exporter.target import Journey

names = st.from_regex(r"\A[a-z0-9]+(_[a-z0-9]+)*\Z").filter(lambda name: len(name) <= 63)
intervals = st.floats(0.001, 1e6)


@given(names, intervals)
def test_an_offset_lies_within_the_period(name: str, interval: float) -> None:
    assert 0 <= interval_offset(name, Journey.AUTHORIZE, interval) < interval


@given(names, intervals)
def test_an_offset_is_always_the_same(name: str, interval: float) -> None:
    assert interval_offset(name, Journey.AUTHORIZE, interval) == interval_offset(
        name, Journey.AUTHORIZE, interval
    )


@given(names, intervals)
def test_an_offset_is_a_share_of_the_interval(name: str, interval: float) -> None:
    share = interval_offset(name, Journey.AUTHORIZE, 1.0)
    assert interval_offset(name, Journey.AUTHORIZE, interval) == pytest.approx(share * interval)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a", 13.5056988394),
        ("workforce", 25.5455808654),
        ("customers_eu", 15.2384670659),
        ("target_1", 34.3242696561),
        ("target_2", 27.9102602711),
        ("0", 45.3196207899),
    ],
)
def test_a_release_does_not_move_the_phase_of_a_target(name: str, expected: float) -> None:
    assert interval_offset(name, Journey.AUTHORIZE, 60.0) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("pattern", ["target_{}", "{}", "eu_{}_employees", "a_{:04d}_b"])
def test_names_that_differ_in_a_number_spread_over_the_period(pattern: str) -> None:
    buckets = Counter(int(interval_offset(pattern.format(n), Journey.AUTHORIZE, 10.0)) for n in range(2_000))
    # 200 are expected in each; 4.5 standard deviations are 60. The names are fixed, so this never flickers.
    assert sorted(buckets) == list(range(10))
    assert all(abs(count - 200) < 60 for count in buckets.values())


def test_first_probes_are_spaced_per_host() -> None:
    delays = first_delays(["one", "two", "one", "one", "two"])
    assert delays == pytest.approx([0.0, 0.0, 0.05, 0.1, 0.05])


def test_without_targets_there_is_no_first_probe() -> None:
    assert first_delays([]) == []


@given(st.lists(st.sampled_from(["one", "two", "three"])))
def test_first_probes_of_one_host_are_50_ms_apart_in_their_order(hosts: list[str]) -> None:
    delays = first_delays(hosts)
    for host in set(hosts):
        mine = [delay for delay, of in zip(delays, hosts, strict=True) if of == host]
        assert mine == pytest.approx([n * 0.05 for n in range(len(mine))])
