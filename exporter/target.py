"""A target: one federation to watch, as the core of the program knows it.

What the operator writes (pydantic, in `exporter.settings`) is resolved into these values before
anything runs, so that no other package has to know defaults, regions or custom domains.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit


class Journey(StrEnum):
    """What a probe does, step by step."""

    AUTHORIZE = "authorize"

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that a probe may take; values of the metric label `step`."""
        return _STEPS[self]


_STEPS = {Journey.AUTHORIZE: ("authorize",)}


class IpFamily(StrEnum):
    """Which addresses of a name are tried."""

    ANY = "any"
    V4 = "4"
    V6 = "6"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A source environment that signs users on for a destination environment.

    Args:
        name: the metric label `target`; `[a-z0-9]+(_[a-z0-9]+)*`, at most 63 characters.
        source_environment_id: UUID of the identity provider's environment, lower case.
        destination_environment_id: UUID of the relying party's environment, lower case.
        client_id: the source application.
        source_url: where the source environment answers, without a trailing slash; its endpoints
            are appended as `/as/authorize`. It ends in the environment's id, except on a custom
            domain.
        redirect_uri: the destination's return entry point.
        absolute_host: the host of `source_url` was written with a trailing dot, which that URL does not have:
            resolve it without search domains.
        scope: OAuth scopes, separated by spaces.
        prompt: OIDC `prompt`, as it is sent.
        acr_values: OIDC `acr_values`, as it is sent.
        login_hint: OIDC `login_hint`, as it is sent; may name a person, so it is never printed.
        max_age: OIDC `max_age` in seconds.
        pkce: whether each probe sends a fresh S256 challenge.
        expected_statuses: flow statuses that are a success.
        latency_objective: seconds; a slower success is counted as slow.
        labels: the operator's own labels for `target_info`.
        journeys: what is done to this target.
        interval: seconds between two due probes.
        timeout: seconds that a whole probe may take; shorter than `interval`.
        ca_file: PEM file of the trusted authorities; None means the system's.
        client_certificate_file: PEM file of the client certificate; None for none.
        client_key_file: PEM file of its key; None when that is in the certificate's file.
        ip_family: which addresses are tried.
        proxy_url: `http://[user:password@]host:port` of a forward proxy; may hold a password, so it is
            never printed.
    """

    name: str
    source_environment_id: str
    destination_environment_id: str
    client_id: str
    source_url: str
    redirect_uri: str
    scope: str = "openid"
    prompt: str | None = None
    acr_values: str | None = None
    login_hint: str | None = field(default=None, repr=False)
    max_age: int | None = None
    pkce: bool = False
    expected_statuses: tuple[str, ...] = ("USERNAME_PASSWORD_REQUIRED",)
    latency_objective: float = 2.0
    labels: tuple[tuple[str, str], ...] = ()
    journeys: tuple[Journey, ...] = (Journey.AUTHORIZE,)
    interval: float = 60.0
    timeout: float = 10.0
    ca_file: Path | None = None
    client_certificate_file: Path | None = None
    client_key_file: Path | None = None
    ip_family: IpFamily = IpFamily.ANY
    proxy_url: str | None = field(default=None, repr=False)
    absolute_host: bool = False

    @property
    def auth_host(self) -> str:
        """Where the source answers: its host, with the port where it has one."""
        return _authority(self.source_url)

    @property
    def rate_scope(self) -> tuple[str, str]:
        """What a rate limit counts for: one environment on one host."""
        return self.auth_host, self.source_environment_id


@lru_cache(maxsize=8192)
def _authority(url: str) -> str:
    """Remembered: the headline of an outage asks for that of a thousand targets, several times in one go."""
    return urlsplit(url).netloc
