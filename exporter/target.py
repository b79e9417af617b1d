"""A target: one federation to watch, as the core of the program knows it.

Settings are resolved into these values first, so that no other package has to know defaults or regions.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

REGIONS = {"NA": "com", "CA": "ca", "EU": "eu", "AU": "com.au", "SG": "sg", "AP": "asia"}
"""Top-level domains of PingOne's regions (PingOne Platform API, "PingOne API domains")."""

UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Journey(StrEnum):
    """What a probe does, step by step."""

    AUTHORIZE = "authorize"  # the one request that starts a sign-on at the source
    FEDERATION = "federation"
    """The whole sign-on, from the destination through the source and back to a token."""
    DISCOVERY = "discovery"  # the source's OIDC metadata and signing keys

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps that a probe may take, in order; values of the metric label `step`."""
        return _STEPS[self]

    @property
    def sides(self) -> tuple[Side, ...]:
        """The environments that a probe may send requests to."""
        return tuple(dict.fromkeys(map(side_of, self.steps)))


_STEPS = {
    Journey.AUTHORIZE: ("authorize",),
    Journey.FEDERATION: (
        "destination_authorize",
        "destination_lookup",
        "initiate",
        "source_authorize",
        "sign_on",
        "source_resume",
        "callback",
        "destination_flow",
        "destination_resume",
        "destination_keys",
        "token",
    ),
    Journey.DISCOVERY: ("metadata", "jwks"),
}

ANY_REQUIRED = "*_REQUIRED"
"""Among the expected statuses: any status that ends in `_REQUIRED` is a success."""


class Side(StrEnum):
    """Which environment answers a step; the metric label `side`."""

    SOURCE = "source"
    DESTINATION = "destination"


_SOURCE_STEPS = frozenset({"authorize", "source_authorize", "sign_on", "source_resume", "metadata", "jwks"})


def side_of(step: str) -> Side:
    """Return the side that answers a step."""
    return Side.SOURCE if step in _SOURCE_STEPS else Side.DESTINATION


class SourceKind(StrEnum):
    """The kind of identity provider, by the settings."""

    PINGONE = "pingone"
    OIDC = "oidc"
    AUTO = "auto"
    """PingOne if `initiate` leads to a PingOne host or to the destination's own, and to `/as/authorize`."""


class ProviderKind(StrEnum):
    """What `initiate` shows an identity provider to be; the metric label `kind`."""

    PINGONE = "pingone"
    OIDC = "oidc"
    OAUTH = "oauth"
    """A social login, or OAuth without `openid` among its scopes: nothing but the link can be checked."""
    SAML = "saml"


class ReadyBy(StrEnum):
    """What shows that a provider other than PingOne is ready to sign users on."""

    PROMPT_NONE = "prompt_none"
    """`prompt=none` is answered by `login_required` or the like at the registered redirect URI."""
    LOGIN_PAGE = "login_page"


class ClientAuth(StrEnum):
    """How the destination's application authenticates at the token endpoint."""

    BASIC = "basic"
    POST = "post"
    NONE = "none"


class IpFamily(StrEnum):
    """Which addresses of a name are tried."""

    ANY = "any"
    V4 = "4"
    V6 = "6"


@dataclass(frozen=True, slots=True, kw_only=True)
class JourneyTiming:
    """When a journey runs and how long it may take, in seconds."""

    interval: float
    timeout: float  # of a whole probe; shorter than `interval`
    latency_objective: float  # a slower success is counted as slow


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationApplication:
    """The destination's application that the journey `federation` signs on to.

    Settings: `DESTINATION_…`, and `LOOKUP_USERNAME`.
    """

    client_id: str
    redirect_uri: str  # never requested
    scope: str = "openid"
    acr_values: str | None = None
    login_hint: str | None = field(default=None, repr=False)  # may name a person, so it is never printed
    lookup_username: str | None = field(default=None, repr=False)
    """User name for an identifier-first policy; never a password, never printed."""
    client_secret: str | None = field(default=None, repr=False)
    """Redeems the code; None if the probe ends before `token`."""
    client_auth: ClientAuth = ClientAuth.BASIC

    @property
    def redeems_code(self) -> bool:
        """Whether the settings allow the step `token`."""
        return self.client_secret is not None or self.client_auth is ClientAuth.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRoute:
    """How requests that belong to no target reach the network: as the defaults of targets say."""

    ca_file: Path | None = None  # None means the system's authorities
    proxy_url: str | None = field(default=None, repr=False)  # may hold a password
    ip_family: IpFamily = IpFamily.ANY


