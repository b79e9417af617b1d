"""What a reload makes of what is in the schedule."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from scheduling.stage import make_target

from exporter.scheduling.entry import Entry, Key, changes, enter
from exporter.target import IpFamily, Journey, Target

UNSEEN = {"labels": (("owner", "identity"),), "latency_objective": 0.5}
"""Fields that no probe sees, and other values of them."""

SEEN: dict[str, Any] = {
    "source_environment_id": "b",
    "destination_environment_id": "b",
    "client_id": "b",
    "source_url": "https://other.example/a",
    "redirect_uri": "https://other.example/callback",
    "scope": "openid profile",
    "prompt": "login",
    "acr_values": "Single_Factor",
    "login_hint": "somebody",
    "max_age": 1,
    "pkce": True,
    "expected_statuses": ("OTP_REQUIRED",),
    "interval": 61.0,
    "timeout": 11.0,
    "ca_file": Path("/ca.pem"),
    "client_certificate_file": Path("/client.pem"),
    "client_key_file": Path("/client.key"),
    "ip_family": IpFamily.V6,
    "proxy_url": "http://proxy.example:3128",
}
"""Fields that a probe, or its slots, do see."""


def entered(*targets: Target) -> dict[Key, Entry]:
    return {entry.key: entry for entry in enter(changes({}, targets).entered, 0.0)}


def names(entries: list[Entry]) -> list[str]:
    return [entry.target.name for entry in entries]


def test_every_field_of_a_target_is_seen_or_not() -> None:
    """A new field has to be put into one of the two tables."""
    known = {field.name for field in fields(Target)} - {"name", "journeys"}
    assert known <= UNSEEN.keys() | SEEN.keys()


def test_what_is_equal_is_kept() -> None:
    before = entered(make_target("a"), make_target("b"))
    found = changes(before, [make_target("a"), make_target("b")])
    assert [entry for entry, _ in found.kept] == list(before.values())
    assert (found.retired, found.entered) == ([], [])


@pytest.mark.parametrize("field", UNSEEN)
def test_what_changes_in_what_no_probe_sees_is_kept_with_its_new_value(field: str) -> None:
    before = entered(make_target("a"))
    after = replace(make_target("a"), **{field: UNSEEN[field]})  # type: ignore[arg-type]  # its own type each
    found = changes(before, [after])
    assert found.kept == [(before[Key("a", Journey.AUTHORIZE)], after)]
    assert (found.retired, found.entered) == ([], [])


@pytest.mark.parametrize("field", SEEN)
def test_what_changes_otherwise_is_retired_and_entered_anew(field: str) -> None:
    after = replace(make_target("a"), **{field: SEEN[field], **UNSEEN})
    found = changes(entered(make_target("a")), [after])
    assert (found.kept, names(found.retired)) == ([], ["a"])
    assert found.entered == [(after, Journey.AUTHORIZE)]


def test_what_is_gone_is_retired_and_what_is_new_is_entered_in_its_order() -> None:
    new = [make_target("z"), make_target("b"), make_target("y")]
    found = changes(entered(make_target("a"), make_target("b")), new)
    assert names([entry for entry, _ in found.kept]) == ["b"]
    assert names(found.retired) == ["a"]
    assert found.entered == [(new[0], Journey.AUTHORIZE), (new[2], Journey.AUTHORIZE)]


def test_a_target_without_journeys_any_more_is_gone() -> None:
    found = changes(entered(make_target("a")), [replace(make_target("a"), journeys=())])
    assert (found.kept, names(found.retired), found.entered) == ([], ["a"], [])


def test_first_probes_are_spread_over_those_of_one_host() -> None:
    found = changes({}, [make_target(name, host=host) for name, host in zip("abc", "hih", strict=True)])
    assert [entry.slots.upcoming for entry in enter(found.entered, 100.0)] == [100.0, 100.0, 100.05]
