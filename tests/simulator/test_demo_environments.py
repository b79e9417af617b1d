"""The demo's environments and script fit together, and there is something to see."""

from __future__ import annotations

from exporter.simulator import KINDS, check_script, demo_environments, demo_script, plain_environments


def test_there_are_environments_of_every_policy_the_same_each_time() -> None:
    environments = demo_environments()
    assert len(environments) == 10
    assert environments == demo_environments()
    assert {environment.applications[0].sign_on_policy for environment in environments} == {
        "login",
        "identifier_first",
        "davinci",
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
    check_script(script, demo_environments())
    assert script.repeat == 60
    assert max(change.after for change in script.changes) < 60


def test_each_repetition_begins_with_the_weather_at_the_start() -> None:
    at_start = {change.environment: change.weather for change in demo_script().changes if change.after == 0}
    assert at_start == {environment.name: environment.weather for environment in demo_environments()}


def test_every_kind_of_weather_that_authorize_sees_passes_within_a_minute() -> None:
    seen = {name for name, kind in KINDS.items() if not (kind.in_federation or kind.in_discovery)}
    seen -= {"keys_rotated"}
    assert {change.weather.kind for change in demo_script().changes} == {*seen, "secret_expired"}


def test_one_destination_breaks_and_heals() -> None:
    (hub,) = (environment for environment in demo_environments() if environment.providers)
    changes = [change for change in demo_script().changes if change.environment == hub.name]
    assert [change.weather.kind for change in changes] == ["healthy", "secret_expired", "healthy"]
    # Longer than half a minute, the shortest interval with a password: each repetition shows it.
    assert changes[2].after - changes[1].after >= 30
