"""The judge of a provider's metadata (OpenID Connect Discovery 1.0, sections 3 and 4.3). No I/O."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from exporter.probing.detail import Template, origin_of
from exporter.probing.judge import judge_json
from exporter.probing.links import Link, is_pingone, is_safe_scheme, parse_link
from exporter.probing.messages import Answer, Verdict, failed
from exporter.reasons import Fault, Reason
from exporter.target import SourceKind, Target

WELL_KNOWN_PATH = "/.well-known/openid-configuration"

HASHED_MEMBERS = ("issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
"""The required texts. Destinations keep copies of them."""

_HASH_BYTES = 6
"""48 bits: a gauge is a float, which holds 53."""

_LISTS = ("response_types_supported", "subject_types_supported", "id_token_signing_alg_values_supported")
_TENANT = "{tenantid}"
_TENANT_ALIASES = frozenset({"common", "organizations"})
"""Entra's issuers for all tenants: their metadata has a template in place of the tenant."""


def metadata_url(target: Target) -> str:
    """Return where the metadata is; one slash at the issuer's end is left out (section 4)."""
    return f"{_issuer(target).removesuffix('/')}{WELL_KNOWN_PATH}"


def _issuer(target: Target) -> str:
    """Return the issuer of the settings; PingOne's follows from where it answers."""
    return target.issuer or f"{target.source_url}/as"


def judge_metadata(answer: Answer, *, target: Target) -> Verdict:
    """Judge metadata; good metadata has the URL of the keys as `location`."""
    verdict = judge_json(answer)
    if verdict.reason is not Reason.OK:
        return verdict
    document, issuer = verdict.flow, verdict.flow.get("issuer")
    if isinstance(issuer, str) and not _is_issuer(issuer, target):
        own, origin = (origin_of(parse_link(text)) for text in (_issuer(target), issuer))
        cause = Template.OTHER_PATH if own == origin else Template.OTHER_ISSUER
        return failed(Reason.ISSUER_MISMATCH, Fault.CONFIGURATION, cause, origin=origin)
    base = parse_link(metadata_url(target))
    invalid = _invalid_member(document, base)
    if base is None or invalid is not None:
        member = invalid or "issuer"
        return failed(Reason.METADATA_INVALID, Fault.PROVIDER, Template.METADATA_MEMBER, member=member)
    for name, value in _needed(target.source_kind, base).items():
        if value not in _words(document, name):
            known = {"member": name, "value": value}
            return failed(Reason.METADATA_INVALID, Fault.PROVIDER, Template.METADATA_LACKS, **known)
    keys, member = parse_link(document["jwks_uri"]), "jwks_uri"
    if keys is None:
        return failed(Reason.LOCATION_INVALID, Fault.PROVIDER, Template.MEMBER_MALFORMED, member=member)
    if not _may_use(keys, base, target.login_hosts):
        known = {"member": member, "origin": origin_of(keys)}
        return failed(Reason.LOCATION_INVALID, Fault.CONFIGURATION, Template.MEMBER_ELSEWHERE, **known)
    checks = {}
    if target.pkce or target.source_kind is SourceKind.PINGONE:
        checks["pkce_advertised"] = "S256" in _words(document, "code_challenge_methods_supported")
    return Verdict(Reason.OK, Fault.NONE, flow=document, location=keys.url, checks=checks)


def signing_algorithms(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the algorithms that good metadata advertises for ID tokens."""
    return _words(document, "id_token_signing_alg_values_supported")


def metadata_hash(document: Mapping[str, Any]) -> int:
    """Return 48 bits over the members of good metadata of which destinations keep copies."""
    return hash_48_bits([document.get(name) for name in HASHED_MEMBERS])


def hash_48_bits(value: object) -> int:
    """Return a hash of JSON that is the same in every process."""
    text = json.dumps(value, separators=(",", ":"), sort_keys=True)
    return int.from_bytes(hashlib.sha256(text.encode("ascii")).digest()[:_HASH_BYTES])


def _is_issuer(issuer: str, target: Target) -> bool:
    """Return True if the issuers are equal byte for byte, or Entra's template stands for the tenant."""
    before, template, after = issuer.partition(_TENANT)
    aliases = _TENANT_ALIASES if template and target.source_kind is SourceKind.OIDC else ()
    return _issuer(target) in {issuer, *(f"{before}{alias}{after}" for alias in aliases)}


def _invalid_member(document: Mapping[str, Any], base: Link | None) -> str | None:
    """Return the first required member that is missing or of the wrong form; None if all are good."""
    for name in HASHED_MEMBERS:
        if not isinstance(document.get(name), str) or not document[name]:
            return name
    for name in _LISTS:
        if not _words(document, name):
            return name
    for name in ("authorization_endpoint", "token_endpoint"):
        endpoint = parse_link(document[name])
        own = endpoint is not None and base is not None and endpoint.origin == base.origin
        if endpoint is None or not (is_safe_scheme(endpoint) or own):
            return name
    return None


def _needed(kind: SourceKind, base: Link) -> Mapping[str, str]:
    """Return the capabilities that the sign-on of a federation needs the metadata to advertise."""
    is_flow = kind is SourceKind.PINGONE or (kind is SourceKind.AUTO and is_pingone(base))
    modes = {"response_modes_supported": "pi.flow"} if is_flow else {}
    return {"response_types_supported": "code"} | modes


def _may_use(keys: Link, base: Link, login_hosts: tuple[str, ...]) -> bool:
    """Return True for keys at the issuer's host or a configured one.

    Plain http is for loopback; an operator who configured it for the issuer gets it for the same origin.
    """
    if keys.origin == base.origin:
        return True
    hosts = {base.host, *(host.lower() for host in login_hosts)}
    return keys.host in hosts and is_safe_scheme(keys)


def _words(document: Mapping[str, Any], name: str) -> frozenset[str]:
    """Return the strings of a list; empty for anything else."""
    values = document.get(name)
    if not isinstance(values, list):
        return frozenset()
    return frozenset(value for value in values if isinstance(value, str))
