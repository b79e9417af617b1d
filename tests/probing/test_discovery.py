"""The journey `discovery`: its requests, every failure, what is only reported, and its facts."""

from __future__ import annotations

import base64
import datetime as dt
import json
import ssl
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey
from observing.discovery import DISCOVERY_CHECKS
from probing.examples import SOURCE, a_target
from probing.federation import Federation, Probed, Response, a_federation_target, converse, resolves
from probing.loopback import listening, run

from exporter.probing.messages import Answer
from exporter.probing.metadata import judge_metadata, metadata_hash
from exporter.probing.probe import Prober
from exporter.probing.signing_keys import judge_signing_keys
from exporter.reasons import Reason, pairs_of
from exporter.target import Journey, SourceKind

METADATA = f"/{SOURCE}/as/.well-known/openid-configuration"
YEAR = dt.timedelta(days=365)

Change = Callable[[dict[str, Any]], object]


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:  # noqa: ARG001  makes another key
    return rsa.generate_private_key(65537, bits)


@cache
def jwk(bits: int = 2048, number: int = 0) -> dict[str, Any]:
    numbers = rsa_key(bits, number).public_key().public_numbers()
    modulus = base64.urlsafe_b64encode(numbers.n.to_bytes(bits // 8)).decode().rstrip("=")
    return {"kid": f"key-{number}", "use": "sig", "alg": "RS256", "kty": "RSA", "n": modulus, "e": "AQAB"}


def certified(number: int = 0, *, ends_in: dt.timedelta = YEAR, of: int | None = None) -> dict[str, Any]:
    """Return a key with a certificate, which may be that of another key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "signing")])
    key, ends = rsa_key(2048, number if of is None else of), dt.datetime.now(dt.UTC) + ends_in
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(ends - 3 * YEAR)
        .not_valid_after(ends)
        .sign(key, hashes.SHA256())
    )
    der = certificate.public_bytes(Encoding.DER)
    return jwk(2048, number) | {"x5c": [base64.b64encode(der).decode()]}


def metadata(url: str = "https://auth.pingone.com", **changes: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    """Return PingOne's metadata; None leaves a member out."""
    issuer = f"{url}/{SOURCE}/as"
    document = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "response_types_supported": ["code", "id_token"],
        "response_modes_supported": ["pi.flow", "query"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["plain", "S256"],
    } | changes
    return {name: value for name, value in document.items() if value is not None}


def probe(
    *answers: tuple[Any, Any],
    names: dict[str, str] | None = None,
    issuer_path: str | None = None,
    forgotten: Journey | None = None,
    **changes: Any,  # noqa: ANN401  any field of a target
) -> list[Probed]:
    """Probe once for each pair of metadata changes (or a response) and keys (or a response).

    After each, the target is no longer probed by the journey `forgotten`.
    """

    async def main() -> list[Probed]:
        federation = Federation()
        async with listening(lambda talk: converse(federation, talk)) as peer:
            federation.url = f"http://127.0.0.1:{peer.port}"
            if issuer_path is not None:
                changes["issuer"] = f"{federation.url}{issuer_path}"
            target = a_federation_target(federation.url, **changes)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            prober = Prober(lambda _: context, resolve=resolves(names or {}))
            found = []
            for described, keys in answers:
                federation.heard = []
                federation.answers = {
                    METADATA: _as_response(described, federation),
                    "destination_keys": keys
                    if isinstance(keys, Response)
                    else Response(document={"keys": keys}),
                }
                outcome = await prober(target, Journey.DISCOVERY)
                played = Federation(url=federation.url, heard=federation.heard)
                found.append(Probed(outcome, played))
                if forgotten is not None:
                    prober.forget(target.name, forgotten)
            return found

    return run(main())


def _as_response(described: Any, federation: Federation) -> Response:  # noqa: ANN401  see probe
    if isinstance(described, Response):
        return described
    document = metadata(federation.url)
    for name, value in described.items():
        document[name] = value.replace("{url}", federation.url) if isinstance(value, str) else value
    return Response(document={name: value for name, value in document.items() if value is not None})


def test_it_reads_the_metadata_and_then_the_keys_without_cookies_on_one_connection() -> None:
    (probed,) = probe(({}, [jwk()]))
    assert probed.finding == ("jwks", "ok", "none")
    first, second = probed.federation.heard
    assert (first.method, first.target) == ("GET", METADATA)
    assert (second.method, second.target) == ("GET", f"/{SOURCE}/as/jwks")
    assert first.connection == second.connection
    assert "cookie" not in second.headers
    assert probed.outcome.discovery is not None
    assert probed.outcome.discovery.signing_keys == 1
    assert probed.outcome.discovery.certificate_expiry is None


def test_the_issuer_may_be_named_and_may_end_in_a_slash() -> None:
    (probed,) = probe(({"issuer": f"{{url}}/{SOURCE}/as/"}, [jwk()]), issuer_path=f"/{SOURCE}/as/")
    assert probed.finding == ("jwks", "ok", "none")


@pytest.mark.parametrize(
    ("described", "reason", "fault"),
    [
        (Response(raw=b"<html>"), "not_json", "provider"),
        (Response(document=[]), "not_json", "provider"),
        (Response(raw=b"[" * 300_000), "too_large", "provider"),
        (Response(404, document={"error": "Realm does not exist"}), "oauth_error", "configuration"),
        (Response(503), "server_error", "provider"),
        (Response(302, location="/elsewhere"), "redirected", "provider"),
        ({"issuer": f"{{url}}/{SOURCE}/as/"}, "issuer_mismatch", "configuration"),
        ({"issuer": "https://login.example/{tenantid}/v2.0"}, "issuer_mismatch", "configuration"),
        ({"issuer": None}, "metadata_invalid", "provider"),
        ({"authorization_endpoint": None}, "metadata_invalid", "provider"),
        ({"authorization_endpoint": "/as/authorize"}, "metadata_invalid", "provider"),
        ({"authorization_endpoint": "http://auth.example/as/authorize"}, "metadata_invalid", "provider"),
        ({"token_endpoint": 1}, "metadata_invalid", "provider"),
        ({"jwks_uri": None}, "metadata_invalid", "provider"),
        ({"response_types_supported": ["id_token"]}, "metadata_invalid", "provider"),
        ({"subject_types_supported": []}, "metadata_invalid", "provider"),
        ({"id_token_signing_alg_values_supported": "RS256"}, "metadata_invalid", "provider"),
        ({"response_modes_supported": ["query"]}, "metadata_invalid", "provider"),
        ({"response_modes_supported": None}, "metadata_invalid", "provider"),
        ({"jwks_uri": "https://user@127.0.0.1/jwks"}, "location_invalid", "provider"),
        ({"jwks_uri": "ftp://127.0.0.1/jwks"}, "location_invalid", "provider"),
        ({"jwks_uri": "https://keys.example/jwks"}, "location_invalid", "configuration"),
    ],
)
def test_bad_metadata_fails_the_probe(described: object, reason: str, fault: str) -> None:
    (probed,) = probe((described, [jwk()]))
    assert probed.finding == ("metadata", reason, fault)
    assert len(probed.federation.heard) == 1
    assert probed.outcome.discovery is None


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [jwk() | {"use": "enc"}],
        [jwk() | {"alg": "RS512"}],
        [jwk(1024)],
        [jwk(), jwk(1024, 1)],
        [jwk() | {"d": "AQAB"}],
        [jwk(), {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}],
        [{"kty": "unknown", "kid": "1"}],
        [{"kty": "EC", "crv": [], "x": "AQAB", "y": "AQAB"}],
        [jwk(2048, 0)] * 101,
    ],
    ids=[
        "none",
        "encryption",
        "not advertised",
        "weak",
        "one weak",
        "private",
        "secret",
        "unknown",
        "odd",
        "many",
    ],
)
def test_bad_keys_fail_the_probe(keys: Sequence[dict[str, Any]]) -> None:
    (probed,) = probe(({}, list(keys)))
    assert probed.finding == ("jwks", "keys_invalid", "provider")
    assert probed.outcome.discovery is None


