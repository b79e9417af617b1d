"""Providers that are not PingOne, played by the simulator: listed by a destination, asked in both ways."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from typing import Any

import pytest
from simulator.examples import other_id
from simulator.test_federation import APP, BACK, destination
from weather_outcomes import REPORTED

from exporter.outcome import Outcome
from exporter.probing.probe import Prober
from exporter.simulator import IdentityProvider, parse_weather_text, simulator
from exporter.target import (
    DestinationApplication,
    Journey,
    ListedProvider,
    ProviderKind,
    ReadyBy,
    SourceKind,
    Target,
)

OIDC = IdentityProvider(
    id=other_id(71), source="", client_id="partner", name="Partner", kind=ProviderKind.OIDC
)
SAML = IdentityProvider(id=other_id(72), source="", client_id="", name="Old", kind=ProviderKind.SAML)
HUB = replace(destination(), providers=(OIDC, SAML))
LISTED = ListedProvider(destination="hub", name=SAML.name, slug="old")
PROMPT_NONE, LOGIN_PAGE = ReadyBy


def probe(provider: IdentityProvider, ready_by: ReadyBy, weather: str = "", **changes: Any) -> Outcome:  # noqa: ANN401
    """Probe a destination that offers both."""

    async def main() -> Outcome:
        async with simulator([HUB]) as running:
            if weather:
                await running.environments["hub"].set_weather(parse_weather_text(weather))
            hub = running.environments["hub"]
            target = Target(
                name="partner",
                destination_environment_id=HUB.id,
                destination_url=hub.urls.root,
                redirect_uri="",
                journeys=(Journey.FEDERATION,),
                application=DestinationApplication(client_id=APP, redirect_uri=BACK),
                provider_id=provider.id,
                source_kind=SourceKind.AUTO,
                ready_by=ready_by,
                **changes,
            )
            prober = Prober(lambda _: ssl.create_default_context(cafile=running.ca_file), one_shot=True)
            return await prober(target, Journey.FEDERATION)

    return asyncio.run(main())


def finding(outcome: Outcome) -> tuple[str, str, str]:
    return outcome.step, outcome.reason.value, outcome.fault.value


@pytest.mark.parametrize(("ready_by", "codes"), [(PROMPT_NONE, [303]), (LOGIN_PAGE, [303, 200])])
def test_a_provider_with_openid_connect_is_ready(ready_by: ReadyBy, codes: list[int]) -> None:
    outcome = probe(OIDC, ready_by)
    assert finding(outcome) == ("source_authorize", "ok", "none")
    assert outcome.kind is ProviderKind.OIDC
    assert [step.http_status_code for step in outcome.steps[2:]] == codes


def test_a_provider_with_saml_is_followed_to_its_login_page_or_not_at_all() -> None:
    followed = probe(SAML, LOGIN_PAGE)
    assert finding(followed) == ("source_authorize", "ok", "none")
    linked = probe(SAML, PROMPT_NONE, listed=LISTED)
    assert finding(linked) == ("initiate", "ok", "none")
    assert followed.kind is linked.kind is ProviderKind.SAML


ERRORS = [
    ("login_page_error", PROMPT_NONE, "login_page_error"),
    ("login_page_error", LOGIN_PAGE, "login_page_error"),
    ("login_page_error,wrong=client", PROMPT_NONE, "client_error"),
    ("login_page_error,wrong=client", LOGIN_PAGE, "login_page_error"),
    ("login_page_error,wrong=form", PROMPT_NONE, "ok"),
    ("login_page_error,wrong=form", LOGIN_PAGE, "login_page_error"),
    ("login_page_error,wrong=host", LOGIN_PAGE, "location_invalid"),
]


@pytest.mark.parametrize(
    ("provider", "weather", "ready_by", "reason"),
    [(OIDC, *row) for row in ERRORS] + [(SAML, *row) for row in ERRORS if row[1] is LOGIN_PAGE],
)
def test_an_error_of_a_provider_is_reported(
    provider: IdentityProvider, weather: str, ready_by: ReadyBy, reason: str
) -> None:
    fault = "none" if reason == "ok" else "configuration"
    outcome = probe(provider, ready_by, weather)
    assert finding(outcome) == ("source_authorize", reason, fault)
    if weather == "login_page_error":
        expected = REPORTED[weather].federation
        assert expected is not None
        assert (expected.reason, expected.fault, expected.step) == (
            outcome.reason,
            outcome.fault,
            outcome.step,
        )
        assert outcome.steps[-1].http_status_code == expected.code
