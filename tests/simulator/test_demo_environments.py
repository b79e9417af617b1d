"""The demo's environments and script fit together, and there is something to see."""

from __future__ import annotations

from collections import Counter

from weather_outcomes import REPORTED

from exporter.simulator import (
    SignOnPolicy,
    check_weather,
    demo_environments,
    demo_script,
    plain_environments,
)
from exporter.target import ProviderKind


def test_there_are_environments_of_every_policy_the_same_each_time() -> None:
    environments = demo_environments()
    assert len(environments) == 15
    assert environments == demo_environments()
    assert {environment.applications[0].sign_on_policy for environment in environments} == {
        SignOnPolicy.LOGIN,
        SignOnPolicy.IDENTIFIER_FIRST,
        SignOnPolicy.DAVINCI,
    }
    assert {environment.https for environment in environments} == {True, False}
    assert any(
        environment.custom_domain and environment.applications[0].pkce_required
        for environment in environments
    )


def test_plain_environments_are_healthy() -> None:
    environments = plain_environments(2)
    assert [environment.name for environment in environments] == ["environment_1", "environment_2"]
    assert {environment.weather.kind for environment in environments} == {"healthy"}


def test_the_script_fits_and_repeats_after_its_last_change() -> None:
    script = demo_script()
    environments = {environment.name: environment for environment in demo_environments()}
    for change in script.changes:
        check_weather(environments[change.environment], change.weather)  # raises if it cannot have that
    assert script.repeat == 60
    assert max(change.after for change in script.changes) < 60


def test_each_repetition_begins_with_the_weather_at_the_start() -> None:
    at_start = {change.environment: change.weather for change in demo_script().changes if change.after == 0}
    assert at_start == {environment.name: environment.weather for environment in demo_environments()}


def test_every_kind_of_weather_that_authorize_sees_passes_within_a_minute() -> None:
    seen = {name for name, kind in REPORTED.items() if not (kind.federation or kind.discovery)}
    seen -= {"keys_rotated"}
    seen |= {"secret_expired", "provider_missing"}
    assert {change.weather.kind for change in demo_script().changes} == seen


def test_one_destination_breaks_and_heals() -> None:
    (hub,) = (environment for environment in demo_environments() if len(environment.providers) == 1)
    changes = [change for change in demo_script().changes if change.environment == hub.name]
    assert [change.weather.kind for change in changes] == ["healthy", "secret_expired", "healthy"]
    # Longer than half a minute, the shortest interval with a password: each repetition shows it.
    assert changes[2].after - changes[1].after >= 30


def test_one_destination_lists_seven_providers_of_which_one_disappears_and_comes_back() -> None:
    (hub,) = (environment for environment in demo_environments() if len(environment.providers) > 1)
    kinds = Counter(provider.kind for provider in hub.providers)
    assert kinds == {ProviderKind.PINGONE: 4, ProviderKind.OIDC: 2, ProviderKind.SAML: 1}
    changes = [change for change in demo_script().changes if change.environment == hub.name]
    assert [change.weather.kind for change in changes] == ["healthy", "provider_missing", "healthy"]
    assert changes[1].weather.as_json()["name"] in {provider.name for provider in hub.providers}
    # Two listings in a row without it, and some time to see it.
    assert changes[2].after - changes[1].after >= 30