def test_keys_that_are_not_json_fail_the_probe() -> None:
    (probed,) = probe(({}, Response(raw=b"keys")))
    assert probed.finding == ("jwks", "not_json", "provider")


def test_a_key_that_is_not_understood_is_skipped() -> None:
    strange: list[Any] = [{"kty": "AKP", "kid": "new"}, 7, jwk(1024, 1) | {"use": "enc"}]
    (probed,) = probe(({}, [*strange, jwk()]))
    assert probed.finding == ("jwks", "ok", "none")
    assert probed.outcome.discovery is not None
    assert probed.outcome.discovery.signing_keys == 1


def test_a_host_of_login_hosts_may_publish_the_keys() -> None:
    refused, admitted = (
        probe(({"jwks_uri": "https://keys.example:1/jwks"}, [jwk()]), login_hosts=hosts)[0]
        for hosts in ((), ("Keys.Example",))
    )
    assert refused.finding == ("metadata", "location_invalid", "configuration")
    assert admitted.finding[:2] == ("jwks", "connect")


def judged(
    document: object,
    *,
    issuer: str = f"https://auth.pingone.com/{SOURCE}/as",
    **changes: Any,  # noqa: ANN401  any field of a target
) -> Reason:
    answer = Answer(200, json.dumps(document).encode())
    return judge_metadata(answer, target=a_target(issuer=issuer, **changes)).reason


