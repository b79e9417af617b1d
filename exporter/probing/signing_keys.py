"""Judges of signing keys (RFC 7517, RFC 7518). No I/O.

cryptography and joserfc are imported when the first key with a certificate arrives.
"""

import base64
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from exporter.outcome import DiscoveryFacts
from exporter.probing.detail import Detail, Template
from exporter.probing.errors import codes_in_document
from exporter.probing.judge import judge_json
from exporter.probing.messages import Answer, Verdict
from exporter.probing.metadata import hash_48_bits
from exporter.reasons import Fault, Reason

ALGORITHMS: Mapping[str, frozenset[str]] = {
    "RSA": frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}),
    "EC": frozenset({"ES256", "ES384", "ES512"}),
    "OKP": frozenset({"EdDSA", "Ed25519"}),
}
"""Signature algorithms by key type; none that a shared secret could sign with."""

KEY_MEMBERS = {"RSA": ("n", "e"), "EC": ("x", "y"), "OKP": ("x",)}
MIN_RSA_BITS = 2048
MAX_KEYS = 100

_CURVES = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
"""The algorithm that signs with each curve (RFC 7518, section 3.4)."""
_KNOWN_CURVES = {"EC": tuple(_CURVES), "OKP": ("Ed25519",)}
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_SECRET_KEY_TYPES = ("RSA", "EC", "OKP", "oct")
_URL_SAFE = str.maketrans("+/", "-_")


def judge_keys(answer: Answer) -> Verdict:
    """Judge the destination's key set; good if it has a usable signing key."""
    verdict = judge_json(answer)
    if verdict.reason is not Reason.OK or usable_keys(verdict.flow):
        return verdict
    keys = verdict.flow.get("keys")
    return _no_keys(keys if isinstance(keys, list) else (), error_codes=codes_in_document(verdict.flow))


def _no_keys(
    published: Sequence[object], cause: Template = Template.NO_USABLE_KEY, error_codes: tuple[str, ...] = ()
) -> Verdict:
    """Return the verdict on a key set that no signature can be verified with."""
    detail = Detail(cause if published else Template.NO_KEYS, {"count": len(published)})
    return Verdict(Reason.KEYS_INVALID, Fault.PROVIDER, error_codes=error_codes, detail=detail)


