"""Settings that depend on each other: where environments are, timeout and interval, labels."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from settings.example import DESTINATION, EMEA, NOWHERE, SOURCE, D, T, errors, only_target, targets

from exporter.settings import load

OTHER = targets("OTHER")
NEEDS_DESTINATION = "requires DESTINATION_REGION, DESTINATION_AUTH_URL or DESTINATION_CUSTOM_DOMAIN"


def reported(extra: Mapping[str, str]) -> list[str]:
    return errors({**EMEA, **extra})


@pytest.mark.parametrize(
    ("extra", "source", "destination"),
    [
        ({}, f"https://auth.pingone.com/{SOURCE}", f"https://auth.pingone.com/{DESTINATION}"),
        (
            {f"{T}REGION": "AU"},
            f"https://auth.pingone.com.au/{SOURCE}",
            f"https://auth.pingone.com.au/{DESTINATION}",
        ),
        ({f"{T}AUTH_URL": "http://a:1/b"}, f"http://a:1/b/{SOURCE}", f"http://a:1/b/{DESTINATION}"),
        (
            {f"{T}REGION": "EU", f"{T}DESTINATION_REGION": "CA"},
            f"https://auth.pingone.eu/{SOURCE}",
            f"https://auth.pingone.ca/{DESTINATION}",
        ),
        (
            {f"{T}CUSTOM_DOMAIN": "a.example", f"{T}DESTINATION_REGION": "SG"},
            "https://a.example",
            f"https://auth.pingone.sg/{DESTINATION}",
        ),
        (
            {f"{T}CUSTOM_DOMAIN": "a.example", f"{T}DESTINATION_CUSTOM_DOMAIN": "b.example:8443"},
            "https://a.example",
            "https://b.example:8443",
        ),
        (
            {f"{T}DESTINATION_CUSTOM_DOMAIN": "b.example"},
            f"https://auth.pingone.com/{SOURCE}",
            "https://b.example",
        ),
        # any on the target beats any in DEFAULTS
        (
            {f"{D}AUTH_URL": "http://d", f"{T}REGION": "AP"},
            f"https://auth.pingone.asia/{SOURCE}",
            f"https://auth.pingone.asia/{DESTINATION}",
        ),
        (
            {f"{D}CUSTOM_DOMAIN": "d.example", f"{T}AUTH_URL": "http://a"},
            f"http://a/{SOURCE}",
            f"http://a/{DESTINATION}",
        ),
        (
            {f"{D}DESTINATION_REGION": "EU", f"{T}DESTINATION_CUSTOM_DOMAIN": "b.example"},
            f"https://auth.pingone.com/{SOURCE}",
            "https://b.example",
        ),
        # the destination's own, even in DEFAULTS, beats the source's
        (
            {f"{D}DESTINATION_REGION": "EU", f"{T}CUSTOM_DOMAIN": "a.example"},
            "https://a.example",
            f"https://auth.pingone.eu/{DESTINATION}",
        ),
        ({f"{D}REGION": "EU"}, f"https://auth.pingone.eu/{SOURCE}", f"https://auth.pingone.eu/{DESTINATION}"),
    ],
)
def test_source_and_destination_are_where_the_nearest_level_says(
    extra: Mapping[str, str], source: str, destination: str
) -> None:
    target = only_target(extra)
    assert target.source_url == source
    assert target.redirect_uri == f"{destination}/rp/callback/openid_connect"


def test_two_locations_on_one_level_are_an_error() -> None:
    assert reported(
        {f"{T}REGION": "EU", f"{T}CUSTOM_DOMAIN": "a.example", f"{T}DESTINATION_REGION": "EU"}
    ) == [f"{T}REGION: REGION and CUSTOM_DOMAIN are mutually exclusive"]


def test_three_locations_of_the_destination_are_one_error() -> None:
    extra = {
        f"{T}DESTINATION_REGION": "EU",
        f"{T}DESTINATION_CUSTOM_DOMAIN": "a.example",
        f"{T}DESTINATION_AUTH_URL": "http://a",
    }
    assert reported(extra) == [
        (
            f"{T}DESTINATION_REGION: DESTINATION_REGION and DESTINATION_AUTH_URL and "
            "DESTINATION_CUSTOM_DOMAIN are mutually exclusive"
        )
    ]


def test_two_locations_on_one_level_are_an_error_across_sources_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{T}AUTH_URL=http://a\n")
    assert errors({**EMEA, "FLOW_EXPORTER_TARGETS": '{"emea": {"region": "EU"}}'}, tmp_path) == [
        "FLOW_EXPORTER_TARGETS (emea.region): REGION and AUTH_URL are mutually exclusive"
    ]


def test_two_locations_in_the_defaults_are_reported_once_even_if_no_target_uses_them() -> None:
    assert reported({**OTHER, f"{D}REGION": "EU", f"{D}AUTH_URL": "http://a", f"{T}REGION": "EU"}) == [
        f"{D}REGION: REGION and AUTH_URL are mutually exclusive"
    ]


def test_an_invalid_location_next_to_another_is_reported_as_both() -> None:
    assert reported({f"{T}REGION": "MOON", f"{T}AUTH_URL": "http://a"}) == [
        f"{T}REGION: REGION and AUTH_URL are mutually exclusive",
        f"{T}REGION: unknown region; use NA, CA, EU, AU, SG or AP",
    ]


@pytest.mark.parametrize("redirect", [{}, {f"{T}REDIRECT_URI": "https://a.example/cb"}])
def test_a_source_with_a_custom_domain_needs_its_destinations_location(redirect: Mapping[str, str]) -> None:
    assert reported({f"{T}CUSTOM_DOMAIN": "a.example", **redirect}) == [
        f"{T}CUSTOM_DOMAIN: {NEEDS_DESTINATION}"
    ]


def test_a_custom_domain_in_the_defaults_is_reported_once_for_all_targets() -> None:
    assert reported({**OTHER, f"{D}CUSTOM_DOMAIN": "a.example"}) == [
        f"{D}CUSTOM_DOMAIN: {NEEDS_DESTINATION} (target emea and 1 more)"
    ]


def test_an_invalid_custom_domain_still_needs_its_destinations_location() -> None:
    assert reported({f"{T}CUSTOM_DOMAIN": "https://a.example/"}) == [
        (f"{T}CUSTOM_DOMAIN: invalid domain; use a host without scheme and path, e.g. login.example.com"),
        f"{T}CUSTOM_DOMAIN: {NEEDS_DESTINATION}",
    ]


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        ({f"{T}TIMEOUT": "60s"}, f"{T}TIMEOUT: must be shorter than INTERVAL, which is 1m"),
        (
            {f"{T}TIMEOUT": "5s", f"{T}INTERVAL": "5s"},
            f"{T}TIMEOUT: must be shorter than INTERVAL, which is 5s",
        ),
        (
            {f"{T}TIMEOUT": "5s", f"{D}INTERVAL": "5s"},
            f"{T}TIMEOUT: must be shorter than INTERVAL, which is 5s",
        ),
        (
            {f"{D}TIMEOUT": "5s", f"{T}INTERVAL": "5s", **OTHER},
            f"{D}TIMEOUT: must be shorter than INTERVAL, which is 5s (target emea)",
        ),
        (
            {f"{D}TIMEOUT": "2m", **targets("B", "C")},
            f"{D}TIMEOUT: must be shorter than INTERVAL, which is 1m (target b and 2 more)",
        ),
    ],
)
def test_a_timeout_must_be_shorter_than_the_interval(extra: Mapping[str, str], line: str) -> None:
    assert reported(extra) == [line]


def test_a_default_timeout_is_compared_with_the_interval_of_each_target_only() -> None:
    assert only_target({f"{D}TIMEOUT": "90s", f"{T}INTERVAL": "5m"}).authorize.timeout == 90.0


@pytest.mark.parametrize(
    ("extra", "invalid"),
    [
        ({f"{T}TIMEOUT": "90s", f"{T}INTERVAL": "soon"}, f"{T}INTERVAL"),
        ({f"{D}TIMEOUT": "90s", f"{T}TIMEOUT": "soon"}, f"{T}TIMEOUT"),
    ],
)
def test_an_invalid_duration_is_compared_with_nothing(extra: Mapping[str, str], invalid: str) -> None:
    assert reported(extra) == [f"{invalid}: invalid duration; use e.g. 500ms, 30s, 1m30s or 2h"]


def test_an_invalid_enabled_does_not_count_as_disabled() -> None:
    assert reported({f"{T}ENABLED": "perhaps", f"{D}ENABLED": "false"}) == [
        f"{T}ENABLED: expected true or false"
    ]


def test_labels_are_counted_after_merging_and_empty_ones_do_not_count() -> None:
    labels = {f"{D}LABELS__D{n}": "x" for n in range(11)} | {f"{T}LABELS__T{n}": "x" for n in range(10)}
    assert reported(labels) == [f"{T}LABELS: more than 20 labels, DEFAULTS included"]
    (target,) = load({**EMEA, **labels, f"{T}LABELS__D0": ""}, NOWHERE).targets
    assert len(target.labels) == 20