@dataclass(frozen=True, slots=True, kw_only=True)
class SyntheticUser:
    """The test account at the source. Neither is printed: the name may be that of a person."""

    username: str = field(repr=False)
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedProvider:
    """The identity provider in a destination's listing that a target was made from."""

    destination: str  # name of the destination in the settings
    name: str  # the provider's name when it was first listed; untrusted text
    slug: str  # the part of the target's name that stands for it
    expected: bool = False  # whether `EXPECT` lists it


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class Target:
    """A source environment that signs users on for a destination environment.

    Fields that are not described are settings of the same name; times are in seconds.
    """

    name: str  # the metric label `target`; `[a-z0-9]+(_[a-z0-9]+)*`, at most 63 characters
    destination_environment_id: str  # UUID in lower case
    redirect_uri: str  # where the source sends users back to the destination
    source_environment_id: str | None = None
    """UUID in lower case; None if the target only runs `federation`, without a user: it finds the source."""
    client_id: str | None = None  # the source application; None if the target only runs `federation`
    source_url: str | None = None
    """Where the source environment answers, without a trailing slash; its endpoints are appended as
    `/as/authorize`. It ends in the environment's id, except on a custom domain. None if the environment's id
    is not known."""
    scope: str = "openid"
    prompt: str | None = None
    acr_values: str | None = None
    login_hint: str | None = field(default=None, repr=False)  # may name a person, so it is never printed
    max_age: int | None = None
    pkce: bool = False
    expected_statuses: tuple[str, ...] = ("USERNAME_PASSWORD_REQUIRED",)
    labels: tuple[tuple[str, str], ...] = ()
    journeys: tuple[Journey, ...] = (Journey.AUTHORIZE,)
    ca_file: Path | None = None  # None means the system's authorities
    client_certificate_file: Path | None = None
    client_key_file: Path | None = None  # None when the key is in the certificate's file
    ip_family: IpFamily = IpFamily.ANY
    proxy_url: str | None = field(default=None, repr=False)  # may hold a password, so it is never printed
    absolute_hosts: tuple[str, ...] = ()
    """Hosts that were written with a trailing dot, which the URLs lack: resolved without search domains."""
    # The timing of each journey, under its name.
    authorize: JourneyTiming = JourneyTiming(interval=60.0, timeout=10.0, latency_objective=2.0)
    federation: JourneyTiming = JourneyTiming(interval=300.0, timeout=30.0, latency_objective=10.0)
    discovery: JourneyTiming = JourneyTiming(interval=600.0, timeout=10.0, latency_objective=2.0)
    destination_url: str = ""  # where the destination answers, in the form of `source_url`
    application: DestinationApplication | None = None  # needed for `federation`
    provider_id: str | None = None  # None if only one is offered
    user: SyntheticUser | None = None  # without one `federation` ends after `source_authorize`
    source_kind: SourceKind = SourceKind.PINGONE
    issuer: str | None = None
    ready_by: ReadyBy = ReadyBy.PROMPT_NONE
    login_hosts: tuple[str, ...] = ()
    secret_expires: float | None = None  # seconds since the epoch
    listed: ListedProvider | None = None
    """Where a discovered target comes from; None for one from the settings."""

    def timing(self, journey: Journey) -> JourneyTiming:
        """Return when a journey of this target runs and how long it may take."""
        timing: JourneyTiming = getattr(self, journey)
        return timing

    def last_step(self, journey: Journey) -> str:
        """Return the step after which a journey of this target succeeds, by its settings."""
        if journey is not Journey.FEDERATION:
            return journey.steps[-1]
        if self.user is None:
            return "source_authorize"
        if self.application is None or not self.application.redeems_code:
            return "destination_resume"
        return "token"

    def steps(self, journey: Journey) -> tuple[str, ...]:
        """Return the steps that a successful probe takes, in order."""
        steps = journey.steps[: journey.steps.index(self.last_step(journey)) + 1]
        if self.application is None or self.application.lookup_username is None:
            steps = tuple(step for step in steps if step != "destination_lookup")
        return steps

    @property
    def destination_auth_host(self) -> str:
        """Host of the destination, with its port if it has one; empty if unknown."""
        return _authority(self.destination_url)

    @property
    def auth_host(self) -> str:
        """Where the source answers: its host, with the port where it has one; empty if unknown."""
        return _authority(self.source_url or "")

    def host_of(self, side: Side) -> str:
        """Return the host of a side, with its port if it has one; empty if unknown."""
        return self.auth_host if side is Side.SOURCE else self.destination_auth_host

    def first_host(self, journey: Journey) -> str:
        """Return the host of a journey's first request, with its port if it has one."""
        if journey is Journey.DISCOVERY and self.issuer is not None:
            return _authority(self.issuer)
        return self.host_of(side_of(journey.steps[0]))

    def rate_scope(self, side: Side) -> tuple[str, str]:
        """Return what a rate limit counts for: one environment on one host.

        A source that the settings do not name counts for this target alone.
        """
        if side is Side.DESTINATION:
            return self.destination_auth_host, self.destination_environment_id
        return self.auth_host, self.source_environment_id or self.name


@lru_cache(maxsize=8192)
def _authority(url: str) -> str:
    """Return host and port of a URL; cached, since a page needs those of a thousand targets several times."""
    return urlsplit(url).netloc
