"""The schema of what the operator writes. One field here is one variable, with its default and its meaning.

    Schema
      ├─ targets      dict of name -> TargetFields
      │                                └─ labels   dict of name -> text
      ├─ defaults     TargetFields
      ├─ web, shard, log  groups
      └─ the rest     single variables

A default is written as the operator would write it, and is read by the same function. To add a variable,
add a field; reading, checking, suggestions and docs/settings.md follow from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from exporter.settings import address, egress, sharding, values
from exporter.settings.address import ListenAddress, Locator
from exporter.settings.field import REQUIRED, Name, authorities, optional_path, read, row, shown_default
from exporter.target import IpFamily, Journey

_EnvironmentId = Annotated[str | None, read(values.environment_id)]
_OptionalText = Annotated[str | None, read(values.optional_text)]
_Region = Annotated[Locator | None, read(values.text(address.region))]
_AuthUrl = Annotated[Locator | None, read(values.text(address.auth_url))]
_CustomDomain = Annotated[Locator | None, read(values.text(address.custom_domain))]
_Path = Annotated[Path | None, PlainValidator(optional_path)]
_Boolean = Annotated[bool, read(values.boolean)]
LabelName = Annotated[str, Name(values.label_name, "<KEY>")]
TargetName = Annotated[str, Name(values.target_name, "<NAME>")]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TargetFields(_Group):
    """What may be written about one target, or as a default of all."""

    source_environment_id: _EnvironmentId = row(
        None, "UUID of the environment that signs users on (the identity provider)", shown=REQUIRED
    )
    destination_environment_id: _EnvironmentId = row(
        None, "UUID of the environment that users are signed on for (the relying party)", shown=REQUIRED
    )
    client_id: Annotated[str | None, read(values.client_id)] = row(
        None, "client id of the source application", shown=REQUIRED
    )
    region: _Region = row("NA", "where the source answers: NA, CA, EU, AU, SG or AP")
    auth_url: _AuthUrl = row(
        None, "where the source answers, instead of a region: any http or https base URL"
    )
    custom_domain: _CustomDomain = row(
        None, "where the source answers, instead of a region: its own domain, with a port if need be"
    )
    destination_region: _Region = row(
        None,
        "where the destination answers, as for the source",
        shown="as the source, unless that is a custom domain",
    )
    destination_auth_url: _AuthUrl = row(None, "likewise")
    destination_custom_domain: _CustomDomain = row(None, "likewise")
    redirect_uri: Annotated[str | None, read(values.text(address.absolute_uri), strip=False)] = row(
        None,
        "where the source returns to, byte for byte",
        shown="`{destination auth}/{destination id}/rp/callback/openid_connect`, "
        "without the id on a custom domain",
    )
    scope: Annotated[str, read(values.scope)] = row("openid", "OAuth scopes, separated by spaces")
    prompt: _OptionalText = row(None, "OIDC `prompt`; empty for none")
    acr_values: _OptionalText = row(
        None, "OIDC `acr_values`, such as the name of a sign-on policy; empty for none"
    )
    login_hint: _OptionalText = row(None, "OIDC `login_hint`; empty for none; never printed", hidden=True)
    max_age: Annotated[int | None, read(values.max_age)] = row(
        None, "OIDC `max_age`, whole seconds; empty for none"
    )
    pkce: _Boolean = row("false", "whether each probe sends a fresh S256 challenge")
    expected_statuses: Annotated[tuple[str, ...], read(values.expected_statuses)] = row(
        "USERNAME_PASSWORD_REQUIRED",
        "flow statuses that are a success, comma-separated, at most 20; `DAVINCI` stands for the body of a "
        "DaVinci flow, which has no status",
    )
    latency_objective: Annotated[float, read(values.positive)] = row(
        "2s", "a slower success is good, but counted as slow"
    )
    labels: dict[LabelName, Annotated[str, read(values.label_value)]] = Field(
        default_factory=dict,
        description="a label on `pingone_flow_target_info`, for routing (`owner` and `tier` reach alerts); "
        "at most 20; empty for none",
    )
    journey: Annotated[Journey, read(values.journey)] = row("authorize", "what a probe does: `authorize`")
    interval: Annotated[float, read(values.interval)] = row("60s", "from one probe to the next; 100ms to 1d")
    timeout: Annotated[float | None, read(values.positive)] = row(
        None, "bounds a whole probe; must be shorter than the interval", shown="min(`10s`, half the interval)"
    )
    ca_file: Annotated[Path | None, PlainValidator(authorities)] = row(
        None,
        "PEM file of the authorities to trust, relative to the working directory",
        shown="the system's certificates",
    )
    client_certificate_file: _Path = row(
        None,
        "PEM file of the certificate that is shown to a provider that wants one, with those of its issuers "
        "behind it, relative to the working directory; empty for none",
        hidden=True,
    )
    client_key_file: _Path = row(
        None,
        "PEM file of its key, which must not be encrypted, on the same level",
        shown="`CLIENT_CERTIFICATE_FILE`",
        hidden=True,
    )
    ip_family: Annotated[IpFamily, read(values.ip_family)] = row(
        "any", "which addresses of a name are tried: `any`, `4` for IPv4 alone or `6` for IPv6 alone"
    )
    proxy_url: Annotated[str | None, read(values.optional(egress.proxy_url))] = row(
        None,
        "forward proxy, `http://[user:password@]host:port`, user and password percent-encoded and never "
        "printed; empty for none; no other variable sets one",
        hidden=True,
    )
    enabled: _Boolean = row("true", "whether the target is probed")


class WebFields(_Group):
    """The exporter's own HTTP server."""

    listen_address: Annotated[
        tuple[ListenAddress, ...], read(values.joined(values.text(address.listen_addresses)))
    ] = row(
        ":9988",
        "`host:port` to listen on, `[::1]:9988` for IPv6; several, comma-separated; port 0 for any free one",
    )
    config_file: _Path = row(
        None,
        "TLS and basic auth, in the format of Prometheus' web configuration file "
        "(see [web-configuration.md](web-configuration.md)), relative to the working directory; empty for "
        "none; `/-/healthy` and `/-/ready` stay open",
        hidden=True,
    )
    health_listen_address: Annotated[
        tuple[ListenAddress, ...] | None, read(values.joined(values.optional(address.listen_addresses)))
    ] = row(
        None,
        "`host:port` of a plain port for `/-/healthy` and `/-/ready` alone, for kubelets when the main port "
        "wants client certificates; empty for none",
    )
    external_url: Annotated[str | None, read(values.optional(address.external_url))] = row(
        None, "http or https base URL that links to the exporter start with; empty for none"
    )


