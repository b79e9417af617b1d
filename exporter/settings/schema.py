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

import ssl
from dataclasses import dataclass, field
from pathlib import Path  # noqa: TC003  pydantic evaluates annotations
from typing import TYPE_CHECKING, Annotated, Any, cast

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo

from exporter.settings import address, egress, sharding, values
from exporter.settings.address import ListenAddress, Locator
from exporter.settings.written import Leaf
from exporter.target import IpFamily, Journey  # noqa: TC001  pydantic evaluates annotations

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic.fields import FieldInfo


@dataclass(frozen=True, slots=True)
class Name:
    """Marks the keys of a dict as names that the operator chooses.

    Args:
        check: raises `ValueError` for a wrong name.
        shown: how the reference writes it.
    """

    check: Callable[[str], None]
    shown: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What validation may look at beside the values.

    Args:
        working_directory: relative paths start here.
        examined: what was found out about files: nothing, or what is wrong.
    """

    working_directory: Path
    examined: dict[Path, str | None] = field(default_factory=dict)


def _read(parse: Callable[[object], object], *, strip: bool = True) -> PlainValidator:
    def validate(value: object) -> object:
        return parse(values.clean(value.value if isinstance(value, Leaf) else value, strip=strip))

    return PlainValidator(validate)


def _ca_file(value: Leaf, info: ValidationInfo[Surroundings]) -> Path:
    written = values.clean(value.value)
    if not isinstance(written, str) or not written:
        raise ValueError("is no path; write the path of a PEM file")
    path = info.context.working_directory / written
    examined = info.context.examined
    if path not in examined:
        examined[path] = _wrong_with_authorities(path)
    if wrong := examined[path]:
        raise ValueError(wrong)
    return path


def _wrong_with_authorities(path: Path) -> str | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        if path.exists() and not path.is_file():
            return "is no file; write the path of a PEM file"
        context.load_verify_locations(cafile=path)
    except ssl.SSLError:
        return "holds no certificates that can be read; write the path of a file with PEM certificates"
    except FileNotFoundError:
        return "names a file that does not exist; write a path that does, relative to the working directory"
    except OSError as error:
        return f"names a file that cannot be read ({error.strerror})"
    if not context.cert_store_stats()["x509"]:
        return "holds no certificate; write the path of a file with PEM certificates"
    return None


_NONE = "–"  # noqa: RUF001  a dash in a table's empty cell


def _row(default: str | None, meaning: str, *, shown: str = "", hidden: bool = False) -> Any:  # noqa: ANN401  as pydantic's Field
    """Describe one variable: its default as the operator would write it, and what it means.

    Args:
        default: None when there is none, or when it depends on other settings.
        meaning: one line of Markdown for the reference.
        shown: how the reference shows a default that depends on other settings.
        hidden: whether a right value may hold a secret, so that no repr has it.
    """
    return Field(
        # Typed as Any, because a default is written as the operator would, and only then read.
        default=cast("Any", default),
        validate_default=default is not None,
        description=meaning,
        repr=not hidden,
        json_schema_extra={"shown": shown or (_NONE if default is None else f"`{default}`")},
    )


def shown_default(info: FieldInfo) -> str:
    """Return a field's default as the reference shows it."""
    extra = info.json_schema_extra
    return str(extra["shown"]) if isinstance(extra, dict) else _NONE


REQUIRED = "required"

