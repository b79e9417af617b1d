"""Which cause metadata that is refused has, and what its hash is."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from probing.examples import SOURCE, a_target
from probing.test_discovery import metadata

from exporter.probing.detail import Detail, Template
from exporter.probing.messages import Answer, Verdict
from exporter.probing.metadata import hash_48_bits, judge_metadata, metadata_hash
from exporter.reasons import Fault, Reason

ISSUER = f"https://auth.pingone.com/{SOURCE}/as"


def judged(changes: dict[str, Any], *, expected: str = ISSUER, login_hosts: tuple[str, ...] = ()) -> Verdict:
    body = json.dumps(metadata(**changes)).encode()
    return judge_metadata(Answer(200, body), target=a_target(issuer=expected, login_hosts=login_hosts))


@pytest.mark.parametrize(
    "member",
    [
        "issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported",
        "subject_types_supported", "id_token_signing_alg_values_supported",
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [None, 7])
def test_a_member_that_is_missing_or_of_another_type_is_named(member: str, value: object) -> None:
    verdict = judged({member: value})
    assert (verdict.reason, verdict.fault) == (Reason.METADATA_INVALID, Fault.PROVIDER)
    assert verdict.detail == Detail(Template.METADATA_MEMBER, {"member": member})


@pytest.mark.parametrize("member", ["authorization_endpoint", "token_endpoint"])
def test_an_endpoint_without_tls_at_another_origin_is_named(member: str) -> None:
    assert judged({member: "http://other.example/as"}).detail == Detail(
        Template.METADATA_MEMBER, {"member": member}
    )


@pytest.mark.parametrize(
    ("issuer", "origin"),
    [("https://other.example/as?x=secret", "https://other.example"), ("urn:other", ""), ("", "")],
)
def test_another_issuer_is_named_by_its_origin_alone(issuer: str, origin: str) -> None:
    verdict = judged({"issuer": issuer})
    assert (verdict.reason, verdict.fault) == (Reason.ISSUER_MISMATCH, Fault.CONFIGURATION)
    assert verdict.detail == Detail(Template.OTHER_ISSUER, {"origin": origin})


@pytest.mark.parametrize("issuer", [f"{ISSUER}/", ISSUER.upper().replace("HTTPS", "https"), f"{ISSUER}/b"])
def test_an_issuer_that_differs_after_its_host_is_not_described_by_the_host_alone(issuer: str) -> None:
    known = {"origin": "https://auth.pingone.com"}
    assert judged({"issuer": issuer}).detail == Detail(Template.OTHER_PATH, known)


def test_an_issuer_that_is_not_a_url_is_invalid_even_if_it_is_the_expected_one() -> None:
    verdict = judged({"issuer": "urn:x"}, expected="urn:x")
    assert verdict.reason is Reason.METADATA_INVALID
    assert verdict.detail == Detail(Template.METADATA_MEMBER, {"member": "issuer"})


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        ("no url", Detail(Template.MEMBER_MALFORMED, {"member": "jwks_uri"})),
        (
            "https://keys.example/jwks",
            Detail(Template.MEMBER_ELSEWHERE, {"member": "jwks_uri", "origin": "https://keys.example"}),
        ),
    ],
)
def test_keys_that_must_not_be_fetched_are_named_by_why(url: str, detail: Detail) -> None:
    verdict = judged({"jwks_uri": url}, login_hosts=("login.example",))
    assert verdict.reason is Reason.LOCATION_INVALID
    assert verdict.detail == detail
    assert verdict.location is None


@pytest.mark.parametrize("url", ["https://auth.pingone.com:8443/jwks", "https://login.example/jwks"])
def test_keys_may_be_at_the_issuers_host_and_at_configured_ones(url: str) -> None:
    verdict = judged({"jwks_uri": url}, login_hosts=("Login.example",))
    assert (verdict.reason, verdict.location) == (Reason.OK, url)


@pytest.mark.parametrize(
    ("member", "value"), [("response_types_supported", "code"), ("response_modes_supported", "pi.flow")]
)
def test_what_a_sign_on_needs_and_the_metadata_lacks_is_named(member: str, value: str) -> None:
    detail = Detail(Template.METADATA_LACKS, {"member": member, "value": value})
    assert judged({member: ["other"]}).detail == detail


def test_a_hash_is_the_same_in_every_version_and_for_every_order_of_members() -> None:
    text = f'["{ISSUER}","{ISSUER}/authorize","{ISSUER}/token","{ISSUER}/jwks"]'
    assert metadata_hash(metadata()) == int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
    text = '{"a":[1,2],"b":"\\u00e4"}'
    expected = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")
    assert (
        hash_48_bits({"b": "\u00e4", "a": [1, 2]}) == hash_48_bits({"a": [1, 2], "b": "\u00e4"}) == expected
    )
