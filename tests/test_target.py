"""A target, as the core knows it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from exporter.target import Journey, Target

TARGET = Target(
    name="corporate",
    source_environment_id="abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6",
    destination_environment_id="5d1f4f2c-9c4c-4f0a-8a52-0e0f3d1c7b11",
    client_id="3b1f6d1e-2c7a-4d0b-9f1f-6a0d0c9a7e55",
    source_url="https://auth.pingone.com/abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6",
    redirect_uri="https://auth.pingone.com/5d1f4f2c-9c4c-4f0a-8a52-0e0f3d1c7b11/rp/callback/openid_connect",
)


@pytest.mark.parametrize(
    ("source_url", "host"),
    [
        (TARGET.source_url, "auth.pingone.com"),
        ("https://id.example.com", "id.example.com"),
        ("http://127.0.0.1:8080/base/e", "127.0.0.1:8080"),
        ("https://[2001:db8::1]:8443/e", "[2001:db8::1]:8443"),
        ("https://[2001:db8::1]", "[2001:db8::1]"),
    ],
)
def test_the_auth_host_is_where_the_source_answers_with_its_port_if_it_has_one(
    source_url: str, host: str
) -> None:
    assert replace(TARGET, source_url=source_url).auth_host == host


def test_the_defaults_are_the_documented_ones() -> None:
    assert TARGET.scope == "openid"
    assert TARGET.expected_statuses == ("USERNAME_PASSWORD_REQUIRED",)
    assert TARGET.journeys == (Journey.AUTHORIZE,)
    assert (TARGET.interval, TARGET.timeout, TARGET.latency_objective) == (60.0, 10.0, 2.0)
    assert not TARGET.pkce
    optional = (TARGET.prompt, TARGET.acr_values, TARGET.login_hint, TARGET.max_age, TARGET.ca_file)
    assert optional == (None,) * 5


def test_targets_are_values_that_compare_hash_and_stay() -> None:
    assert {TARGET, replace(TARGET)} == {TARGET}
    with pytest.raises(FrozenInstanceError):
        TARGET.name = "other"  # type: ignore[misc]
