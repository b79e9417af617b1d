"""The ID token: which keys may verify it, and that nothing but a right token does."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from functools import cache
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from exporter.probing.id_token import MAX_KEYS_TRIED, TokenExpectation, judge_token, verified_claims
from exporter.probing.messages import Answer
from exporter.probing.signing_keys import judge_keys, usable_keys
from exporter.reasons import Fault, Reason

NOW = 1_800_000_000.0
SUBJECT = ("subject", frozenset({"user"}))
ISSUER, CLIENT, NONCE = "https://auth.pingone.com/d/as", "client", "nonce"
CLAIMS = {
    "iss": ISSUER,
    "aud": CLIENT,
    "sub": "user",
    "nonce": NONCE,
    "iat": int(NOW),
    "exp": int(NOW) + 3600,
}


@cache
def key(kind: str, number: int) -> Any:  # noqa: ANN401  joserfc's keys
    parameters: Any = {"kid": f"{kind}-{number}"}
    if kind == "RSA":
        return RSAKey.import_key(rsa.generate_private_key(65537, 2048), parameters)
    if kind == "EC":
        return ECKey.generate_key("P-256", parameters)
    return OKPKey.generate_key("Ed25519", parameters)


def public(kind: str = "RSA", number: int = 1, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
    return {**key(kind, number).as_dict(private=False), **changes}


def expectation(*keys: dict[str, Any]) -> TokenExpectation:
    found = usable_keys({"keys": list(keys or (public(),))})
    return TokenExpectation(issuers=(ISSUER,), client_id=CLIENT, nonce=NONCE, keys=found)


def signed(kind: str = "RSA", algorithm: str = "RS256", number: int = 1, **header: Any) -> str:  # noqa: ANN401
    found: dict[str, Any] = {"alg": algorithm, "kid": f"{kind}-{number}", **header}
    head = {name: value for name, value in found.items() if value is not None}
    return jwt.encode(head, CLAIMS, key(kind, number), [algorithm])


def with_claims(**claims: Any) -> str:  # noqa: ANN401
    changed = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return jwt.encode({"alg": "RS256", "kid": "RSA-1"}, changed, key("RSA", 1))


def is_good(token: object, expected: TokenExpectation, now: float = NOW) -> bool:
    return not isinstance(verified_claims(token, expected, now, now + 5), str)


# The signature


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("RSA", "RS256"),
        ("RSA", "RS384"),
        ("RSA", "RS512"),
        ("RSA", "PS256"),
        ("EC", "ES256"),
        ("OKP", "Ed25519"),
    ],
)
def test_a_token_that_a_published_key_signed_verifies(kind: str, algorithm: str) -> None:
    token = signed(kind, algorithm)
    assert is_good(token, expectation(public(kind)))
    assert is_good(token, expectation(public("RSA", 2), public(kind), public("EC", 2)))


def test_members_that_are_null_are_absent() -> None:
    absent = dict.fromkeys(("alg", "use", "key_ops", "x5c", "d", "p", "q", "dp", "dq", "qi", "oth", "k"))
    assert is_good(signed(), expectation(absent | public()))
    assert is_good(signed(kid=None), expectation(public() | {"kid": None, "alg": None, "use": None}))


def test_a_key_that_is_padded_verifies() -> None:
    found = public("RSA")
    assert is_good(signed(), expectation(found | {"n": f"{found['n']}=="}))


def test_the_key_id_chooses_the_key() -> None:
    keys = expectation(public("RSA", 1), public("RSA", 2))
    assert is_good(signed(number=2), keys)
    assert not is_good(signed(kid="RSA-2"), keys)
    assert not is_good(signed(kid="unknown"), keys)
    assert not is_good(signed(kid=None), keys)
    assert is_good(signed(kid=None), expectation(public()))


def test_each_key_of_a_duplicate_id_is_tried() -> None:
    """Two key rotation policies may list one key, and two keys may share an id: this is only reported."""
    assert is_good(signed(), expectation(public(), public()))
    assert is_good(signed(), expectation(public(alg="RS256"), public(alg="PS256")))
    for keys in ((2, 1), (1, 2)):
        found = expectation(*(public(number=number, kid="RSA-1") for number in keys))
        assert is_good(signed(), found)
        assert not is_good(signed(number=3, kid="RSA-1"), found)
    many = [public(number=2, kid="RSA-1")] * MAX_KEYS_TRIED
    assert is_good(signed(), expectation(*many[1:], public()))
    assert not is_good(signed(), expectation(*many, public()))


@pytest.mark.parametrize("algorithm", ["PS256", "RS512"])
def test_only_what_the_key_itself_allows_verifies(algorithm: str) -> None:
    assert not is_good(signed(algorithm=algorithm), expectation(public(alg="RS256")))


def test_an_unsigned_token_does_not_verify() -> None:
    head, body, signature = signed().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"RSA-1"}').rstrip(b"=").decode()
    for token in (f"{none}.{body}.", f"{none}.{body}.{signature}", f"{head}.{body}."):
        assert not is_good(token, expectation())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("header", ["alg", ["alg"], [["alg", "RS256"]], [], 7, None])
def test_a_token_with_a_header_that_is_not_an_object_does_not_verify(header: object) -> None:
    first = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
    _, payload, signature = signed().split(".")
    assert not is_good(f"{first}.{payload}.{signature}", expectation())


def test_a_token_signed_with_a_public_key_as_a_shared_secret_does_not_verify() -> None:
    secret = OctKey.import_key(json.dumps(public()))
    for kid in ("RSA-1", None):
        header = {"alg": "HS256"} | ({} if kid is None else {"kid": kid})
        token = jwt.encode(header, CLAIMS, secret, ["HS256"])
        assert not is_good(token, expectation())
        assert not is_good(token, expectation(public(), {"kty": "oct", "k": "eA", "kid": "RSA-1"}))


def test_a_token_that_was_changed_does_not_verify() -> None:
    head, body, signature = signed().split(".")
    other = base64.urlsafe_b64encode(json.dumps(CLAIMS | {"sub": "other"}).encode()).rstrip(b"=").decode()
    assert not is_good(f"{head}.{other}.{signature}", expectation())
    assert not is_good(f"{head}.{body}.{signature[:-8]}AAAAAAAA", expectation())


def test_a_key_in_the_header_is_not_trusted() -> None:
    registry = jws.JWSRegistry(algorithms=["RS256"], strict_check_header=False)
    header = {"alg": "RS256", "jwk": public("RSA", 2), "kid": "RSA-1"}
    token = jws.serialize_compact(header, json.dumps(CLAIMS), key("RSA", 2), ["RS256"], registry)
    assert not is_good(token, expectation())


# The claims


def test_a_right_token_gives_its_subject() -> None:
    claims = verified_claims(with_claims(), expectation(), NOW, NOW)
    assert not isinstance(claims, str)
    assert claims["sub"] == "user"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [CLIENT]},
        {"aud": [CLIENT, "other"], "azp": CLIENT},
        {"azp": CLIENT},
        {"nbf": int(NOW)},
        {"x": 1},
    ],
)
def test_claims_may_have_other_right_shapes(changes: dict[str, Any]) -> None:
    assert is_good(with_claims(**changes), expectation())


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://auth.pingone.com/other/as"},
        {"iss": None},
        {"iss": [ISSUER]},
        {"aud": "other"},
        {"aud": None},
        {"aud": []},
        {"aud": {CLIENT: 1}},
        {"aud": [CLIENT, "other"]},
        {"aud": [CLIENT], "azp": "other"},
        {"nonce": "other"},
        {"nonce": None},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"exp": None},
        {"exp": "soon"},
        {"exp": True},
        {"exp": 10**400},
        {"exp": int(NOW)},
        {"iat": None},
        {"iat": int(NOW) + 6},
        {"nbf": int(NOW) + 6},
        {"nbf": "now"},
    ],
)
def test_a_wrong_claim_is_refused(changes: dict[str, Any]) -> None:
    assert not is_good(with_claims(**changes), expectation())


@pytest.mark.parametrize(
    ("passed", "good"), [(-6, False), (-5, True), (0, True), (3599, True), (3600, False)]
)
def test_a_token_is_good_from_issue_to_expiry(passed: float, *, good: bool) -> None:
    assert is_good(with_claims(), expectation(), NOW + passed) is good


# The answer of the token endpoint


def answered(document: object, **fields: Any) -> Answer:  # noqa: ANN401  any field of an answer
    return Answer(200, json.dumps(document).encode(), **fields)


@pytest.mark.parametrize(
    ("ahead", "reason"),
    [(0, Reason.OK), (3599, Reason.OK), (3600, Reason.ID_TOKEN_INVALID), (-6, Reason.ID_TOKEN_INVALID)],
)
def test_times_in_a_token_are_by_the_clock_of_the_provider(ahead: int, reason: Reason) -> None:
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(NOW + ahead))
    answer = answered({"id_token": with_claims()}, headers={"date": date}, received_at=NOW - 86_400)
    assert judge_token(answer, expectation=expectation()).reason is reason


def test_without_a_date_our_own_clock_counts() -> None:
    token = {"id_token": with_claims()}
    assert judge_token(answered(token, received_at=NOW), expectation=expectation()).recurring == SUBJECT
    late = judge_token(answered(token, received_at=NOW + 7200), expectation=expectation())
    assert (late.reason, late.fault) == (Reason.ID_TOKEN_INVALID, Fault.PROVIDER)


def test_tokens_are_secrets_of_the_verdict_and_not_in_its_repr() -> None:
    document = {
        "id_token": "planted-id",
        "access_token": "planted-access",
        "refresh_token": "planted-refresh",
    }
    verdict = judge_token(answered(document), expectation=expectation())
    assert set(verdict.secrets) == set(document.values())
    assert "planted" not in repr(verdict)


# Keys

WEAK = public(n=base64.urlsafe_b64encode(b"\xff" * 128).rstrip(b"=").decode())
"""A key of 1024 bits."""


@pytest.mark.parametrize(
    "found",
    [
        WEAK,
        {"kty": "oct", "k": "eA"},
        key("RSA", 1).as_dict(private=True),
        public(use="enc"),
        public(alg="HS256"),
        public(alg=7),
        public(key_ops=["encrypt"]),
        public(key_ops="verify"),
        public(kid=7),
        public(n=""),
        public(n=None),
        public(n="ä"),
        public(e=None),
        public(kty="EC"),
        public("EC", crv="secp256k1"),
        public("EC", y=None),
        public("OKP", crv="X25519"),
        None,
        "key",
    ],
)
def test_a_key_that_must_not_verify_is_not_usable(found: object) -> None:
    assert usable_keys({"keys": [found]}) == ()
    verdict = judge_keys(answered({"keys": [found]}))
    assert (verdict.reason, verdict.fault) == (Reason.KEYS_INVALID, Fault.PROVIDER)


@pytest.mark.parametrize(
    "found",
    [
        public(),
        public(use="sig", alg="PS512", key_ops=["verify"], x5c=["x"], unknown=1),
        public("EC"),
        public("OKP"),
    ],
)
def test_one_usable_key_is_enough(found: dict[str, Any]) -> None:
    assert judge_keys(answered({"keys": [None, WEAK, found]})).reason is Reason.OK


@pytest.mark.parametrize("document", [{}, {"keys": None}, {"keys": {}}, {"keys": []}])
def test_a_key_set_without_keys_is_invalid(document: object) -> None:
    assert judge_keys(answered(document)).reason is Reason.KEYS_INVALID


# Any bytes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
MEMBERS = st.dictionaries(
    st.sampled_from(["kty", "n", "e", "crv", "x", "y", "use", "alg", "kid", "key_ops", "d"]),
    JSON | st.sampled_from(["RSA", "EC", "OKP", "sig", "RS256", "P-256", "Ed25519", "AQAB", "A" * 400]),
)


@given(st.lists(MEMBERS | JSON, max_size=4), st.text(max_size=60) | JSON)
def test_keys_and_tokens_of_any_shape_are_judged_without_failing(keys: list[Any], token: object) -> None:
    found = usable_keys({"keys": keys})
    expected = TokenExpectation(issuers=(ISSUER,), client_id=CLIENT, nonce=NONCE, keys=found)
    assert not is_good(token, expected)


@given(MEMBERS, JSON, st.binary(max_size=30), st.sampled_from(["RS256", "ES256", "EdDSA", "none", "HS256"]))
def test_a_token_of_any_parts_is_judged_without_failing(
    member: dict[str, Any], claims: object, signature: bytes, algorithm: str
) -> None:
    def encode(raw: bytes) -> str:
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    head = json.dumps({"alg": algorithm, **member})
    token = f"{encode(head.encode())}.{encode(json.dumps(claims).encode())}.{encode(signature)}"
    for keys in (usable_keys({"keys": [member]}), expectation().keys):
        assert not is_good(token, TokenExpectation((ISSUER,), CLIENT, NONCE, keys))


def test_joserfc_is_imported_when_the_first_token_is_verified() -> None:
    program = "import sys, exporter.probing.id_token; sys.exit('joserfc' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