class ShardFields(_Group):
    """Which share of the targets is this exporter's."""

    index: Annotated[int, read(sharding.shard_index)] = row(
        "0", "which shard this is, from 0; also the name of a pod that ends in `-<n>`"
    )
    count: Annotated[int, read(sharding.shard_count)] = row(
        "1", "among how many exporters the targets are shared, 1 to 100; each target is probed by one of them"
    )


class LogFields(_Group):
    """The exporter's own log."""

    level: Annotated[str, read(values.choice("log level", "debug", "info", "warning", "error"))] = row(
        "info", "debug, info, warning or error"
    )
    format: Annotated[str, read(values.choice("log format", "logfmt", "json"))] = row(
        "logfmt", "logfmt or json"
    )


class Schema(_Group):
    """Everything that the operator may write."""

    targets: dict[TargetName, TargetFields] = Field(
        default_factory=dict,
        description='targets as one JSON object, `{"name": {"client_id": …}}`; single variables win',
    )
    defaults: TargetFields = Field(
        default_factory=TargetFields, description="a default for all targets, of any field above"
    )
    config_file: _Path = row(
        None,
        "YAML file of all these settings in lower case, relative to the working directory; read anew on "
        "reload; empty for none",
        hidden=True,
    )
    secrets_dir: _Path = row(
        None,
        "directory of a mounted Secret, one file per variable of this table, relative to the working "
        "directory; read anew on reload; empty for none",
        hidden=True,
    )
    web: WebFields = Field(default_factory=WebFields)
    max_concurrent_probes: Annotated[int | None, read(values.concurrent_probes)] = row(
        None,
        "probes that may be under way at once; waiting for a slot is lag, never duration",
        shown="max(100, 1.5 × Σ timeout/interval)",  # noqa: RUF001  the sign is meant
    )
    shutdown_grace: Annotated[float, read(values.shutdown_grace)] = row(
        "15s", "how long probes under way may take to end at shutdown; 0 to 10m"
    )
    duration_buckets: Annotated[tuple[float, ...], read(values.joined(values.duration_buckets))] = row(
        ".05,.1,.2,.3,.5,.75,1,1.5,2,3,5,10,20,30",
        "upper bounds of the duration histogram, in seconds, comma-separated; one list for all targets",
    )
    egress_check_url: Annotated[str | None, read(values.optional(egress.check_url))] = row(
        None,
        "http or https URL that shows whether the exporter itself reaches the network; empty for none; "
        "its query is never printed",
        hidden=True,
    )
    shard: ShardFields = Field(default_factory=ShardFields)
    log: LogFields = Field(default_factory=LogFields)


def required() -> dict[str, str]:
    """Return what every target must have: names of fields and what they are."""
    return {
        name: str(info.description)
        for name, info in TargetFields.model_fields.items()
        if shown_default(info) == REQUIRED
    }
