"""The journey `federation` against the simulator: both read the provider's documentation, and must agree."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from simulator.examples import other_id
from simulator.test_federation import (
    APP,
    BACK,
    DIRECT_APP,
    FIRST_APP,
    POST_APP,
    PUBLIC_APP,
    SECRET,
    SOURCE,
    destination,
)

from exporter.outcome import Outcome
from exporter.probing.probe import Prober
from exporter.simulator import Environment, Simulator, parse_weather_text, simulator
from exporter.target import (
    ClientAuth,
    DestinationApplication,
    Journey,
    SyntheticUser,
    Target,
)

HUB = destination()
APPLICATION = DestinationApplication(client_id=APP, redirect_uri=BACK, client_secret=SECRET)


def probe(
    source_weather: str = "sunny",
    destination_weather: str = "sunny",
    *,
    environments: tuple[Environment, Environment] = (SOURCE, HUB),
    application: DestinationApplication = APPLICATION,
    change: Callable[[Target], Target] = lambda target: target,
) -> Outcome:
    """Probe a simulated federation."""

    async def main() -> Outcome:
        async with simulator(environments) as running:
            await set_weather(running, source_weather, destination_weather)
            prober = Prober(lambda _: ssl.create_default_context(cafile=running.ca_file), one_shot=True)
            return await prober(change(a_target(running, environments, application)), Journey.FEDERATION)

    return asyncio.run(main())


async def set_weather(running: Simulator, source: str, destination_: str) -> None:
    for name, text in (("emea", source), ("hub", destination_)):
        if text != "sunny":
            await running.environments[name].set_weather(parse_weather_text(text))


def a_target(
    running: Simulator, environments: tuple[Environment, Environment], application: DestinationApplication
) -> Target:
    def url(environment: Environment) -> str:
        base = running.environments[environment.name].base_url
        return base if environment.custom_domain else f"{base}/{environment.id}"

    source, hub = environments
    return Target(
        name="corporate",
        source_environment_id=source.id,
        destination_environment_id=hub.id,
        client_id="",
        source_url=url(source),
        redirect_uri="",
        journeys=(Journey.FEDERATION,),
        destination_url=url(hub),
        application=application,
        user=SyntheticUser(username="ada", password="lovelace"),
    )


def finding(outcome: Outcome) -> tuple[str, str, str]:
    return outcome.step, outcome.reason.value, outcome.fault.value


@pytest.mark.parametrize(
    ("client_id", "changes"),
    [
        (APP, {}),
        (DIRECT_APP, {}),
        (FIRST_APP, {"lookup_username": "ada"}),
        (POST_APP, {"client_auth": ClientAuth.POST}),
        (PUBLIC_APP, {"client_auth": ClientAuth.NONE, "client_secret": None}),
    ],
)
def test_a_federation_is_probed_to_its_token(client_id: str, changes: dict[str, Any]) -> None:
    outcome = probe(application=replace(APPLICATION, client_id=client_id, **changes))
    assert finding(outcome) == ("token", "ok", "none")
    assert all(passed for record in outcome.steps for passed in record.checks.values())


def test_environments_with_custom_domains_are_probed_likewise() -> None:
    source, hub = replace(SOURCE, custom_domain=True), replace(HUB, custom_domain=True)
    assert finding(probe(environments=(source, hub))) == ("token", "ok", "none")


def test_without_a_user_it_ends_after_source_authorize() -> None:
    outcome = probe(change=lambda target: replace(target, user=None))
    assert finding(outcome) == ("source_authorize", "ok", "none")


@pytest.mark.parametrize(
    ("weather", "reason"),
    [
        ("account_locked,answer=flow", "account_locked"),
        ("mfa_required,status=NO_USABLE_DEVICES", "mfa_required"),
        ("password_expired,status=MUST_CHANGE_PASSWORD", "password_expired"),
    ],
)
def test_the_account_is_judged_in_each_shape(weather: str, reason: str) -> None:
    assert finding(probe(weather)) == ("sign_on", reason, "account")


@pytest.mark.parametrize(
    ("answer", "step"), [("redirect", "callback"), ("json", "callback"), ("flow", "destination_flow")]
)
def test_an_expired_secret_is_a_rejected_exchange_in_each_shape(answer: str, step: str) -> None:
    outcome = probe("sunny", f"secret_expired,answer={answer}")
    assert finding(outcome) == (step, "exchange_rejected", "configuration")


@pytest.mark.parametrize("wrong", ["iss", "aud", "nonce", "exp", "kid", "signature"])
def test_an_invalid_token_of_the_source_is_a_rejected_exchange_and_one_of_the_destination_is_invalid(
    wrong: str,
) -> None:
    weather = f"id_token_invalid,wrong={wrong}"
    assert finding(probe(weather)) == ("callback", "exchange_rejected", "configuration")
    assert finding(probe("sunny", weather)) == ("token", "id_token_invalid", "provider")


def test_another_environment_than_the_source_gets_no_password() -> None:
    def change(target: Target) -> Target:
        assert target.source_url is not None
        other = target.source_url.replace(SOURCE.id, other_id(9))
        return replace(target, source_environment_id=other_id(9), source_url=other)

    outcome = probe(change=change)
    assert finding(outcome) == ("initiate", "location_invalid", "configuration")