def test_entras_template_stands_for_the_tenant_of_a_provider_that_is_not_pingone() -> None:
    host = "https://login.microsoftonline.com"
    document = metadata(
        issuer=f"{host}/{{tenantid}}/v2.0",
        jwks_uri=f"{host}/common/discovery/v2.0/keys",
        response_modes_supported=None,
    )
    oidc = SourceKind.OIDC
    assert judged(document, issuer=f"{host}/common/v2.0", source_kind=oidc) is Reason.OK
    assert judged(document, issuer=f"{host}/organizations/v2.0", source_kind=oidc) is Reason.OK
    assert judged(document, issuer=f"{host}/{SOURCE}/v2.0", source_kind=oidc) is Reason.ISSUER_MISMATCH
    assert judged(document, issuer=f"{host}/common/v1.0", source_kind=oidc) is Reason.ISSUER_MISMATCH
    assert judged(document, issuer=f"{host}/common/v2.0") is Reason.ISSUER_MISMATCH


def test_only_pingone_needs_pi_flow() -> None:
    document = metadata(response_modes_supported=["query"])
    assert judged(document) is Reason.METADATA_INVALID
    assert judged(document, source_kind=SourceKind.AUTO) is Reason.METADATA_INVALID
    assert judged(document, source_kind=SourceKind.OIDC) is Reason.OK


def test_plain_http_is_for_loopback_and_for_the_origin_that_was_configured() -> None:
    plain = "http://auth.pingone.com/as/jwks"
    assert judged(metadata(jwks_uri=plain)) is Reason.LOCATION_INVALID
    inside = metadata("http://simulator:8080")
    assert judged(inside, issuer=f"http://simulator:8080/{SOURCE}/as") is Reason.OK


# What is only reported


def checks(*answers: tuple[Any, Any], **changes: Any) -> list[dict[str, bool]]:  # noqa: ANN401
    """Return the checks of each probe, all of which succeed."""
    found = probe(*answers, **changes)
    assert all(probed.outcome.success for probed in found)
    return [
        {name: passed for record in each.outcome.steps for name, passed in record.checks.items()}
        for each in found
    ]


def test_without_certificates_there_is_nothing_to_report_of_them() -> None:
    assert checks(({}, [jwk()])) == [{"pkce_advertised": True, "key_ids": True}]


def test_pkce_that_is_not_advertised_is_reported() -> None:
    (found,) = checks(({"code_challenge_methods_supported": ["plain"]}, [jwk()]))
    assert found["pkce_advertised"] is False


def test_another_provider_without_pkce_is_reported_only_if_probes_use_it() -> None:
    without = ({"code_challenge_methods_supported": None}, [jwk()])
    assert "pkce_advertised" not in checks(without, source_kind=SourceKind.OIDC)[0]
    assert checks(without, source_kind=SourceKind.OIDC, pkce=True)[0]["pkce_advertised"] is False


@pytest.mark.parametrize("kid", ["key-0", None, ""])
def test_equal_and_missing_ids_of_several_keys_are_reported(kid: str | None) -> None:
    other = {name: value for name, value in (jwk(2048, 1) | {"kid": kid}).items() if value is not None}
    (found,) = checks(({}, [jwk(), other]))
    assert found["key_ids"] is False


