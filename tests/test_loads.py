"""What probing asks of hosts and environments."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from harness.targets import changed
from hypothesis import given
from hypothesis import strategies as st

from exporter.check_config import loads
from exporter.target import DestinationApplication, Journey, Side, SyntheticUser, Target

EU, US = "https://auth.pingone.eu/a", "https://auth.pingone.com/a"


def a_target(name: str, **fields: Any) -> Target:  # noqa: ANN401  any field of a target or of the timing of `authorize`
    target = Target(
        name=name,
        source_environment_id="a",
        destination_environment_id="b",
        client_id="c",
        source_url=EU,
        redirect_uri="https://app.example.com/",
    )
    return changed(target, **fields)


def test_loads_are_summed_per_host_or_environment_heaviest_first() -> None:
    targets = [
        a_target("a", source_url=US),
        a_target("b", interval=30.0),
        a_target("c"),
        a_target("d", source_url=US.replace("com", "ca")),
    ]
    found = loads(targets, lambda target, _: target.auth_host)
    assert [
        (load.where, len(load.targets), round(load.probes * 60, 9), round(load.requests * 60, 9))
        for load in found
    ] == [
        ("auth.pingone.eu", 2, 3.0, 3.0),
        ("auth.pingone.ca", 1, 1.0, 1.0),
        ("auth.pingone.com", 1, 1.0, 1.0),
    ]


def test_no_targets_mean_no_load() -> None:
    assert loads([], lambda *_: "here") == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.1, 86_400)), max_size=20))
def test_the_loads_of_all_environments_are_the_whole_load(written: list[tuple[str, float]]) -> None:
    targets = [
        a_target(f"t{number}", source_environment_id=environment, interval=interval)
        for number, (environment, interval) in enumerate(written)
    ]
    found = loads(targets, lambda target, _: target.source_environment_id)
    assert sum(len(load.targets) for load in found) == len(targets)
    assert sum(load.probes for load in found) == pytest.approx(
        sum(1 / target.authorize.interval for target in targets)
    )


APPLICATION = DestinationApplication(client_id="rp", redirect_uri="https://rp.example.com/")
USER = SyntheticUser(username="probe", password="p")


@pytest.mark.parametrize(
    ("fields", "source", "destination"),
    [
        ({}, 1, 2),
        ({"application": replace(APPLICATION, lookup_username="probe")}, 1, 3),
        ({"user": USER}, 3, 5),
        ({"user": USER, "application": replace(APPLICATION, client_secret="s")}, 3, 7),
    ],
)
def test_a_federation_counts_the_requests_of_each_side_as_far_as_it_goes(
    fields: dict[str, Any], source: int, destination: int
) -> None:
    fields = {"application": APPLICATION, "destination_url": US, **fields}
    target = a_target("t", journeys=(Journey.FEDERATION,), **fields)
    found = loads([target], lambda target, side: target.rate_scope(side)[1])
    assert {load.where: round(load.requests * 300, 9) for load in found} == {"a": source, "b": destination}
    assert [round(load.probes * 300, 9) for load in found] == [1.0, 1.0]


def test_an_unknown_source_has_no_load() -> None:
    target = a_target("t", journeys=(Journey.FEDERATION,), source_environment_id=None, source_url=None)
    assert [load.where for load in loads([target], lambda target, side: ENVIRONMENT[side](target))] == ["b"]


ENVIRONMENT = {
    Side.SOURCE: lambda target: target.source_environment_id,
    Side.DESTINATION: lambda target: target.destination_environment_id,
}
