"""Fields compared with each other: where environments answer, and whether a timeout fits its interval."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.settings import ConfigurationError, load

T = "FLOW_EXPORTER_TARGETS__EMEA__"
D = "FLOW_EXPORTER_DEFAULTS__"
SOURCE = "94e3268d-847d-47aa-a45e-1ef8dd8f4df0"
DESTINATION = "0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11"
EMEA = {
    f"{T}SOURCE_ENVIRONMENT_ID": SOURCE,
    f"{T}DESTINATION_ENVIRONMENT_ID": DESTINATION,
    f"{T}CLIENT_ID": "client",
}
NOWHERE = Path("/nonexistent")
OTHER = {name.replace("EMEA", "OTHER"): value for name, value in EMEA.items()}
CUSTOM = (
    "belongs to the source alone; set where the destination answers, too, by DESTINATION_REGION, "
    "DESTINATION_AUTH_URL or DESTINATION_CUSTOM_DOMAIN"
)


def told(extra: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load({**EMEA, **extra}, NOWHERE)
    return str(caught.value).split("\n")


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
def test_source_and_destination_answer_where_the_nearest_level_says(
    extra: Mapping[str, str], source: str, destination: str
) -> None:
    (target,) = load({**EMEA, **extra}, NOWHERE).targets
    assert target.source_url == source
    assert target.redirect_uri == f"{destination}/rp/callback/openid_connect"


def test_two_locators_on_one_level_are_a_mistake() -> None:
    assert told({f"{T}REGION": "EU", f"{T}CUSTOM_DOMAIN": "a.example", f"{T}DESTINATION_REGION": "EU"}) == [
        f"{T}REGION: cannot stand beside {T}CUSTOM_DOMAIN; keep one of them"
    ]


def test_three_locators_of_the_destination_are_one_mistake() -> None:
    extra = {
        f"{T}DESTINATION_REGION": "EU",
        f"{T}DESTINATION_CUSTOM_DOMAIN": "a.example",
        f"{T}DESTINATION_AUTH_URL": "http://a",
    }
    assert told(extra) == [
        (
            f"{T}DESTINATION_REGION: cannot stand beside {T}DESTINATION_AUTH_URL and "
            f"{T}DESTINATION_CUSTOM_DOMAIN; keep one of them"
        )
    ]


def test_two_locators_on_one_level_clash_across_sources_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{T}AUTH_URL=http://a\n")
    with pytest.raises(ConfigurationError) as caught:
        load({**EMEA, "FLOW_EXPORTER_TARGETS": '{"emea": {"region": "EU"}}'}, tmp_path)
    assert str(caught.value) == (
        f"FLOW_EXPORTER_TARGETS (emea.region): cannot stand beside {T}AUTH_URL in .env; keep one of them"
    )


def test_two_locators_in_the_defaults_are_told_once_even_if_no_target_uses_them() -> None:
    assert told({**OTHER, f"{D}REGION": "EU", f"{D}AUTH_URL": "http://a", f"{T}REGION": "EU"}) == [
        f"{D}REGION: cannot stand beside {D}AUTH_URL; keep one of them"
    ]


def test_a_wrong_locator_beside_another_is_told_as_both() -> None:
    assert told({f"{T}REGION": "MOON", f"{T}AUTH_URL": "http://a"}) == [
        f"{T}REGION: cannot stand beside {T}AUTH_URL; keep one of them",
        f"{T}REGION: is no region; write NA, CA, EU, AU, SG or AP",
    ]


@pytest.mark.parametrize("redirect", [{}, {f"{T}REDIRECT_URI": "https://a.example/cb"}])
def test_a_source_with_a_custom_domain_needs_its_destinations_locator(redirect: Mapping[str, str]) -> None:
    assert told({f"{T}CUSTOM_DOMAIN": "a.example", **redirect}) == [f"{T}CUSTOM_DOMAIN: {CUSTOM}"]


def test_a_custom_domain_in_the_defaults_is_told_once_for_all_targets() -> None:
    assert told({**OTHER, f"{D}CUSTOM_DOMAIN": "a.example"}) == [f"{D}CUSTOM_DOMAIN: {CUSTOM}"]


def test_a_wrong_custom_domain_still_needs_its_destinations_locator() -> None:
    assert told({f"{T}CUSTOM_DOMAIN": "https://a.example/"}) == [
        f"{T}CUSTOM_DOMAIN: {CUSTOM}",
        (
            f"{T}CUSTOM_DOMAIN: is no domain; write the host alone, for example login.example.com, "
            "without scheme and path"
        ),
    ]


@pytest.mark.parametrize(
    ("extra", "line"),
    [
        (
            {f"{T}TIMEOUT": "60s"},
            f"{T}TIMEOUT: must be shorter than the interval, which is 1m where none is set",
        ),
        (
            {f"{T}TIMEOUT": "5s", f"{T}INTERVAL": "5s"},
            f"{T}TIMEOUT: must be shorter than the interval, which {T}INTERVAL sets",
        ),
        (
            {f"{T}TIMEOUT": "5s", f"{D}INTERVAL": "5s"},
            f"{T}TIMEOUT: must be shorter than the interval, which {D}INTERVAL sets",
        ),
        (
            {f"{D}TIMEOUT": "5s", f"{T}INTERVAL": "5s"},
            f"{T}INTERVAL: must be longer than the timeout, which {D}TIMEOUT sets",
        ),
        (
            {f"{D}TIMEOUT": "5s", f"{D}INTERVAL": "5s", **OTHER},
            f"{D}TIMEOUT: must be shorter than the interval, which {D}INTERVAL sets",
        ),
        (
            {f"{D}TIMEOUT": "2m", **OTHER},
            f"{D}TIMEOUT: must be shorter than the interval, which is 1m where none is set",
        ),
    ],
)
def test_a_timeout_that_is_not_shorter_than_the_interval_names_who_set_both(
    extra: Mapping[str, str], line: str
) -> None:
    assert told(extra) == [line]


@pytest.mark.parametrize(
    ("extra", "wrong"),
    [
        ({f"{T}TIMEOUT": "90s", f"{T}INTERVAL": "soon"}, f"{T}INTERVAL"),
        ({f"{D}TIMEOUT": "90s", f"{T}TIMEOUT": "soon"}, f"{T}TIMEOUT"),
    ],
)
def test_a_wrong_duration_is_compared_with_nothing(extra: Mapping[str, str], wrong: str) -> None:
    assert told(extra) == [f"{wrong}: invalid duration; use e.g. 500ms, 30s, 1m30s or 2h"]


def test_a_wrong_enabled_does_not_count_as_disabled() -> None:
    assert told({f"{T}ENABLED": "perhaps", f"{D}ENABLED": "false"}) == [
        f"{T}ENABLED: is neither true nor false; write true or false"
    ]


def test_labels_are_counted_after_merging_and_empty_ones_do_not_count() -> None:
    labels = {f"{D}LABELS__D{n}": "x" for n in range(11)} | {f"{T}LABELS__T{n}": "x" for n in range(10)}
    assert told(labels) == [f"{T}LABELS: has more than 20 labels, DEFAULTS included; write fewer"]
    (target,) = load({**EMEA, **labels, f"{T}LABELS__D0": ""}, NOWHERE).targets
    assert len(target.labels) == 20