def test_a_single_key_needs_no_id() -> None:
    (found,) = checks(({}, [{name: value for name, value in jwk().items() if name != "kid"}]))
    assert found["key_ids"] is True


def test_certificates_of_keys_are_compared_and_the_latest_expiry_is_kept() -> None:
    (probed,) = probe(({}, [certified(0, ends_in=-YEAR), certified(1, ends_in=YEAR)]))
    record = probed.record("jwks")
    assert record.checks["certificates_match"] is True
    assert record.checks["certificates_valid"] is True
    assert probed.outcome.discovery is not None
    expiry = probed.outcome.discovery.certificate_expiry
    assert expiry is not None
    assert abs(expiry - (dt.datetime.now(dt.UTC) + YEAR).timestamp()) < 60


@pytest.mark.parametrize("x5c", [["bm90IGEgY2VydGlmaWNhdGU="], ["&"], [1], "text", {}])
def test_a_certificate_that_cannot_be_read_is_reported(x5c: object) -> None:
    (found,) = checks(({}, [jwk() | {"x5c": x5c}]))
    assert found["certificates_match"] is False
    assert "certificates_valid" not in found


@pytest.mark.parametrize("curve", [[], {}, "P-256"])
def test_a_curve_means_nothing_to_a_key_without_one(curve: object) -> None:
    (found,) = checks(({}, [certified(0) | {"crv": curve}]))
    assert found["certificates_match"] is True


def test_the_certificate_of_another_key_is_reported() -> None:
    (found,) = checks(({}, [certified(0, of=1)]))
    assert found["certificates_match"] is False


def test_certificates_are_reported_once_all_of_them_have_expired() -> None:
    (all_expired,) = checks(({}, [certified(0, ends_in=-YEAR), certified(1, ends_in=-YEAR)]))
    assert all_expired["certificates_valid"] is False
    (one_has_none,) = checks(({}, [certified(0, ends_in=-YEAR), jwk(2048, 1)]))
    assert one_has_none["certificates_valid"] is True


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ECKey.import_key(ec.generate_private_key(ec.SECP256R1())), "ES256"),
        (ECKey.import_key(ec.generate_private_key(ec.SECP384R1())), "ES384"),
        (OKPKey.import_key(ed25519.Ed25519PrivateKey.generate()), "EdDSA"),
    ],
)
def test_elliptic_curves_sign_too_each_with_its_algorithm(key: ECKey | OKPKey, algorithm: str) -> None:
    public = dict(key.as_dict(private=False)) | {"use": "sig"}
    described = {"id_token_signing_alg_values_supported": [algorithm]}
    good, other = probe((described, [public]), ({}, [public]))
    assert good.outcome.success
    assert other.finding == ("jwks", "keys_invalid", "provider")


# Rotation


def test_a_rotation_with_an_overlap_changes_the_hash_of_the_keys_alone() -> None:
    before, both, after = (
        probed.outcome for probed in probe(({}, [jwk()]), ({}, [jwk(2048, 1), jwk()]), ({}, [jwk(2048, 1)]))
    )
    assert before.discovery is not None
    assert both.discovery is not None
    assert after.discovery is not None
    assert len({each.discovery.signing_keys_hash for each in (before, both, after) if each.discovery}) == 3
    assert before.discovery.metadata_hash == after.discovery.metadata_hash
    assert "key_overlap" not in before.steps[-1].checks
    assert both.steps[-1].checks["key_overlap"] is True
    assert after.steps[-1].checks["key_overlap"] is True


def test_a_rotation_without_an_overlap_is_reported_once() -> None:
    found = checks(({}, [jwk()]), ({}, [jwk(2048, 1)]), ({}, [jwk(2048, 1)]))
    assert [each.get("key_overlap") for each in found] == [None, False, True]


@pytest.mark.parametrize(("forgotten", "overlap"), [(Journey.AUTHORIZE, True), (Journey.DISCOVERY, None)])
def test_the_keys_are_remembered_until_the_journey_is_no_longer_probed(
    forgotten: Journey, *, overlap: bool | None
) -> None:
    found = checks(({}, [jwk()]), ({}, [jwk()]), forgotten=forgotten)
    assert found[1].get("key_overlap") is overlap


