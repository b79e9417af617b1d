"""The schema of what the operator writes: one field is one setting, with its type, default and meaning.

    Settings
      ├─ targets      dict of name -> TargetSettings
      ├─ defaults     TargetDefaults, merged into each target before it is validated
      ├─ web, shard, log
      └─ the rest     single settings

To add a setting, add a field; names, suggestions, errors and docs/settings.md follow from it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticKnownError
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

from exporter.durations import format_duration
from exporter.settings import values
from exporter.settings.addresses import ENDS_IN_ENVIRONMENT, AuthServer, ListenAddress
from exporter.settings.provenance import DEFAULTS, TARGETS, RawSettings
from exporter.target import IpFamily, Journey

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

# With PYDANTIC_SETTINGS_DEBUG in the environment, it logs every value at this level, secrets included.
logging.getLogger("pydantic_settings").setLevel(logging.INFO)

MAX_TARGETS = 10_000
"""More targets are more likely an error of the program that generates the configuration."""
MAX_LABELS = 20
REQUIRED = ("source_environment_id", "destination_environment_id", "client_id")

SOURCE_LOCATION = ("auth_url", "custom_domain", "region")
DESTINATION_LOCATION = ("destination_auth_url", "destination_custom_domain", "destination_region")
CLIENT_CERTIFICATE = ("client_certificate_file", "client_key_file")
_FROM_ONE_LEVEL = (SOURCE_LOCATION, DESTINATION_LOCATION, CLIENT_CERTIFICATE)
"""Settings that belong together: a target that sets one of them takes none from DEFAULTS."""


def setting(default: object, meaning: str, *, shown: str = "") -> Any:  # noqa: ANN401  as pydantic's Field
    """Declare a setting.

    Args:
        default: the default; None if there is none, or if it depends on other settings.
        meaning: one line of Markdown for docs/settings.md.
        shown: how docs/settings.md shows the default, where that is not the value itself.
    """
    return Field(default=cast("Any", default), description=meaning, json_schema_extra={"shown": shown})


class Section(BaseModel):
    """A group of settings. Reports every error at once, and shows no value in a repr."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @classmethod
    def conflicts(cls, written: Mapping[str, object]) -> Iterator[InitErrorDetails]:  # noqa: ARG003  see subclasses
        """Yield the errors of settings that cannot be combined, given the values as they are written."""
        yield from ()

    @classmethod
    def written(cls, data: object) -> object:
        """Return what is written; YAML's null is an empty group."""
        return {} if data is None else data

    @model_validator(mode="wrap")
    @classmethod
    def _validate(cls, data: object, handler: ModelWrapValidatorHandler[Section]) -> Section:
        """Check combinations even if a value is invalid, so that no error hides another."""
        written = cls.written(data)
        errors = list(cls.conflicts(written)) if isinstance(written, dict) else []
        try:
            validated = handler(written)
        except ValidationError as error:
            errors += [
                InitErrorDetails(type=each["type"], loc=each["loc"], input=None, ctx=each.get("ctx", {}))
                for each in error.errors(include_url=False, include_input=False)
            ]
        if errors:
            raise ValidationError.from_exception_data(cls.__name__, errors, hide_input=True)
        return validated

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show no values: each may be a secret, or one in the wrong place."""
        yield from ()


def conflict(name: str, message: str) -> InitErrorDetails:
    """Return an error at a setting."""
    return InitErrorDetails(type="value_error", loc=(name,), input=None, ctx={"error": ValueError(message)})


def exclusive(
    written: Mapping[str, object], names: tuple[str, ...], shown: Callable[[str], str] = str.upper
) -> Iterator[InitErrorDetails]:
    """Yield an error if more than one of some settings is written; `shown` formats a name."""
    *others, last = [name for name in names if written.get(name) is not None] or names[:1]
    if others:
        yield conflict(last, f"{' and '.join(map(shown, [last, *others]))} are mutually exclusive")


class TargetDefaults(Section):
    """The settings of a target, each of which may also be a default of all targets."""

    source_environment_id: values.EnvironmentId | None = setting(
        None, "UUID of the environment that signs users on (the identity provider)"
    )
    destination_environment_id: values.EnvironmentId | None = setting(
        None, "UUID of the environment that users are signed on for (the relying party)"
    )
    client_id: values.ClientId | None = setting(None, "client ID of the source application")
    region: values.Region | None = setting(
        None, "region of the source: NA, CA, EU, AU, SG or AP", shown="`NA`"
    )
    auth_url: values.AuthUrl | None = setting(
        None, "base URL of the source, instead of a region: any http or https URL"
    )
    custom_domain: values.CustomDomain | None = setting(
        None, "custom domain of the source, instead of a region, with a port if needed"
    )
    destination_region: values.Region | None = setting(
        None, "region of the destination", shown="as the source, unless that has a custom domain"
    )
    destination_auth_url: values.AuthUrl | None = setting(None, "base URL of the destination")
    destination_custom_domain: values.CustomDomain | None = setting(None, "custom domain of the destination")
    redirect_uri: values.RedirectUri | None = setting(
        None,
        "where the source redirects to, byte for byte",
        shown="`{destination auth}/{destination id}/rp/callback/openid_connect`, "
        "without the id on a custom domain",
    )
    scope: values.Scope = setting("openid", "OAuth scopes, separated by spaces")
    prompt: values.OptionalText = setting(None, "OIDC `prompt`; empty for none")
    acr_values: values.OptionalText = setting(
        None, "OIDC `acr_values`, e.g. the name of a sign-on policy; empty for none"
    )
    login_hint: values.OptionalText = setting(None, "OIDC `login_hint`; empty for none; never printed")
    max_age: values.OptionalNumber = setting(None, "OIDC `max_age` in seconds; empty for none")
    pkce: values.Flag = setting(default=False, meaning="send a fresh S256 challenge with each probe")
    expected_statuses: values.Statuses = setting(
        ("USERNAME_PASSWORD_REQUIRED",),
        "flow statuses that are a success, comma-separated, at most 20; `DAVINCI` stands for the body of a "
        "DaVinci flow, which has no status",
    )
    latency_objective: values.PositiveDuration = setting(2.0, "slower successes count as slow", shown="`2s`")
    labels: dict[values.LabelName, values.LabelValue] = Field(
        default_factory=dict,
        description="label on `pingone_flow_target_info`, for routing (`owner` and `tier` reach alerts); "
        "at most 20; empty for none",
    )
    journey: values.JourneyName = setting(Journey.AUTHORIZE, "what a probe does: `authorize`")
    interval: values.Interval = setting(60.0, "time between probes; 100ms to 1d", shown="`60s`")
    timeout: values.PositiveDuration | None = setting(
        None,
        "limit of a whole probe; must be shorter than the interval",
        shown="min(`10s`, half the interval)",
    )
    ca_file: values.FilePath | None = setting(
        None,
        "PEM file of trusted certificate authorities, relative to the working directory",
        shown="the system's certificates",
    )
    client_certificate_file: values.OptionalPath = setting(
        None,
        "PEM file of the client certificate for providers that request one, followed by its issuers, "
        "relative to the working directory; empty for none",
    )
    client_key_file: values.OptionalPath = setting(
        None,
        "PEM file of its unencrypted private key, set on the same level",
        shown="`CLIENT_CERTIFICATE_FILE`",
    )
    ip_family: values.AddressFamily = setting(
        IpFamily.ANY, "addresses to connect to: `any`, `4` for IPv4 only or `6` for IPv6 only"
    )
    proxy_url: values.ProxyUrl = setting(
        None,
        "forward proxy, `http://[user:password@]host:port`, user and password percent-encoded and never "
        "printed; empty for none; no other variable sets one",
    )
    enabled: values.Flag = setting(default=True, meaning="probe the target")

    @classmethod
    def conflicts(cls, written: Mapping[str, object]) -> Iterator[InitErrorDetails]:
        """Yield the errors of settings that cannot be combined on one level."""
        yield from exclusive(written, SOURCE_LOCATION)
        yield from exclusive(written, DESTINATION_LOCATION)
        if written.get("client_key_file") and not written.get("client_certificate_file"):
            yield conflict("client_key_file", "requires CLIENT_CERTIFICATE_FILE on the same level")

    @field_validator("labels", mode="before")
    @classmethod
    def _no_labels(cls, labels: object) -> object:
        return {} if labels is None else labels


class TargetSettings(TargetDefaults):
    """The settings of one target, DEFAULTS included."""

    @classmethod
    def conflicts(cls, written: Mapping[str, object]) -> Iterator[InitErrorDetails]:
        """Yield what is missing and what cannot be combined."""
        yield from super().conflicts(written)
        for name in REQUIRED:
            if written.get(name) is None:
                yield InitErrorDetails(type="missing", loc=(name,), input=None)
        if written.get("custom_domain") is not None and not any(
            written.get(name) is not None for name in DESTINATION_LOCATION
        ):
            yield conflict(
                "custom_domain",
                "requires DESTINATION_REGION, DESTINATION_AUTH_URL or DESTINATION_CUSTOM_DOMAIN",
            )

    @field_validator("timeout")
    @classmethod
    def _check_timeout(cls, timeout: float | None, info: ValidationInfo) -> float | None:
        interval = info.data.get("interval")
        if timeout is not None and interval is not None and timeout >= interval:
            raise ValueError(f"must be shorter than INTERVAL, which is {format_duration(interval)}")
        return timeout

    @field_validator("auth_url")
    @classmethod
    def _check_auth_url(cls, server: AuthServer | None, info: ValidationInfo) -> AuthServer | None:
        environment_id = info.data.get("source_environment_id")
        if server is not None and environment_id and environment_id in server.url.lower():
            raise ValueError(ENDS_IN_ENVIRONMENT)
        return server

    @field_validator("labels")
    @classmethod
    def _check_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        if sum(map(bool, labels.values())) > MAX_LABELS:
            raise ValueError(f"more than {MAX_LABELS} labels, DEFAULTS included")
        return labels


class WebSettings(Section):
    """The exporter's own HTTP server."""

    listen_address: values.ListenAddresses = setting(
        (ListenAddress("", 9988),),
        "`host:port` to listen on, `[::1]:9988` for IPv6; several, comma-separated; port 0 for any free one",
        shown="`:9988`",
    )
    config_file: values.OptionalPath = setting(
        None,
        "TLS and basic auth, in the format of Prometheus' web configuration file "
        "(see [web-configuration.md](web-configuration.md)), relative to the working directory; empty for "
        "none; `/-/healthy` and `/-/ready` stay open",
    )
    health_listen_address: values.OptionalListenAddresses = setting(
        None,
        "`host:port` of a plain port for `/-/healthy` and `/-/ready` only, for kubelets when the main port "
        "requires client certificates; empty for none",
    )
    external_url: values.ExternalUrl = setting(
        None, "http or https base URL of links to the exporter; empty for none"
    )

    @field_validator("health_listen_address")
    @classmethod
    def _check_health_address(
        cls, health: tuple[ListenAddress, ...] | None, info: ValidationInfo
    ) -> tuple[ListenAddress, ...] | None:
        web = info.data.get("listen_address", ())
        if any(address.port and address in web for address in health or ()):
            raise ValueError("already used by WEB__LISTEN_ADDRESS; use another port")
        return health


