"""The demo's world can be, its script fits it, and there is something to see."""

from __future__ import annotations

from exporter.simulator import Kind, Weather, demo_script, demo_world, plain_world
from exporter.simulator.script import check_script
from exporter.simulator.world import check_world


def test_the_world_has_eight_environments_of_every_policy_and_is_the_same_each_time() -> None:
    world = check_world(demo_world())
    assert len(world) == 8
    assert world == demo_world()
    assert {environment.applications[0].sign_on_policy for environment in world} == {
        "login",
        "identifier_first",
        "davinci",
    }
    assert {environment.https for environment in world} == {True, False}
    assert any(
        environment.custom_domain and environment.applications[0].pkce_required for environment in world
    )


def test_a_plain_world_is_as_large_as_asked_for_and_healthy() -> None:
    world = check_world(plain_world(3))
    assert [environment.name for environment in world] == ["environment_1", "environment_2", "environment_3"]
    assert {environment.weather for environment in world} == {Weather()}


def test_the_script_fits_the_world_and_repeats_after_its_last_change() -> None:
    script = demo_script()
    check_script(script, demo_world())
    assert script.repeat == 60
    assert max(change.after for change in script.changes) < 60


def test_each_repetition_begins_with_the_weather_the_world_starts_with() -> None:
    at_start = {change.environment: change.weather for change in demo_script().changes if change.after == 0}
    assert at_start == {environment.name: environment.weather for environment in demo_world()}


def test_every_kind_of_weather_passes_within_a_minute() -> None:
    assert {change.weather.kind for change in demo_script().changes} == set(Kind)
