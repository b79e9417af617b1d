"""Settings of the journey `discovery`: its times, the issuer, and hosts that may publish keys."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from settings.example import DESTINATION, EMEA, NOWHERE, SOURCE, D, T, errors, only_target

from exporter.settings import load
from exporter.target import Journey, JourneyTiming, ReadyBy

DISCOVERY = {f"{T}JOURNEYS": "discovery"}
ALONE = {**DISCOVERY, f"{T}DESTINATION_ENVIRONMENT_ID": DESTINATION}


def test_discovery_needs_the_source_or_the_issuer_and_no_client() -> None:
    (known,) = load({**ALONE, f"{T}SOURCE_ENVIRONMENT_ID": SOURCE, f"{T}REGION": "EU"}, NOWHERE).targets
    assert (known.source_url, known.issuer, known.client_id) == (
        f"https://auth.pingone.eu/{SOURCE}",
        None,
        None,
    )
    assert known.first_host(Journey.DISCOVERY) == "auth.pingone.eu"
    (named,) = load({**ALONE, f"{T}ISSUER": "https://Login.example/tenant/"}, NOWHERE).targets
    assert (named.source_url, named.issuer) == (None, "https://Login.example/tenant/")
    assert named.first_host(Journey.DISCOVERY) == "Login.example"
    (missing,) = errors(ALONE)
    assert missing.startswith(f"{T}SOURCE_ENVIRONMENT_ID: missing; set it to ")


@pytest.mark.parametrize("issuer", [{}, {f"{T}ISSUER": ""}])
def test_the_issuer_of_another_provider_does_not_follow_from_the_source(issuer: Mapping[str, str]) -> None:
    (missing,) = errors({**EMEA, **DISCOVERY, f"{T}SOURCE_KIND": "oidc", **issuer})
    assert missing.startswith(f"{T}ISSUER: missing; set it to the issuer of the source for discovery, ")


def test_discovery_has_its_own_times() -> None:
    default = only_target(DISCOVERY).timing(Journey.DISCOVERY)
    assert default == JourneyTiming(interval=600, timeout=10, latency_objective=2)
    own = {f"{T}DISCOVERY_INTERVAL": "10s", f"{T}DISCOVERY_LATENCY_OBJECTIVE": "1s"}
    assert only_target({**DISCOVERY, **own}).timing(Journey.DISCOVERY) == JourneyTiming(
        interval=10, timeout=5, latency_objective=1
    )
    assert errors({**EMEA, **DISCOVERY, **own, f"{T}DISCOVERY_TIMEOUT": "10s"}) == [
        f"{T}DISCOVERY_TIMEOUT: must be shorter than DISCOVERY_INTERVAL, which is 10s"
    ]


def test_login_hosts_are_names_and_addresses_without_repetitions() -> None:
    hosts = only_target({f"{T}LOGIN_HOSTS": "Keys.example., keys.example,[::1]"}).login_hosts
    assert hosts == ("keys.example", "::1")


URL = "use e.g. https://auth.pingone.eu/94e3268d-847d-47aa-a45e-1ef8dd8f4df0/as"
HOST = "invalid host; use a name without scheme, port and path, e.g. login.example.com"


def test_a_provider_shows_that_it_is_ready_in_one_of_two_ways() -> None:
    assert only_target({}).ready_by is ReadyBy.PROMPT_NONE
    assert only_target({f"{T}READY_BY": " Login_Page"}).ready_by is ReadyBy.LOGIN_PAGE
    assert only_target({f"{D}READY_BY": "login_page"}).ready_by is ReadyBy.LOGIN_PAGE


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ({"READY_BY": "page"}, "READY_BY: expected prompt_none or login_page"),
        ({"READY_BY": ""}, "READY_BY: expected prompt_none or login_page"),
        ({"LOGIN_HOSTS": "*.partner.example"}, f"LOGIN_HOSTS: {HOST}"),
        ({"ISSUER": "login.example"}, f"ISSUER: invalid base URL; {URL}"),
        ({"ISSUER": "https://u:p@login.example"}, f"ISSUER: must not contain a user or password; {URL}"),
        ({"ISSUER": "https://login.example?a=b"}, f"ISSUER: must not contain a query or fragment; {URL}"),
        ({"ISSUER": "https://login.example/../as"}, "ISSUER: path must not contain . or .. segments"),
        ({"LOGIN_HOSTS": "keys.example:443"}, f"LOGIN_HOSTS: {HOST}"),
        ({"LOGIN_HOSTS": "https://keys.example"}, f"LOGIN_HOSTS: {HOST}"),
        ({"LOGIN_HOSTS": ",".join(f"h{n}.example" for n in range(21))}, "LOGIN_HOSTS: more than 20 hosts"),
    ],
)
def test_issuers_and_hosts_that_are_refused(setting: Mapping[str, str], error: str) -> None:
    written = {f"{T}{name}": value for name, value in setting.items()}
    assert errors({**EMEA, **DISCOVERY, **written}) == [f"{T}{error}"]
