"""The settings of a destination that lists its identity providers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from exporter.settings import values
from exporter.settings.section import Section, exclusive, setting
from exporter.settings.target_settings import SOURCE_LOCATION

if TYPE_CHECKING:
    from pydantic_core import InitErrorDetails

REQUIRED = ("environment_id", "client_id", "redirect_uri")


class DestinationSettings(Section):
    """One application of a destination; each identity provider that it offers becomes a target."""

    environment_id: values.EnvironmentId = setting("UUID of the destination's environment", default=...)
    client_id: values.ClientId = setting(
        "client ID of an application of the destination: one with a sign-on policy that offers the providers",
        default=...,
    )
    redirect_uri: values.RedirectUri = setting(
        "redirect URI of that application, exactly as registered; never requested", default=...
    )
    region: values.Region | None = setting(
        "region of the destination: NA, CA, EU, AU, SG or AP", shown="as `DEFAULTS`, else `NA`"
    )
    auth_url: values.AuthUrl | None = setting("base URL of the destination, instead of a region")
    custom_domain: values.CustomDomain | None = setting(
        "custom domain of the destination, instead of a region"
    )
    include: values.OptionalPattern = setting(
        "regular expression (Python) that a provider's name must contain; `^` and `$` match its ends, "
        "`(?i)` ignores case; empty for all providers",
    )
    exclude: values.OptionalPattern = setting(
        "regular expression that a provider's name must not contain; empty for none"
    )
    expect: values.ProviderNames = setting(
        "names or IDs, comma-separated, of providers that must be there: a missing one pages, and "
        "`INCLUDE` and `EXCLUDE` do not apply to them; a name with a comma needs its ID",
        (),
    )
    max_providers: values.ProviderLimit = setting(
        "providers that are watched at most, 1 to 1000: those of `EXPECT`, then by ID", 200
    )
    refresh_interval: values.Interval = setting(
        "time between two listings of the providers; 100ms to 1d", 300.0, shown="`5m`"
    )
    labels: values.Labels = setting(
        "label on `pingone_flow_target_info` of its targets, besides those of `DEFAULTS`; empty for none", {}
    )
    federation_interval: values.Interval | None = setting(
        "time between two probes of each of its targets; 100ms to 1d", shown="as `DEFAULTS`"
    )
    ready_by: values.Readiness | None = setting(
        "`READY_BY` of its targets that are not PingOne", shown="as `DEFAULTS`"
    )
    login_hosts: values.Hosts | None = setting("`LOGIN_HOSTS` of its targets", shown="as `DEFAULTS`")
    ca_file: values.FilePath | None = setting(
        "PEM file of trusted certificate authorities, relative to the working directory",
        shown="as `DEFAULTS`",
    )
    ip_family: values.AddressFamily | None = setting(
        "addresses to connect to: `any`, `4` or `6`", shown="as `DEFAULTS`"
    )
    proxy_url: values.ProxyUrl = setting("forward proxy of its targets", shown="as `DEFAULTS`")

    @classmethod
    def conflicts(cls, written: Mapping[str, object]) -> Iterator[InitErrorDetails]:
        """Yield the errors of settings that cannot be combined."""
        yield from exclusive(written, SOURCE_LOCATION)
