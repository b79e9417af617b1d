"""A target, as the core knows it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporter.target import Target

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