def test_another_key_with_the_same_id_is_a_rotation_without_an_overlap() -> None:
    found = checks(({}, [jwk()]), ({}, [jwk(2048, 1) | {"kid": "key-0"}]))
    assert found[1]["key_overlap"] is False


def test_the_order_of_the_keys_is_no_change() -> None:
    first, second = probe(({}, [jwk(), jwk(2048, 1)]), ({}, [jwk(2048, 1), jwk()]))
    assert first.outcome.discovery == second.outcome.discovery


def test_each_member_that_destinations_copy_changes_the_hash_of_the_metadata() -> None:
    def found(**changes: str) -> int:
        answer = Answer(200, json.dumps({"keys": [jwk()]}).encode())
        document = Answer(200, json.dumps(metadata(**changes)).encode())
        issuer = metadata(**changes)["issuer"]
        good = judge_metadata(document, target=a_target(issuer=issuer))
        assert good.reason is Reason.OK
        verdict = judge_signing_keys(
            answer, algorithms=frozenset({"RS256"}), metadata_hash=metadata_hash(good.flow)
        )
        assert verdict.discovery is not None
        return verdict.discovery.metadata_hash

    base = f"https://auth.pingone.com/{SOURCE}/as"
    changed = [
        {},
        {"issuer": f"{base}/"},
        {"authorization_endpoint": f"{base}/authorize2"},
        {"token_endpoint": f"{base}/token2"},
        {"jwks_uri": f"{base}/jwks2"},
    ]
    hashes_found = [found(**changes) for changes in changed]
    assert len(set(hashes_found)) == len(changed)
    assert all(0 <= each < 2**48 for each in hashes_found)


# Whatever a provider sends

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
URLS = st.sampled_from(
    [f"https://auth.pingone.com/{SOURCE}/as", "http://[", "https://x:99999/", "//", "\ud800"]
)
WORDS = st.sampled_from(["code", "pi.flow", "RS256", "S256", "public"])


@given(
    body=st.binary()
    | st.dictionaries(st.sampled_from(sorted(metadata())), JSON | URLS | st.lists(WORDS | JSON)).map(
        lambda changes: json.dumps(metadata() | changes).encode()
    ),
    code=st.integers(0, 999),
    kind=st.sampled_from(SourceKind),
)
def test_any_metadata_is_judged_with_a_reason_of_the_journey(
    body: bytes, code: int, kind: SourceKind
) -> None:
    target = a_target(issuer=f"https://auth.pingone.com/{SOURCE}/as", source_kind=kind)
    for status in (200, code):
        verdict = judge_metadata(Answer(status, body), target=target)
        assert (verdict.reason, verdict.fault) in pairs_of(Journey.DISCOVERY)
        assert (verdict.location is not None) == (verdict.reason is Reason.OK)
        assert set(verdict.checks) <= set(DISCOVERY_CHECKS)


MEMBERS = st.sampled_from(["kty", "kid", "use", "alg", "n", "e", "x5c", "crv", "x", "y", "d", "k", "key_ops"])
VALUES = JSON | st.sampled_from(["RSA", "EC", "OKP", "P-256", "Ed25519", "sig", "AQAB", "RS256", "oct"])


@given(
    body=st.binary()
    | st.lists(JSON | st.dictionaries(MEMBERS, VALUES).map(lambda changes: jwk() | changes), max_size=4).map(
        lambda keys: json.dumps({"keys": keys}).encode()
    )
    | JSON.map(lambda keys: json.dumps({"keys": keys}).encode())
)
def test_any_keys_are_judged_with_a_reason_of_the_journey(body: bytes) -> None:
    verdict = judge_signing_keys(Answer(200, body), algorithms=frozenset({"RS256", "EdDSA"}), metadata_hash=1)
    assert (verdict.reason, verdict.fault) in pairs_of(Journey.DISCOVERY)
    assert (verdict.discovery is not None) == (verdict.reason is Reason.OK)
    assert set(verdict.checks) <= set(DISCOVERY_CHECKS)
    if verdict.discovery is not None:
        assert 0 <= verdict.discovery.signing_keys_hash < 2**48
