"""The schema of what the operator writes: one field is one setting, with its type, default and meaning.

To add a setting, add a field; names, suggestions, errors and docs/settings.md follow from it.
"""

import logging
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, cast

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from exporter.settings import values
from exporter.settings.addresses import ListenAddress
from exporter.settings.section import Conflict, Section, duration, exclusive, setting
from exporter.settings.target_settings import SOURCE_LOCATION, TargetDefaults, TargetSettings, with_defaults

# With PYDANTIC_SETTINGS_DEBUG in the environment, it logs every value at this level, secrets included.
logging.getLogger("pydantic_settings").setLevel(logging.INFO)

MAX_TARGETS = 10_000
"""More targets are more likely an error of the program that generates the configuration."""
MAX_DESTINATIONS = 100


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
        "regular expression that a provider's name must contain, in the syntax of Rust's regex crate "
        "(no look-around, no backreferences); `^` and `$` match the ends, `(?i)` ignores case; "
        "empty for all providers",
    )
    exclude: values.OptionalPattern = setting(
        "regular expression, as in `INCLUDE`, that a provider's name must not contain; empty for none"
    )
    expect: values.ProviderNames = setting(
        "names or IDs, comma-separated, of providers that must be there: a missing one pages, and "
        "`INCLUDE` and `EXCLUDE` do not apply to them; a name with a comma needs its ID",
        (),
    )
    max_providers: values.ProviderLimit = setting(
        "maximum number of providers to watch, 1 to 1000: those of `EXPECT` first, then by ID", 200
    )
    refresh_interval: values.Interval = duration(
        "time between two listings of the providers; 100ms to 1d", "5m"
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
    def conflicts(cls, given: Collection[str], _: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield the errors of settings that cannot be combined."""
        yield from exclusive(given, SOURCE_LOCATION)


class WebSettings(Section):
    """The exporter's own HTTP server."""

    listen_address: values.ListenAddresses = setting(
        "`host:port` to listen on, `[::1]:9988` for IPv6; several, comma-separated; port 0 for any free one",
        (ListenAddress("", 9988),),
    )
    config_file: values.OptionalPath = setting(
        "TLS and basic auth, in the format of Prometheus' web configuration file (see "
        "[web-configuration.md](web-configuration.md)), relative to the working directory; empty for none; "
        "`/-/healthy` and `/-/ready` stay open",
    )
    health_listen_address: values.OptionalListenAddresses = setting(
        "`host:port` of a plain port for `/-/healthy` and `/-/ready` only, for kubelets when the main port "
        "requires client certificates; empty for none",
    )
    external_url: values.ExternalUrl = setting(
        "http or https base URL of links to the exporter; empty for none"
    )
    grafana_url: values.LinkTemplate = setting(
        "URL of a target's dashboard, with `{target}` for its name, e.g. "
        "`https://grafana.example.com/d/pingone-flow-target?var-target={target}`; linked from the pages; "
        "empty for none",
    )
    prometheus_url: values.LinkTemplate = setting(
        "the same for a query in Prometheus; write the braces of a selector as `%7B` and `%7D`"
    )

    @classmethod
    def conflicts(cls, _: Collection[str], valid: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield an error for an address that both ports have."""
        web, health = valid.get("listen_address", ()), valid.get("health_listen_address") or ()
        if any(address.port and address in web for address in health):
            yield "health_listen_address", "already used by WEB__LISTEN_ADDRESS; use another port"


class StatusPageSettings(Section):
    """The vendor's status page."""

    url: values.CheckUrl = setting(
        "http or https URL of the `summary.json` of the vendor's status page (Statuspage), e.g. "
        "`https://status.example.com/api/v2/summary.json`; its content is shown beside the exporter's own "
        "findings; empty for none; its query is never printed",
    )
    components: values.Components = setting(
        "components of that page to show, each by its ID or as `group / name`, comma-separated; a "
        "component without a group by its name",
        (),
    )
    interval: values.PollInterval = duration("time between two requests for that page, 1m to 1d", "2m")

    @classmethod
    def conflicts(cls, _: Collection[str], valid: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield an error for components of no page."""
        if valid.get("components") and valid.get("url", True) is None:
            yield "components", "requires STATUS_PAGE__URL"


class ShardSettings(Section):
    """Which share of the targets this exporter probes."""

    count: values.ShardCount = setting(
        "number of exporters that share the targets, 1 to 100; each target is probed by one of them", 1
    )
    index: values.ShardIndex = setting("index of this shard, from 0, or a pod name that ends in `-<n>`", 0)

    @classmethod
    def conflicts(cls, _: Collection[str], valid: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield an error for an index that is not below the count."""
        count = valid.get("count")
        if count is not None and valid.get("index", 0) >= count:
            yield "index", f"must be less than SHARD__COUNT, which is {count}; the first index is 0"


class LogSettings(Section):
    """The exporter's own log."""

    level: values.LogLevel = setting("debug, info, warning or error", "info")
    format: values.LogFormat = setting("logfmt or json", "logfmt")


class Settings(Section, BaseSettings):
    """Everything that the operator may write. `Settings(raw=...)` validates nested dictionaries."""

    # Case-sensitive, since names are folded before, and pydantic-settings would fold the Kelvin sign to a k.
    model_config = SettingsConfigDict(validate_default=False, case_sensitive=True)

    destinations: Annotated[dict[values.DestinationName, DestinationSettings], values.NONE_IS_EMPTY] = Field(
        default_factory=dict, max_length=MAX_DESTINATIONS
    )
    targets: dict[values.TargetName, TargetSettings] = Field(
        default_factory=dict,
        max_length=MAX_TARGETS,
        description='targets as one JSON object, `{"name": {"client_id": …}}`; single variables win',
    )
    defaults: TargetDefaults = Field(
        default_factory=TargetDefaults,
        description="a default for all targets, of any setting above except `USERNAME`, `PASSWORD` and "
        "`DESTINATION_CLIENT_SECRET`",
    )
    config_file: values.OptionalPath = setting(
        "YAML file of all these settings in lower case, relative to the working directory; read again on "
        "reload; empty for none",
    )
    secrets_dir: values.OptionalPath = setting(
        "directory of a mounted Secret, one file per variable of this table, relative to the working "
        "directory; read again on reload; empty for none",
    )
    web: WebSettings = Field(default_factory=WebSettings)
    max_concurrent_probes: values.Slots | None = setting(
        "maximum number of concurrent probes; waiting for a slot is lag, never duration",
        shown="max(100, 1.5 × Σ timeout/interval)",  # noqa: RUF001  the sign is meant
    )
    shutdown_grace: values.ShutdownGrace = duration(
        "how long running probes may take to end at shutdown; 0 to 10m", "15s"
    )
    duration_buckets: values.Buckets = setting(
        "upper bounds of the duration histogram, in seconds, comma-separated; one list for all targets",
        (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30),
    )
    federation_duration_buckets: values.Buckets = setting(
        "the same for the journey `federation`",
        (0.5, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60),
    )
    egress_check_url: values.CheckUrl = setting(
        "http or https URL that is requested to check the exporter's own network access; empty for none; its "
        "query is never printed",
    )
    status_page: StatusPageSettings = Field(default_factory=StatusPageSettings)
    shard: ShardSettings = Field(default_factory=ShardSettings)
    log: LogSettings = Field(default_factory=LogSettings)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003  reads the process, not the given environment
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  skips lines that it cannot parse
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003  mixes two versions of a Secret
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take what is passed instead of what pydantic-settings would read."""
        return (
            InitSettingsSource(settings_cls, cast("InitSettingsSource", init_settings).init_kwargs["raw"]),
        )

    @model_validator(mode="before")
    @classmethod
    def _merge_defaults(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Merge DEFAULTS into each target."""
        targets, defaults = data.get("targets"), data.get("defaults")
        if not isinstance(targets, dict) or not isinstance(defaults, dict):
            return {**data, "targets": {} if targets is None else targets}
        merged = {name: with_defaults({} if own is None else own, defaults) for name, own in targets.items()}
        return {**data, "targets": merged}

    @classmethod
    def conflicts(cls, _: Collection[str], valid: Mapping[str, Any]) -> Iterator[Conflict]:
        """Yield an error if nothing is probed; destinations bring targets."""
        targets = valid.get("targets")
        if targets is None or valid.get("destinations", True):
            return
        if not targets:
            yield "targets", ""
        elif not any(target.enabled for target in targets.values()):
            yield "targets", "every target is disabled; set ENABLED of at least one to true"