_EnvironmentId = Annotated[str | None, _read(values.environment_id)]
_OptionalText = Annotated[str | None, _read(values.optional_text)]
_Region = Annotated[Locator | None, _read(values.text(address.region))]
_AuthUrl = Annotated[Locator | None, _read(values.text(address.auth_url))]
_CustomDomain = Annotated[Locator | None, _read(values.text(address.custom_domain))]
_Boolean = Annotated[bool, _read(values.boolean)]
LabelName = Annotated[str, Name(values.label_name, "<KEY>")]
TargetName = Annotated[str, Name(values.target_name, "<NAME>")]


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class TargetFields(_Group):
    """What may be written about one target, or as a default of all."""

    source_environment_id: _EnvironmentId = _row(
        None, "UUID of the environment that signs users on (the identity provider)", shown=REQUIRED
    )
    destination_environment_id: _EnvironmentId = _row(
        None, "UUID of the environment that they are signed on for (the relying party)", shown=REQUIRED
    )
    client_id: Annotated[str | None, _read(values.client_id)] = _row(
        None, "client id of the source application", shown=REQUIRED
    )
    region: _Region = _row("NA", "where the source answers: NA, CA, EU, AU, SG or AP")
    auth_url: _AuthUrl = _row(
        None, "where the source answers, instead of a region: any http or https base URL"
    )
    custom_domain: _CustomDomain = _row(
        None, "where the source answers, instead of a region: its own domain, with a port if need be"
    )
    destination_region: _Region = _row(
        None,
        "where the destination answers, as for the source",
        shown="as the source, unless that is a custom domain",
    )
    destination_auth_url: _AuthUrl = _row(None, "likewise")
    destination_custom_domain: _CustomDomain = _row(None, "likewise")
    redirect_uri: Annotated[str | None, _read(values.text(address.absolute_uri), strip=False)] = _row(
        None,
        "where the source returns to, byte for byte",
        shown="`{destination auth}/{destination id}/rp/callback/openid_connect`, "
        "without the id on a custom domain",
    )
    scope: Annotated[str, _read(values.scope)] = _row("openid", "OAuth scopes, separated by spaces")
    prompt: _OptionalText = _row(None, "OIDC `prompt`; empty for none")
    acr_values: _OptionalText = _row(
        None, "OIDC `acr_values`, such as the name of a sign-on policy; empty for none"
    )
    login_hint: _OptionalText = _row(None, "OIDC `login_hint`; empty for none; never printed", hidden=True)
    max_age: Annotated[int | None, _read(values.max_age)] = _row(
        None, "OIDC `max_age`, whole seconds; empty for none"
    )
    pkce: _Boolean = _row("false", "whether each probe sends a fresh S256 challenge")
    expected_statuses: Annotated[tuple[str, ...], _read(values.expected_statuses)] = _row(
        "USERNAME_PASSWORD_REQUIRED",
        "flow statuses that are a success, comma-separated, at most 20; `DAVINCI` stands for the body of a "
        "DaVinci flow, which has no status",
    )
    latency_objective: Annotated[float, _read(values.positive)] = _row(
        "2s", "a slower success is good, but counted as slow"
    )
    labels: dict[LabelName, Annotated[str, _read(values.label_value)]] = Field(
        default_factory=dict,
        description="a label on `pingone_flow_target_info`, for routing (`owner` and `tier` reach alerts); "
        "at most 20; empty for none",
    )
    journey: Annotated[Journey, _read(values.journey)] = _row("authorize", "what a probe does: `authorize`")
    interval: Annotated[float, _read(values.interval)] = _row(
        "60s", "from one probe to the next; 100ms to 1d"
    )
    timeout: Annotated[float | None, _read(values.positive)] = _row(
        None, "bounds a whole probe; must be shorter than the interval", shown="min(`10s`, half the interval)"
    )
    ca_file: Annotated[Path | None, PlainValidator(_ca_file)] = _row(
        None,
        "PEM file of the authorities to trust, relative to the working directory",
        shown="the system's certificates",
    )
    ip_family: Annotated[IpFamily, _read(values.ip_family)] = _row(
        "any", "which addresses of a name are tried: `any`, `4` for IPv4 alone or `6` for IPv6 alone"
    )
    proxy_url: Annotated[str | None, _read(values.optional(egress.proxy_url))] = _row(
        None,
        "forward proxy, `http://[user:password@]host:port`, user and password percent-encoded and never "
        "printed; empty for none; no other variable sets one",
        hidden=True,
    )
    enabled: _Boolean = _row("true", "whether the target is probed")


class WebFields(_Group):
    """The exporter's own HTTP server."""

    listen_address: Annotated[tuple[ListenAddress, ...], _read(values.text(address.listen_addresses))] = _row(
        ":9988",
        "`host:port` to listen on, `[::1]:9988` for IPv6; several, comma-separated; port 0 for any free one",
    )
    external_url: Annotated[str | None, _read(values.optional(address.external_url))] = _row(
        None, "http or https base URL that links to the exporter start with; empty for none"
    )


class ShardFields(_Group):
    """Which share of the targets is this exporter's."""

    index: Annotated[int, _read(sharding.shard_index)] = _row(
        "0", "which shard this is, from 0; also the name of a pod that ends in `-<n>`"
    )
    count: Annotated[int, _read(sharding.shard_count)] = _row(
        "1", "among how many exporters the targets are shared, 1 to 100; each target is probed by one of them"
    )


class LogFields(_Group):
    """The exporter's own log."""

    level: Annotated[str, _read(values.choice("log level", "debug", "info", "warning", "error"))] = _row(
        "info", "debug, info, warning or error"
    )
    format: Annotated[str, _read(values.choice("log format", "logfmt", "json"))] = _row(
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
    web: WebFields = Field(default_factory=WebFields)
    max_concurrent_probes: Annotated[int | None, _read(values.concurrent_probes)] = _row(
        None,
        "probes that may be under way at once; waiting for a slot is lag, never duration",
        shown="max(100, 1.5 × Σ timeout/interval)",  # noqa: RUF001  the sign is meant
    )
    shutdown_grace: Annotated[float, _read(values.shutdown_grace)] = _row(
        "15s", "how long probes under way may take to end at shutdown; 0 to 10m"
    )
    duration_buckets: Annotated[tuple[float, ...], _read(values.duration_buckets)] = _row(
        ".05,.1,.2,.3,.5,.75,1,1.5,2,3,5,10,20,30",
        "upper bounds of the duration histogram, in seconds, comma-separated; one list for all targets",
    )
    egress_check_url: Annotated[str | None, _read(values.optional(egress.check_url))] = _row(
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
