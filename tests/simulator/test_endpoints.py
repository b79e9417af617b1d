"""An environment's endpoints: metadata, keys, custom domains, and paths that do not exist."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from simulator.examples import ENVIRONMENT_ID, exchange, other_id, query

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulator.conftest import Client


def decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_metadata_describes_the_environment(client: Client) -> None:
    document = client.get("/as/.well-known/openid-configuration").json()
    assert document["issuer"] == f"{client.root}/as"
    assert document["response_modes_supported"] == ["pi.flow", "query", "fragment", "form_post"]
    assert document["code_challenge_methods_supported"] == ["plain", "S256"]
    endpoints = [value for name, value in document.items() if name.endswith(("_endpoint", "_uri"))]
    assert len(endpoints) == 3
    assert all(endpoint.startswith(f"{document['issuer']}/") for endpoint in endpoints)


def test_each_environment_has_a_public_rsa_key_of_2048_bits_of_its_own(
    client_of: Callable[[str], Client],
) -> None:
    keys = []
    for name in ("emea", "apac"):
        metadata = client_of(name).get("/as/.well-known/openid-configuration").json()
        (key,) = client_of(name).get(metadata["jwks_uri"]).json()["keys"]
        numbers = RSAPublicNumbers(int.from_bytes(decode(key["e"])), int.from_bytes(decode(key["n"])))
        assert numbers.public_key().key_size == 2048
        assert set(key) == {"kty", "alg", "use", "kid", "e", "n"}
        assert (key["kty"], key["alg"], key["use"]) == ("RSA", "RS256", "sig")
        canonical = json.dumps({"e": key["e"], "kty": key["kty"], "n": key["n"]}, separators=(",", ":"))
        assert decode(key["kid"]) == hashlib.sha256(canonical.encode()).digest()  # RFC 7638
        keys.append(key["kid"])
    assert len(set(keys)) == 2


def test_every_response_has_a_correlation_id_of_its_own(client: Client) -> None:
    responses = [client.authorize(), client.authorize(""), client.get("/nowhere"), client.get("/as/jwks")]
    assert len({response.headers["correlation-id"] for response in responses}) == 4


def test_another_environment_is_not_found(client: Client) -> None:
    response = client.get(f"{client.base_url}/{other_id(9)}/as/authorize?{query()}")
    assert (response.status_code, response.json()["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", "/as/authorize"),
        ("GET", f"/{ENVIRONMENT_ID}"),
        ("GET", f"/{ENVIRONMENT_ID}/as/token"),
        ("GET", f"/{ENVIRONMENT_ID}/as/authorize/"),
        ("GET", f"/{ENVIRONMENT_ID}/flows/none"),
        ("GET", f"//{ENVIRONMENT_ID}/as/authorize"),
        ("GET", "/not-an-id/as/authorize"),
        ("POST", f"/{ENVIRONMENT_ID}/as/authorize"),
        ("DELETE", f"/{ENVIRONMENT_ID}/as/jwks"),
    ],
)
def test_an_unknown_path_or_method_is_rejected_as_by_the_edge(client: Client, method: str, path: str) -> None:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    received = exchange(client.environment.port, head.encode())
    assert received.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert received.endswith(b'\r\n\r\n{"message":"Missing Authentication Token"}')


def test_on_a_custom_domain_the_same_is_served_without_the_id(client_of: Callable[[str], Client]) -> None:
    client = client_of("custom")
    assert client.root == client.base_url
    document = client.authorize().json()
    assert document["resumeUrl"] == f"{client.base_url}/as/resume?flowId={document['id']}"
    href = document["_links"]["self"]["href"]
    assert urlsplit(href).path == f"/flows/{document['id']}"
    signed_on = client.post(href, {"username": "ada", "password": "lovelace"}, "usernamePassword.check")
    assert "; Path=/; " in signed_on.headers["set-cookie"]
    assert client.get(f"/{client.environment.environment.id}/as/jwks").status_code == 403
