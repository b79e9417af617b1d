"""Faults of the journey `discovery`: what the metadata and the key set of a source may be."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives.asymmetric import rsa
from faults.stage import html
from harness.http_messages import Answer, json_answer
from harness.http_server import HttpServer
from harness.variables import SOURCE, target_variables
from joserfc.jwk import RSAKey

from exporter.outcome import Phase
from exporter.reasons import Fault, Reason

if TYPE_CHECKING:
    import asyncio

    from harness.http_messages import Request

Play = Callable[[str], Answer]
"""What is answered, given the issuer."""


@dataclass(frozen=True, slots=True)
class Published:
    """A row: what one step answers and what must be reported; the step before is good.

    Args:
        step: the step.
        says: what the source publishes, in one line.
        play: its answer.
        reason: and
        fault: of the probe.
        phase: where it ends.
        fields: further settings of the target.
    """

    step: str
    says: str
    play: Play
    reason: Reason
    fault: Fault
    phase: Phase = Phase.TRANSFER
    fields: Mapping[str, str] = field(default_factory=dict)


@cache
def key() -> dict[str, Any]:
    """Return a public signing key."""
    made = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256", "kid": "one"}, private=True)
    return {**made.as_dict(private=False)}


@cache
def short_key() -> dict[str, Any]:
    """Return an RSA key of 1,024 bits."""
    made = rsa.generate_private_key(65537, 1024)  # noqa: S505  that is the fault
    modulus = made.public_key().public_numbers().n.to_bytes(128)
    encoded = base64.urlsafe_b64encode(modulus).decode().rstrip("=")
    return {"kid": "short", "use": "sig", "alg": "RS256", "kty": "RSA", "n": encoded, "e": "AQAB"}


def metadata(issuer: str, /, **changes: object) -> dict[str, object]:
    """Return PingOne's metadata; None leaves a member out."""
    document = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "jwks_uri": f"{issuer}/jwks",
        "response_types_supported": ["code"],
        "response_modes_supported": ["pi.flow", "query"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["S256"],
        **changes,
    }
    return {name: value for name, value in document.items() if value is not None}


def with_(**changes: object) -> Play:
    return lambda issuer: json_answer(metadata(issuer, **changes))


def keys(*published: Callable[[], dict[str, Any]], **changes: object) -> Play:
    return lambda _: json_answer({"keys": [{**make(), **changes} for make in published]})


def says(document: object, status: int = 200) -> Play:
    return lambda _: json_answer(document, status=status)


GOOD: Mapping[str, Play] = {"metadata": with_(), "jwks": keys(key)}
SILENT = Answer(raw=b"", delay=3600)
SHORT = {"discovery_timeout": "2s", "discovery_interval": "10s"}
"""For what only a deadline ends; the step before must fit in."""
R, PROV, CONF = Reason, Fault.PROVIDER, Fault.CONFIGURATION

FAULTS: tuple[Published, ...] = (
    Published("metadata", "no such path: 404 with an HTML page", lambda _: html(404), R.CLIENT_ERROR, CONF),
    Published("metadata", "an HTML page", lambda _: html(200), R.NOT_JSON, PROV),
    Published("metadata", "a list instead of an object", says([]), R.NOT_JSON, PROV),
    Published("metadata", "an empty object", says({}), R.METADATA_INVALID, PROV),
    Published("metadata", "another issuer",
              with_(issuer="https://other.example/as"), R.ISSUER_MISMATCH, CONF),
    Published("metadata", "the issuer with a slash at its end",
              lambda issuer: json_answer(metadata(issuer, issuer=f"{issuer}/")), R.ISSUER_MISMATCH, CONF),
    *(Published("metadata", f"without `{name}`", with_(**{name: None}), R.METADATA_INVALID, PROV)
      for name in ("authorization_endpoint", "token_endpoint", "jwks_uri", "subject_types_supported")),
    Published("metadata", "`code` is not among the response types",
              with_(response_types_supported=["id_token"]), R.METADATA_INVALID, PROV),
    Published("metadata", "PingOne without `pi.flow` among the response modes",
              with_(response_modes_supported=["query"]), R.METADATA_INVALID, PROV),
    Published("metadata", "the keys are at a host that is not configured",
              with_(jwks_uri="https://keys.example/jwks"), R.LOCATION_INVALID, CONF),
    Published("metadata", "the URL of the keys is no URL", with_(jwks_uri="jwks"), R.LOCATION_INVALID, PROV),
    Published("metadata", "503", says({}, 503), R.SERVER_ERROR, PROV),
    Published("metadata", "429", says({}, 429), R.RATE_LIMITED, Fault.QUOTA),
    Published("metadata", "the request is never answered", lambda _: SILENT,
              R.TIMEOUT, PROV, Phase.PROCESSING, SHORT),
    Published("jwks", "no such path: 404 with an HTML page", lambda _: html(404), R.CLIENT_ERROR, CONF),
    Published("jwks", "an HTML page", lambda _: html(200), R.NOT_JSON, PROV),
    Published("jwks", "no keys", keys(), R.KEYS_INVALID, PROV),
    Published("jwks", "`keys` is not a list", says({"keys": {}}), R.KEYS_INVALID, PROV),
    Published("jwks", "a key for encryption alone", keys(key, use="enc"), R.KEYS_INVALID, PROV),
    Published("jwks", "a key for an algorithm that is not advertised",
              keys(key, alg="PS256"), R.KEYS_INVALID, PROV),
    Published("jwks", "an RSA key of 1024 bits beside a good one",
              keys(key, short_key), R.KEYS_INVALID, PROV),
    Published("jwks", "a private member in a key", keys(key, d="AQAB"), R.KEYS_INVALID, PROV),
    Published("jwks", "503", says({}, 503), R.SERVER_ERROR, PROV),
    Published("jwks", "the connection is closed instead of an answer",
              lambda _: Answer(raw=b"", close=True), R.PROTOCOL, PROV, Phase.PROCESSING),
)  # fmt: skip


def name_of(number: int) -> str:
    """Return the name of a row's target."""
    return f"{FAULTS[number].step}_{number}"


@contextmanager
def sources() -> Iterator[dict[str, str]]:
    """Play all rows and a healthy source; yields an exporter's variables."""
    rows = {name_of(number): row for number, row in enumerate(FAULTS)}

    async def script(request: Request, writer: asyncio.StreamWriter) -> None:
        name, _, path = request.path.removeprefix("/").partition("/")
        step = "jwks" if path.endswith("/jwks") else "metadata"
        row = rows.get(name)
        play = row.play if row is not None and row.step == step else GOOD[step]
        await play(f"{server.base_url}/{name}/{SOURCE}/as")(request, writer)

    with HttpServer(script) as server:
        variables: dict[str, str] = {}
        for name in (*rows, "healthy"):
            fields = rows[name].fields if name in rows else {}
            url = f"{server.base_url}/{name}"
            variables |= target_variables(name, url, journeys="discovery", **fields)
        yield variables
