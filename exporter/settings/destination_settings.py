"""The settings of a destination that lists its identity providers, and how they are resolved."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, field_validator

from exporter.destinations import Destination
from exporter.settings import values
from exporter.settings.addresses import AuthServer, absolute_hosts, parse_region
from exporter.settings.section import Section, exclusive, setting
from exporter.settings.target_settings import SOURCE_LOCATION, TargetDefaults
from exporter.target import (
    ANY_REQUIRED,
    DestinationApplication,
    Journey,
    JourneyTiming,
    SourceKind,
    Target,
)

if TYPE_CHECKING:
    from pydantic_core import InitErrorDetails

MAX_DEFAULT_FEDERATION_TIMEOUT = 30.0
REQUIRED = ("environment_id", "client_id", "redirect_uri")

_AS_DEFAULTS = "as `DEFAULTS`"
_RESOLVED = {"source_environment_id", "client_id", "redirect_uri", "issuer", "provider_id", "labels"}
_COPIED = ({field.name for field in fields(Target)} & TargetDefaults.model_fields.keys()) - (
    _RESOLVED | {"destination_environment_id", "journeys", "timeout"}
)


class DestinationSettings(Section):
    """One application of a destination; each identity provider that it offers becomes a target."""

    environment_id: values.EnvironmentId = setting(..., "UUID of the destination's environment")
    client_id: values.ClientId = setting(
        ..., "client ID of one of its applications: the one with a sign-on policy that offers the providers"
    )
    redirect_uri: values.RedirectUri = setting(
        ..., "redirect URI of that application, byte for byte; never requested"
    )
    region: values.Region | None = setting(
        None, "region of the destination: NA, CA, EU, AU, SG or AP", shown="as `DEFAULTS`, else `NA`"
    )
    auth_url: values.AuthUrl | None = setting(None, "base URL of the destination, instead of a region")
    custom_domain: values.CustomDomain | None = setting(
        None, "custom domain of the destination, instead of a region"
    )
    include: values.OptionalPattern = setting(
        None,
        "regular expression (Python) that a provider's name must contain; `^` and `$` match its ends, `(?i)` "
        "ignores case; empty for all providers",
    )
    exclude: values.OptionalPattern = setting(
        None, "regular expression that a provider's name must not contain; empty for none"
    )
    expect: values.ProviderNames = setting(
        (),
        "names or IDs, comma-separated, of providers that must be there: a missing one pages, and `INCLUDE` "
        "and `EXCLUDE` do not apply to them; a name with a comma needs its ID",
    )
    max_providers: values.ProviderLimit = setting(
        200, "providers that are watched at most, 1 to 1000: those of `EXPECT`, then by ID"
    )
    refresh_interval: values.Interval = setting(
        300.0, "time between two listings of the providers; 100ms to 1d", shown="`5m`"
    )
    labels: dict[values.LabelName, values.LabelValue] = Field(
        default_factory=dict,
        description="label on `pingone_flow_target_info` of its targets, besides those of `DEFAULTS`; empty "
        "for none",
    )
    federation_interval: values.Interval | None = setting(
        None, "time between two probes of each of its targets; 100ms to 1d", shown=_AS_DEFAULTS
    )
    ready_by: values.Readiness | None = setting(
        None, "`READY_BY` of its targets that are not PingOne", shown=_AS_DEFAULTS
    )
    login_hosts: values.Hosts | None = setting(None, "`LOGIN_HOSTS` of its targets", shown=_AS_DEFAULTS)
    ca_file: values.FilePath | None = setting(
        None,
        "PEM file of trusted certificate authorities, relative to the working directory",
        shown=_AS_DEFAULTS,
    )
    ip_family: values.AddressFamily | None = setting(
        None, "addresses to connect to: `any`, `4` or `6`", shown=_AS_DEFAULTS
    )
    proxy_url: values.ProxyUrl = setting(None, "forward proxy of its targets", shown=_AS_DEFAULTS)

    @classmethod
    def conflicts(cls, written: Mapping[str, object]) -> Iterator[InitErrorDetails]:
        """Yield the errors of settings that cannot be combined."""
        yield from exclusive(written, SOURCE_LOCATION)

    @field_validator("labels", mode="before")
    @classmethod
    def _no_labels(cls, labels: object) -> object:
        return {} if labels is None else labels


_OWN = {field.name for field in fields(Target)} & DestinationSettings.model_fields.keys() - _RESOLVED


def resolve_destination(
    name: str, settings: DestinationSettings, defaults: TargetDefaults, directory: Path
) -> Destination:
    """Resolve one destination; what it does not set its targets have from the defaults."""
    server = _server(settings, defaults)
    url = server.environment_url(settings.environment_id)
    interval = settings.federation_interval or defaults.federation_interval
    timeout = min(defaults.federation_timeout or MAX_DEFAULT_FEDERATION_TIMEOUT, interval / 2)
    written = defaults.model_fields_set
    inherited = {field: getattr(defaults, field) for field in _COPIED}
    own = {field: getattr(settings, field) for field in _OWN}
    copied = inherited | {field: value for field, value in own.items() if value is not None}
    labels = defaults.labels | settings.labels
    resolved = {
        **copied,
        **{field: directory / value for field, value in copied.items() if isinstance(value, Path)},
        "source_kind": defaults.source_kind if "source_kind" in written else SourceKind.AUTO,
        "expected_statuses": defaults.expected_statuses
        if "expected_statuses" in written
        else (ANY_REQUIRED,),
        "federation": JourneyTiming(
            interval=interval,
            timeout=timeout,
            latency_objective=defaults.federation_latency_objective,
        ),
    }
    template = Target(
        name=name,
        destination_environment_id=settings.environment_id,
        destination_url=url,
        redirect_uri=f"{url}/rp/callback/openid_connect",
        absolute_hosts=absolute_hosts(server),
        labels=tuple(sorted((label, value) for label, value in labels.items() if value)),
        journeys=(Journey.FEDERATION,),
        application=DestinationApplication(
            client_id=settings.client_id,
            redirect_uri=settings.redirect_uri,
            scope=defaults.destination_scope,
            acr_values=defaults.destination_acr_values,
            login_hint=defaults.destination_login_hint,
            lookup_username=defaults.lookup_username,
        ),
        **resolved,
    )
    return Destination(
        name=name,
        template=template,
        include=settings.include,
        exclude=settings.exclude,
        expect=frozenset(settings.expect),
        max_providers=settings.max_providers,
        refresh_interval=settings.refresh_interval,
    )


def _server(settings: DestinationSettings, defaults: TargetDefaults) -> AuthServer:
    """Return where a destination answers: as for a target, by the defaults if it does not say."""
    own = settings.auth_url or settings.custom_domain or settings.region
    usual = (
        defaults.destination_auth_url
        or defaults.destination_custom_domain
        or defaults.destination_region
        or defaults.auth_url
        or defaults.region
    )
    return own or usual or parse_region("NA")
