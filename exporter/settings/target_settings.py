"""The settings of a target, and of the defaults of all targets, with the rules that join them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from exporter.durations import format_duration
from exporter.outcome import DAVINCI
from exporter.settings import values
from exporter.settings.addresses import ENDS_IN_ENVIRONMENT, AuthServer
from exporter.settings.section import Conflict, Section, duration, exclusive, setting
from exporter.target import ClientAuth, IpFamily, Journey, ReadyBy, SourceKind

MAX_LABELS = 20
REQUIRED = ("source_environment_id", "destination_environment_id", "client_id")
REQUIRED_FOR_FEDERATION = ("destination_environment_id", "destination_client_id", "destination_redirect_uri")
CREDENTIALS = ("username", "password")
SECRETS = ("password", "destination_client_secret")
"""Must not be in a configuration file."""
NO_DEFAULTS = (*CREDENTIALS, "destination_client_secret")
"""One account, or one application, is never meant for all targets."""
MIN_SIGN_ON_INTERVAL = 30.0
"""Seconds between two sign-ons of a test account."""

SOURCE_LOCATION = ("auth_url", "custom_domain", "region")
DESTINATION_LOCATION = ("destination_auth_url", "destination_custom_domain", "destination_region")
CLIENT_CERTIFICATE = ("client_certificate_file", "client_key_file")
JOURNEYS = ("journeys", "journey")
_FROM_ONE_LEVEL = (SOURCE_LOCATION, DESTINATION_LOCATION, CLIENT_CERTIFICATE, JOURNEYS)
"""Settings that belong together: a target that sets one of them takes none from DEFAULTS."""

_NEEDS_TLS = "is sent over https only; plain http is allowed only to localhost and loopback addresses"


class TargetDefaults(Section):
    """The settings of a target, each of which may also be a default of all targets."""

    source_environment_id: values.EnvironmentId | None = setting(
        "UUID of the environment that signs users on (the identity provider); not needed for a target that "
        "only runs `federation` and has no user",
    )
    destination_environment_id: values.EnvironmentId | None = setting(
        "UUID of the environment that users are signed on for (the relying party)"
    )
    client_id: values.ClientId | None = setting(
        "client ID of the source application; not needed for a target that only runs `federation`"
    )
    region: values.Region | None = setting("region of the source: NA, CA, EU, AU, SG or AP", shown="`NA`")
    auth_url: values.AuthUrl | None = setting(
        "base URL of the source, instead of a region: any http or https URL"
    )
    custom_domain: values.CustomDomain | None = setting(
        "custom domain of the source, instead of a region, with a port if needed"
    )
    destination_region: values.Region | None = setting(
        "region of the destination", shown="as the source, unless that has a custom domain"
    )
    destination_auth_url: values.AuthUrl | None = setting("base URL of the destination")
    destination_custom_domain: values.CustomDomain | None = setting("custom domain of the destination")
    redirect_uri: values.RedirectUri | None = setting(
        "redirect URI of the source application, exactly as registered",
        shown="`{destination auth}/{destination id}/rp/callback/openid_connect`, without the id on a "
        "custom domain",
    )
    scope: values.Scope = setting("OAuth scopes, separated by spaces", "openid")
    prompt: values.OptionalText = setting("OIDC `prompt`; empty for none")
    acr_values: values.OptionalText = setting(
        "OIDC `acr_values`, e.g. the name of a sign-on policy; empty for none"
    )
    login_hint: values.OptionalText = setting("OIDC `login_hint`; empty for none; never printed")
    max_age: values.OptionalNumber = setting("OIDC `max_age` in seconds; empty for none")
    pkce: values.Flag = setting("send a fresh S256 challenge with each probe", default=False)
    expected_statuses: values.Statuses = setting(
        "flow statuses that are a success, comma-separated, at most 20; `DAVINCI` stands for the body of a "
        "DaVinci flow, which has no status",
        ("USERNAME_PASSWORD_REQUIRED",),
    )
    latency_objective: values.PositiveDuration = duration("slower successes count as slow", "2s")
    labels: values.Labels = setting(
        "label on `pingone_flow_target_info`, for routing (`owner` and `tier` reach alerts); at most 20; "
        "empty for none",
        {},
    )
    journeys: values.Journeys | None = setting(
        "what probes do, comma-separated: `authorize`, the one request that starts a sign-on at the "
        "source; `federation`, the whole sign-on from the destination through the source and back; "
        "`discovery`, the source's OpenID metadata and signing keys",
        shown="`authorize`",
    )
    journey: values.Journeys | None = setting("the same as `JOURNEYS`")
    interval: values.Interval = duration("time between two probes of `authorize`; 100ms to 1d", "60s")
    timeout: values.PositiveDuration | None = setting(
        "limit of a whole probe; must be shorter than the interval", shown="min(`10s`, half the interval)"
    )
    federation_interval: values.Interval = duration(
        "time between two probes of `federation`; 100ms to 1d, at least 30s for a target with a password",
        "5m",
    )
    federation_timeout: values.PositiveDuration | None = setting(
        "limit of a whole probe of `federation`; must be shorter than its interval",
        shown="min(`30s`, half the interval)",
    )
    federation_latency_objective: values.PositiveDuration = duration(
        "slower successes of `federation` count as slow", "10s"
    )
    discovery_interval: values.Interval = duration(
        "time between two probes of `discovery`; 100ms to 1d", "10m"
    )
    discovery_timeout: values.PositiveDuration | None = setting(
        "limit of a whole probe of `discovery`; must be shorter than its interval",
        shown="min(`10s`, half the interval)",
    )
    discovery_latency_objective: values.PositiveDuration = duration(
        "slower successes of `discovery` count as slow", "2s"
    )
    destination_client_id: values.ClientId | None = setting(
        "client ID of the destination's application; needed for `federation`"
    )
    destination_redirect_uri: values.RedirectUri | None = setting(
        "redirect URI of the destination's application, exactly as registered; never requested; needed for "
        "`federation`",
    )
    destination_scope: values.Scope = setting(
        "OAuth scopes at the destination, separated by spaces", "openid"
    )
    destination_acr_values: values.OptionalText = setting(
        "OIDC `acr_values` at the destination, e.g. the name of a sign-on policy; empty for none"
    )
    destination_login_hint: values.OptionalText = setting(
        "OIDC `login_hint` at the destination; empty for none; never printed"
    )
    lookup_username: values.OptionalText = setting(
        "user name that an identifier-first policy of the destination sends to the identity provider; "
        "empty for none; never printed",
    )
    destination_client_auth: values.ClientAuthentication = setting(
        "how the destination's application authenticates at the token endpoint: `basic`, `post`, or `none` "
        "for a public client",
        ClientAuth.BASIC,
    )
    provider_id: values.OptionalText = setting(
        "ID or name of the identity provider in the destination; empty for none",
        shown="the only one that the destination offers",
    )
    source_kind: values.ProviderType = setting(
        "what the identity provider is: `pingone`; `oidc` for one that is not PingOne, which is only "
        "checked for being ready (`READY_BY`); `auto` to decide by its URL",
        SourceKind.PINGONE,
    )
    ready_by: values.Readiness = setting(
        "how to check that a provider that is not PingOne is ready: `prompt_none`, it returns "
        "`login_required` or the like for `prompt=none`; `login_page`, it shows a login form, after at most "
        "five redirects within its own host and `LOGIN_HOSTS`",
        ReadyBy.PROMPT_NONE,
    )
    issuer: values.Issuer = setting(
        "issuer of the source for `discovery`, compared byte for byte; needed if `SOURCE_KIND` is not "
        "`pingone`; empty for PingOne's own",
        shown="`{source auth}/{source id}/as`, without the id on a custom domain",
    )
    login_hosts: values.Hosts = setting(
        "additional hosts, comma-separated, at most 20, that a provider that is not PingOne may use for its "
        "login page and signing keys: exact names, no wildcards; may have private addresses; empty for none",
        (),
    )
    secret_expires: values.OptionalMoment = setting(
        "when the client secret of the federation expires: a date, which stands for 00:00 UTC, or an RFC "
        "3339 time, e.g. `2027-03-31` or `2027-03-31T12:00:00Z`; empty if unknown",
    )
    ca_file: values.FilePath | None = setting(
        "PEM file of trusted certificate authorities, relative to the working directory",
        shown="the system's certificates",
    )
    client_certificate_file: values.OptionalPath = setting(
        "PEM file of the client certificate for the two environments if they request one, followed by its "
        "issuers, relative to the working directory; empty for none",
    )
    client_key_file: values.OptionalPath = setting(
        "PEM file of its unencrypted private key, set on the same level", shown="`CLIENT_CERTIFICATE_FILE`"
    )
    ip_family: values.AddressFamily = setting(
        "addresses to connect to: `any`, `4` for IPv4 only or `6` for IPv6 only", IpFamily.ANY
    )
    proxy_url: values.ProxyUrl = setting(
        "forward proxy, `http://[user:password@]host:port`, user and password percent-encoded and never "
        "printed; empty for none; no other variable sets one",
    )
    enabled: values.Flag = setting("probe the target", default=True)

    @classmethod
    def conflicts(cls, given: Collection[str], valid: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield the errors of settings that cannot be combined on one level."""
        yield from exclusive(given, SOURCE_LOCATION)
        yield from exclusive(given, DESTINATION_LOCATION)
        yield from exclusive(given, JOURNEYS)
        if valid.get("client_key_file") and valid.get("client_certificate_file", True) is None:
            yield "client_key_file", "requires CLIENT_CERTIFICATE_FILE on the same level"


