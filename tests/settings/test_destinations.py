"""Destinations in the settings, and what the targets that they bring inherit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from settings.example import DESTINATION, EMEA, NOWHERE, errors

from exporter.destinations import MAX_PROVIDER_NAME_LENGTH
from exporter.settings import LinearPattern, load
from exporter.target import ANY_REQUIRED, IpFamily, Journey, ReadyBy, SourceKind

if TYPE_CHECKING:
    from pathlib import Path

    from harness.certificates import Authority

    from exporter.destinations import Destination

HUB = "FLOW_EXPORTER_DESTINATIONS__HUB__"
DEFAULTS = "FLOW_EXPORTER_DEFAULTS__"
BACK = "https://app.example/callback"
TOO_LARGE = "too large when compiled; use smaller repetition counts"
NO_LOOK_AROUND = "look-around, including look-ahead and look-behind, is not supported"
NEEDED = {
    f"{HUB}ENVIRONMENT_ID": DESTINATION.upper(),
    f"{HUB}CLIENT_ID": "client",
    f"{HUB}REDIRECT_URI": BACK,
}


def hub(directory: Path = NOWHERE, **variables: str) -> Destination:
    """Return the only destination; the names of variables lack their prefix."""
    given = {f"FLOW_EXPORTER_{name}": value for name, value in variables.items()}
    (destination,) = load(NEEDED | given, directory).destinations
    return destination


def test_three_settings_are_enough_and_no_target_is_needed() -> None:
    assert load(NEEDED, NOWHERE).targets == ()
    destination = hub()
    template = destination.template
    assert destination.name == "hub"
    assert destination.template.application is not None
    assert destination.template.application.client_id == "client"
    assert destination.template.destination_url == f"https://auth.pingone.com/{DESTINATION}"
    assert (destination.max_providers, destination.refresh_interval) == (200, 300.0)
    assert (destination.include, destination.exclude, destination.expect) == (None, None, frozenset())
    assert template.journeys == (Journey.FEDERATION,)
    assert (template.federation.interval, template.federation.timeout) == (300.0, 30.0)
    assert (template.source_kind, template.ready_by) == (SourceKind.AUTO, ReadyBy.PROMPT_NONE)
    assert template.expected_statuses == (ANY_REQUIRED,)
    assert (template.provider_id, template.source_url, template.user) == (None, None, None)


def test_its_targets_inherit_the_defaults_but_for_what_is_about_one_federation() -> None:
    template = hub(
        DEFAULTS__REGION="EU",
        DEFAULTS__CLIENT_ID="of-a-source",
        DEFAULTS__SOURCE_ENVIRONMENT_ID=DESTINATION,
        DEFAULTS__REDIRECT_URI="https://other.example/",
        DEFAULTS__PROVIDER_ID="Partner",
        DEFAULTS__JOURNEYS="authorize,discovery",
        DEFAULTS__FEDERATION_INTERVAL="20s",
        DEFAULTS__EXPECTED_STATUSES="SIGN_ON_REQUIRED",
        DEFAULTS__SOURCE_KIND="pingone",
        DEFAULTS__DESTINATION_ACR_VALUES="Partners",
        DEFAULTS__LABELS__OWNER="iam",
        DEFAULTS__LABELS__TIER="gold",
        DESTINATIONS__HUB__LABELS__OWNER="partners",
    ).template
    assert template.destination_url == f"https://auth.pingone.eu/{DESTINATION}"
    assert (template.client_id, template.source_environment_id, template.provider_id) == (None, None, None)
    assert template.application is not None
    assert (template.application.redirect_uri, template.application.acr_values) == (BACK, "Partners")
    assert template.journeys == (Journey.FEDERATION,)
    assert (template.federation.interval, template.federation.timeout) == (20.0, 10.0)
    assert template.expected_statuses == ("SIGN_ON_REQUIRED",)
    assert template.source_kind is SourceKind.PINGONE
    assert template.labels == (("owner", "partners"), ("tier", "gold"))


def test_its_own_settings_win_over_the_defaults(tmp_path: Path, authority: Authority) -> None:
    destination = hub(
        tmp_path,
        DEFAULTS__FEDERATION_INTERVAL="20s",
        DEFAULTS__READY_BY="prompt_none",
        DEFAULTS__IP_FAMILY="6",
        DEFAULTS__PROXY_URL="http://other.example:3128",
        DEFAULTS__DESTINATION_REGION="CA",
        DESTINATIONS__HUB__AUTH_URL="https://login.example/",
        DESTINATIONS__HUB__FEDERATION_INTERVAL="1m",
        DESTINATIONS__HUB__READY_BY="LOGIN_PAGE",
        DESTINATIONS__HUB__LOGIN_HOSTS="a.example, b.example",
        DESTINATIONS__HUB__IP_FAMILY="4",
        DESTINATIONS__HUB__PROXY_URL="http://user:planted@proxy.example:3128",
        DESTINATIONS__HUB__CA_FILE=str(authority.ca_file),
        DESTINATIONS__HUB__REFRESH_INTERVAL="90s",
        DESTINATIONS__HUB__MAX_PROVIDERS="7",
    )
    template = destination.template
    assert destination.template.destination_url == f"https://login.example/{DESTINATION}"
    assert (template.federation.interval, template.federation.timeout) == (60.0, 30.0)
    assert (template.ready_by, template.login_hosts) == (ReadyBy.LOGIN_PAGE, ("a.example", "b.example"))
    assert (template.ip_family, template.ca_file) == (IpFamily.V4, authority.ca_file)
    assert template.proxy_url == "http://user:planted@proxy.example:3128"
    assert (destination.refresh_interval, destination.max_providers) == (90.0, 7)
    assert "planted" not in repr(destination)


def test_providers_are_selected_by_patterns_and_expected_by_name_or_id() -> None:
    destination = hub(
        DESTINATIONS__HUB__INCLUDE="(?i)^partner",
        DESTINATIONS__HUB__EXCLUDE="",
        DESTINATIONS__HUB__EXPECT=f" Partner A ,{DESTINATION.upper()},Partner A",
    )
    assert destination.include is not None
    assert destination.include.search("PARTNER B")
    assert destination.exclude is None
    assert destination.expect == {"Partner A", DESTINATION}  # ids in lower case


@pytest.mark.parametrize(
    "pattern",
    [
        "^(a+)+$",
        "^(a|a)*$",
        "^(a|aa)+$",
        "(a*)*b",
        r"(\w*)*\d",
        "(.*a){20}$x",
        ".*.*.*.*.*.*.*.*b",
        "a+a+a+a+a+a+b",
    ],
)
def test_no_name_makes_a_pattern_backtrack(pattern: str) -> None:
    assert not LinearPattern(pattern).search("a" * (MAX_PROVIDER_NAME_LENGTH - 1) + "!")  # years with `re`


@given(st.text(max_size=MAX_PROVIDER_NAME_LENGTH))
def test_any_name_is_searched(name: str) -> None:
    name_with_a_surrogate = f"{name}\udc00 Partner"
    assert LinearPattern("Partner$").search(name_with_a_surrogate)
    assert LinearPattern("").search(name)
    assert not LinearPattern("^Partner$").search(name_with_a_surrogate)


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("INCLUDE", "(", "invalid regular expression: unclosed group"),
        ("INCLUDE", "^(?!Test)", f"invalid regular expression: {NO_LOOK_AROUND}"),
        ("EXCLUDE", r"(.)\1", "invalid regular expression: backreferences are not supported"),
        (
            "EXCLUDE",
            "a{1000000}",
            f"invalid regular expression: {TOO_LARGE}",
        ),
        ("EXCLUDE", "error: planted(", "invalid regular expression: unclosed group"),
        ("EXCLUDE", "a" * 1025, "must have at most 1024 characters"),
        ("EXPECT", "a,,b", "contains an empty name"),
        ("MAX_PROVIDERS", "0", "must be at least 1"),
        ("MAX_PROVIDERS", "1001", "must be at most 1000"),
        ("MAX_PROVIDERS", "many", "expected a whole number"),
        ("REFRESH_INTERVAL", "1ms", "must be between 100ms and 1d"),
        ("FEDERATION_INTERVAL", "5", "invalid duration; use e.g. 500ms, 30s, 1m30s or 2h"),
        ("LABELS__JOB", "x", "reserved label; Prometheus or the exporter sets it"),
        ("PASSWORD", "planted", "unknown setting"),
        ("CLIENT_SECRET", "planted", "unknown setting"),
    ],
)
def test_an_invalid_setting_is_reported(name: str, value: str, wrong: str) -> None:
    found = errors(NEEDED | {f"{HUB}{name}": value})
    assert len(found) == 1
    assert found[0].startswith(f"{HUB}{name}: {wrong}")
    assert "planted" not in found[0]


def test_what_every_destination_needs_is_named() -> None:
    assert errors({**EMEA, f"{HUB}REGION": "EU"}) == [
        f"{HUB}CLIENT_ID: missing; set it to the client ID of an application of the destination",
        f"{HUB}ENVIRONMENT_ID: missing; set it to the UUID of the destination's environment",
        f"{HUB}REDIRECT_URI: missing; set it to the redirect URI of that application, exactly as registered",
    ]


def test_the_destination_that_a_misspelled_name_may_mean_is_shown() -> None:
    found = errors({**EMEA, **NEEDED, f"{HUB[:-2]}B__REGION": "EU"})
    assert [line.partition(":")[0] for line in found] == [
        f"{HUB[:-2]}B__{name}" for name in ("CLIENT_ID", "ENVIRONMENT_ID", "REDIRECT_URI")
    ]
    assert all(line.endswith(", or correct the name if you mean hub") for line in found)


def test_a_destination_that_has_its_environment_is_not_a_misspelled_one() -> None:
    (found,) = errors(
        {**EMEA, **NEEDED, f"{HUB[:-2]}2__ENVIRONMENT_ID": DESTINATION, f"{HUB[:-2]}2__REDIRECT_URI": "a:b"}
    )
    assert (
        found
        == f"{HUB[:-2]}2__CLIENT_ID: missing; set it to the client ID of an application of the destination"
    )


def test_a_destination_answers_at_one_place() -> None:
    both = {f"{HUB}REGION": "EU", f"{HUB}AUTH_URL": "https://login.example"}
    assert errors(NEEDED | both) == [f"{HUB}REGION: REGION and AUTH_URL are mutually exclusive"]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("A" * 28, "must have at most 27 characters"),
        ("A__B", "unknown setting"),
        ("A-B", "invalid name; use letters and digits in groups joined by single underscores"),
    ],
)
def test_a_destinations_name_leaves_room_for_those_of_its_targets(name: str, wrong: str) -> None:
    found = errors({variable.replace("HUB", name): value for variable, value in NEEDED.items()})
    assert all(wrong in error or "missing" in error for error in found)
    assert any(wrong in error for error in found)