class ShardSettings(Section):
    """Which share of the targets this exporter probes."""

    count: values.ShardCount = setting(
        1, "number of exporters that share the targets, 1 to 100; each target is probed by one of them"
    )
    index: values.ShardIndex = setting(
        0, "which shard this is, from 0; also the name of a pod that ends in `-<n>`"
    )

    @field_validator("index")
    @classmethod
    def _check_index(cls, index: int, info: ValidationInfo) -> int:
        count = info.data.get("count")
        if count is not None and index >= count:
            raise ValueError(f"must be less than SHARD__COUNT, which is {count}; the first index is 0")
        return index


class LogSettings(Section):
    """The exporter's own log."""

    level: values.LogLevel = setting("info", "debug, info, warning or error")
    format: values.LogFormat = setting("logfmt", "logfmt or json")


class RawSource(PydanticBaseSettingsSource):
    """Passes raw settings to pydantic-settings."""

    def __init__(self, settings_cls: type[BaseSettings], raw: RawSettings) -> None:
        super().__init__(settings_cls)
        self._raw = raw

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002
        """Return one top-level setting."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return all settings."""
        return self._raw.nested()


class Settings(BaseSettings):
    """Everything that the operator may write. `Settings(raw=...)` validates raw settings."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False
    )

    targets: dict[values.TargetName, TargetSettings] = Field(
        default_factory=dict,
        max_length=MAX_TARGETS,
        validate_default=True,
        description='targets as one JSON object, `{"name": {"client_id": …}}`; single variables win',
    )
    defaults: TargetDefaults = Field(
        default_factory=TargetDefaults, description="a default for all targets, of any setting above"
    )
    config_file: values.OptionalPath = setting(
        None,
        "YAML file of all these settings in lower case, relative to the working directory; read again on "
        "reload; empty for none",
    )
    secrets_dir: values.OptionalPath = setting(
        None,
        "directory of a mounted Secret, one file per variable of this table, relative to the working "
        "directory; read again on reload; empty for none",
    )
    web: WebSettings = Field(default_factory=WebSettings)
    max_concurrent_probes: values.Slots | None = setting(
        None,
        "probes that may run at once; waiting for a slot is lag, never duration",
        shown="max(100, 1.5 × Σ timeout/interval)",  # noqa: RUF001  the sign is meant
    )
    shutdown_grace: values.ShutdownGrace = setting(
        15.0, "how long running probes may take to end at shutdown; 0 to 10m", shown="`15s`"
    )
    duration_buckets: values.Buckets = setting(
        (0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30),
        "upper bounds of the duration histogram, in seconds, comma-separated; one list for all targets",
        shown="`.05,.1,.2,.3,.5,.75,1,1.5,2,3,5,10,20,30`",
    )
    egress_check_url: values.EgressUrl = setting(
        None,
        "http or https URL that shows whether the exporter itself reaches the network; empty for none; "
        "its query is never printed",
    )
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
        """Take the raw settings instead of what pydantic-settings would read."""
        return (RawSource(settings_cls, cast("InitSettingsSource", init_settings).init_kwargs["raw"]),)

    @model_validator(mode="before")
    @classmethod
    def _merge_defaults(cls, data: dict[str, Any]) -> dict[str, Any]:
        """Merge DEFAULTS into each target."""
        targets, defaults = data.get(TARGETS), data.get(DEFAULTS)
        if not isinstance(targets, dict) or not isinstance(defaults, dict):
            return {**data, TARGETS: {} if targets is None else targets}
        merged = {name: _with_defaults({} if own is None else own, defaults) for name, own in targets.items()}
        return {**data, TARGETS: merged}

    @field_validator("targets")
    @classmethod
    def _check_targets(cls, targets: dict[str, TargetSettings]) -> dict[str, TargetSettings]:
        if not targets:
            raise PydanticKnownError("missing")
        if not any(target.enabled for target in targets.values()):
            raise ValueError("every target is disabled; set ENABLED of at least one to true")
        return targets

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Show no values: each may be a secret, or one in the wrong place."""
        yield from ()


def _with_defaults(own: object, defaults: Mapping[str, Any]) -> object:
    if not isinstance(own, dict):
        return own
    merged = {**defaults, **own}
    for names in _FROM_ONE_LEVEL:
        if not own.keys().isdisjoint(names):
            merged = {name: value for name, value in merged.items() if name in own or name not in names}
    default_labels, labels = defaults.get("labels"), own.get("labels") or {}
    if isinstance(default_labels, dict) and isinstance(labels, dict):
        merged["labels"] = default_labels | labels
    return merged