class TargetSettings(TargetDefaults):
    """The settings of one target, DEFAULTS included, and those that cannot be defaults."""

    username: values.OptionalText = setting(
        "user name of the test account at the source; `federation` ends after `source_authorize` without "
        "one; cannot be a default; empty for none; never printed",
    )
    password: values.Secret = setting(
        "password of the test account; not allowed in `DEFAULTS` or a configuration file; empty for none"
    )
    destination_client_secret: values.Secret = setting(
        "client secret of the destination's application; `federation` ends after `destination_resume` "
        "without one, unless the client is public; cannot be a default, nor be in a configuration file; "
        "empty for none",
    )

    @classmethod
    def conflicts(cls, given: Collection[str], valid: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield what is missing and what cannot be combined."""
        yield from super().conflicts(given, valid)
        yield from ((name, "") for name in _required(given, valid) if valid.get(name, True) is None)
        yield from _sign_on_conflicts(given, valid)
        if "custom_domain" in given and _first(given, DESTINATION_LOCATION) is None:
            needed = "DESTINATION_REGION, DESTINATION_AUTH_URL or DESTINATION_CUSTOM_DOMAIN"
            yield "custom_domain", f"requires {needed}"
        for name in ("timeout", "federation_timeout", "discovery_timeout"):
            other = name.replace("timeout", "interval")
            timeout, interval = valid.get(name), valid.get(other)
            if timeout and interval and timeout >= interval:
                yield name, f"must be shorter than {other.upper()}, which is {format_duration(interval)}"
        server, environment_id = valid.get("auth_url"), valid.get("source_environment_id")
        if server and environment_id and environment_id in server.url.lower():
            yield "auth_url", ENDS_IN_ENVIRONMENT
        if sum(map(bool, valid.get("labels", {}).values())) > MAX_LABELS:
            yield "labels", f"more than {MAX_LABELS} labels, DEFAULTS included"


def _first(given: Collection[str], names: Iterable[str]) -> str | None:
    """Return the first of some settings that has a value."""
    return next((name for name in names if name in given), None)


def _required(given: Collection[str], valid: Mapping[str, Any]) -> Iterator[str]:
    """Yield the settings that a target needs for its journeys; few if these are invalid."""
    journeys = valid.get("journeys") or valid.get("journey")
    journeys = journeys or (() if _first(given, JOURNEYS) else (Journey.AUTHORIZE,))
    needed = {"destination_environment_id"}
    if Journey.AUTHORIZE in journeys:
        needed |= set(REQUIRED)
    if Journey.FEDERATION in journeys:
        needed |= set(REQUIRED_FOR_FEDERATION)
    if any(valid.get(name) is not None for name in CREDENTIALS):
        needed.add("source_environment_id")
    if Journey.DISCOVERY in journeys and valid.get("issuer") is None:
        is_pingone = valid.get("source_kind") is SourceKind.PINGONE
        needed.add("source_environment_id" if is_pingone else "issuer")
    yield from (name for name in TargetSettings.model_fields if name in needed)


def _sign_on_conflicts(given: Collection[str], valid: Mapping[str, Any]) -> Iterator[Conflict]:
    """Yield what makes secrets of a target dangerous or useless."""
    user, password, secret = map(valid.get, NO_DEFAULTS)
    if user is not None and valid.get("password", True) is None:
        yield "username", "requires PASSWORD"
    if password is not None and valid.get("username", True) is None:
        yield "password", "requires USERNAME"
    if secret is not None and valid.get("destination_client_auth") is ClientAuth.NONE:
        yield "destination_client_auth", "none means a client without a secret; use basic or post"
    source = _first(given, SOURCE_LOCATION)
    if user is not None or password is not None:
        if source is None:
            name = "password" if password is not None else "username"
            yield (
                name,
                "requires REGION, AUTH_URL or CUSTOM_DOMAIN, which says where the password may be sent",
            )
        interval = valid.get("federation_interval")
        if interval is not None and interval < MIN_SIGN_ON_INTERVAL:
            shortest = format_duration(MIN_SIGN_ON_INTERVAL)
            yield "federation_interval", f"must be at least {shortest} for a target with a password"
        if DAVINCI in valid.get("expected_statuses", ()):
            why = "the exporter cannot sign on to a DaVinci flow"
            yield "expected_statuses", f"DAVINCI and PASSWORD are mutually exclusive; {why}"
        if valid.get("source_kind") is SourceKind.OIDC:
            yield "source_kind", "oidc and PASSWORD are mutually exclusive; passwords are for PingOne only"
        if source == "auth_url" and _in_the_clear(valid.get(source)):
            yield "auth_url", f"PASSWORD {_NEEDS_TLS}"
    if secret is not None:
        own = _first(given, DESTINATION_LOCATION) or source
        if own in {"auth_url", "destination_auth_url"} and _in_the_clear(valid.get(own)):
            yield own, f"DESTINATION_CLIENT_SECRET {_NEEDS_TLS}"


def _in_the_clear(server: AuthServer | None) -> bool:
    return server is not None and server.url.startswith("http:") and not server.is_loopback


def with_defaults(own: object, defaults: Mapping[str, Any]) -> object:
    """Merge the defaults into the settings of a target."""
    if not isinstance(own, dict):
        return own
    merged = {**{name: value for name, value in defaults.items() if name not in NO_DEFAULTS}, **own}
    for names in _FROM_ONE_LEVEL:
        if not own.keys().isdisjoint(names):
            merged = {name: value for name, value in merged.items() if name in own or name not in names}
    default_labels, labels = defaults.get("labels"), own.get("labels") or {}
    if isinstance(default_labels, dict) and isinstance(labels, dict):
        merged["labels"] = default_labels | labels
    return merged
