"""A world is checked as a whole before any port is opened."""

from __future__ import annotations

from dataclasses import replace

import pytest
from simulator.desk import APPLICATION, CLIENT_ID, ENVIRONMENT_ID, emea

from exporter.simulator import NoTLSError, User, Weather, WorldError
from exporter.simulator.world import check_weather, check_world

OTHER_ID = "0d9ff6b8-45f1-4b7e-9d0f-5c1cf3a2b7aa"


def test_a_world_that_can_be_is_returned_as_it_is() -> None:
    world = [emea(), emea(name="us_retail", id=OTHER_ID, https=True, custom_domain=True)]
    assert check_world(world) == tuple(world)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"name": "EMEA"},
            "'EMEA' is no name; lower case words and digits, joined by _, at most 63 characters",
        ),
        (
            {"name": "a__b"},
            "'a__b' is no name; lower case words and digits, joined by _, at most 63 characters",
        ),
        ({"id": ENVIRONMENT_ID.upper()}, "emea: the id must be a UUID in lower case"),
        ({"custom_domain": True}, "emea: a custom domain is served over https"),
        ({"applications": ()}, "emea: an environment has at least one application"),
        (
            {"applications": (APPLICATION, APPLICATION)},
            f"emea: two applications have the client_id {CLIENT_ID}",
        ),
        (
            {"applications": (replace(APPLICATION, redirect_uris=()),)},
            f"emea: application {CLIENT_ID} has no redirect_uri",
        ),
        (
            {"weather": Weather.of("tls_expired")},
            "emea is served over http; tls_expired needs an environment with https",
        ),
    ],
)
def test_a_mistake_is_named_with_its_environment(changes: dict[str, object], text: str) -> None:
    with pytest.raises(WorldError) as caught:
        check_world([emea(**changes)])
    assert str(caught.value) == text


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(WorldError) as caught:
        check_world([emea(port=8080), emea(port=8080), emea(name="other", id="7")])
    assert str(caught.value).splitlines() == [
        "other: the id must be a UUID in lower case",
        "two environments have the name emea",
        f"two environments have the id {ENVIRONMENT_ID}",
        "two environments have the port 8080",
    ]


def test_two_environments_may_both_take_any_free_port() -> None:
    assert len(check_world([emea(), emea(name="other", id=OTHER_ID)])) == 2


def test_a_world_without_environments_is_a_mistake() -> None:
    with pytest.raises(WorldError, match=r"^a world has at least one environment$"):
        check_world([])


@pytest.mark.parametrize("kind", ["tls_expired", "tls_wrong_name"])
def test_bad_certificates_need_an_environment_with_https(kind: str) -> None:
    check_weather(emea(https=True), Weather.of(kind))
    with pytest.raises(
        NoTLSError, match=f"^emea is served over http; {kind} needs an environment with https$"
    ):
        check_weather(emea(), Weather.of(kind))


def test_a_password_is_not_in_the_repr_of_its_user() -> None:
    assert "hunter2" not in repr(User(username="ada", password="hunter2"))