def usable_keys(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    """Return the public keys of a key set that may verify a signature (RFC 7517)."""
    keys = document.get("keys")
    found = keys[:MAX_KEYS] if isinstance(keys, list) else []
    # Some providers write members that a key does not have as null.
    objects = [key for key in found if isinstance(key, dict)]
    given = [{name: value for name, value in key.items() if value is not None} for key in objects]
    return tuple(filter(_is_usable, given))


def _has_private_member(key: Mapping[str, Any]) -> bool:
    """Return True for a key with a member that only its owner may know."""
    return any(key.get(name) is not None for name in _PRIVATE_MEMBERS)


def _is_usable(key: Mapping[str, Any]) -> bool:
    kind, algorithm, operations = key.get("kty"), key.get("alg"), key.get("key_ops", ["verify"])
    if not isinstance(kind, str) or kind not in ALGORITHMS or _has_private_member(key):
        return False
    numbers = [decoded_member(key.get(name)) for name in KEY_MEMBERS[kind]]
    is_long = int.from_bytes(numbers[0] or b"").bit_length() >= MIN_RSA_BITS
    return (
        all(numbers)
        and (is_long if kind == "RSA" else key.get("crv") in _KNOWN_CURVES[kind])
        and key.get("use", "sig") == "sig"
        and isinstance(key.get("kid", ""), str)
        and (isinstance(operations, list) and "verify" in operations)
        and (algorithm is None or (isinstance(algorithm, str) and algorithm in ALGORITHMS[kind]))
    )


def public_members(key: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members of a usable key that are needed to verify a signature."""
    kind = key["kty"]
    names = KEY_MEMBERS[kind] if kind == "RSA" else ("crv", *KEY_MEMBERS[kind])
    # joserfc refuses the padding and the other alphabet of base64, which some providers write.
    return {"kty": kind, **{name: key[name].rstrip("=").translate(_URL_SAFE) for name in names}}


def decoded_member(value: object) -> bytes | None:
    """Return the bytes of a base64url value, None for anything else."""
    if not isinstance(value, str) or not value.isascii():
        return None
    try:
        return base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return None


def judge_signing_keys(answer: Answer, *, algorithms: frozenset[str], metadata_hash: int) -> Verdict:
    """Judge a key set; a good one has the facts of the journey as `discovery`."""
    verdict = judge_json(answer)
    if verdict.reason is not Reason.OK:
        return verdict
    found = verdict.flow.get("keys")
    published = [key for key in found if isinstance(key, dict)] if isinstance(found, list) else []
    keys = [key for key in usable_keys(verdict.flow) if algorithms_of(key) & algorithms]
    if len(published) > MAX_KEYS:
        return _no_keys(published, Template.TOO_MANY_KEYS)
    dangers = set(map(_danger, published))
    for danger in (Template.PRIVATE_KEY, Template.SHORT_KEY):
        if danger in dangers:
            return _no_keys(published, danger)
    if not keys:
        return _no_keys(published)
    certificates = [_certificate_of(key) for key in keys]
    expiries = [found.not_after for found in certificates if found and found.not_after is not None]
    identities = sorted(
        hash_48_bits([key.get(name) for name in ("kid", "kty", "crv", *KEY_MEMBERS[key["kty"]])])
        for key in keys
    )
    return Verdict(
        Reason.OK,
        Fault.NONE,
        flow=verdict.flow,
        checks=_checks(keys, certificates, answer.received_at),
        recurring=("key_overlap", frozenset(identities)),
        discovery=DiscoveryFacts(
            signing_keys=len(keys),
            signing_keys_hash=hash_48_bits(identities),
            metadata_hash=metadata_hash,
            certificate_expiry=max(expiries, default=None),
        ),
    )


class _Certificate(NamedTuple):
    """The first certificate of a key: whether it is for that key, and when it ends, if it can be read."""

    matches: bool
    not_after: float | None


_UNREADABLE = _Certificate(matches=False, not_after=None)


def _checks(
    keys: Sequence[Mapping[str, Any]], certificates: Sequence[_Certificate | None], now: float
) -> dict[str, bool]:
    """Return the checks of a key set, which fail no probe; those of certificates only if there are any."""
    kids = [key.get("kid") for key in keys]
    checks = {"key_ids": len(keys) == 1 or (all(kids) and len(set(kids)) == len(kids))}
    known = [certificate for certificate in certificates if certificate is not None]
    if known:
        checks["certificates_match"] = all(certificate.matches for certificate in known)
    expiries = [certificate.not_after for certificate in known if certificate.not_after is not None]
    if expiries:
        # Of several keys an old one may have an expired certificate: it signs no more.
        checks["certificates_valid"] = len(expiries) < len(keys) or max(expiries) > now
    return checks


def algorithms_of(key: Mapping[str, Any]) -> frozenset[str]:
    """Return the algorithms that a usable key may sign with."""
    if "alg" in key:
        return frozenset({key["alg"]})
    return frozenset({_CURVES[key["crv"]]}) if key["kty"] == "EC" else ALGORITHMS[key["kty"]]


def _danger(key: Mapping[str, Any]) -> Template | None:
    """Return why a key must not be used: it is private or symmetric, or an RSA key too short to sign."""
    kind = key.get("kty")
    if kind in _SECRET_KEY_TYPES and _has_private_member(key):
        return Template.PRIVATE_KEY
    signs = kind == "RSA" and key.get("use") in (None, "sig")
    bits = int.from_bytes(decoded_member(key.get("n")) or b"").bit_length()
    return Template.SHORT_KEY if signs and 0 < bits < MIN_RSA_BITS else None


def _certificate_of(key: Mapping[str, Any]) -> _Certificate | None:
    """Return the facts of a key's certificate; None for a key without one."""
    chain = key.get("x5c")
    if chain is None or chain == []:
        return None
    first = chain[0] if isinstance(chain, list) else None
    if not isinstance(first, str):
        return _UNREADABLE
    return _read_certificate(first, tuple(public_members(key).items()))


@lru_cache(maxsize=256)
def _read_certificate(text: str, public: tuple[tuple[str, str], ...]) -> _Certificate:
    """Read a certificate and compare its key with the public members of a JWK."""
    from cryptography import x509  # noqa: PLC0415  many providers publish no certificate
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from joserfc.errors import JoseError  # noqa: PLC0415
    from joserfc.jwk import JWKRegistry  # noqa: PLC0415

    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(text, validate=True))
        not_after = certificate.not_valid_after_utc.timestamp()
    except (ValueError, x509.InvalidVersion):
        return _UNREADABLE
    try:
        matches = certificate.public_key() == JWKRegistry.import_key(dict(public)).public_key
    except (ValueError, UnsupportedAlgorithm, JoseError):
        matches = False
    return _Certificate(matches, not_after)
