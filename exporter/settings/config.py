"""What the program uses: settings without pydantic, resolved, complete and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from exporter.destinations import Destination
from exporter.settings.addresses import ListenAddress
from exporter.target import IpFamily, Target
from exporter.tls import WebSecurity


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    """The exporter's own HTTP server.

    Args:
        listen_addresses: at least one.
        config_file: TLS and basic auth, in Prometheus' own format; None for neither.
        security: what that file says; None when there is none.
        health_listen_addresses: where health endpoints alone are served in the clear; may be empty.
        external_url: base of links to the exporter, without a trailing slash; None if not set.
        grafana_url: link to a target's dashboard, with `{target}` for its name; None if not set.
        prometheus_url: the same to Prometheus.
    """

    listen_addresses: tuple[ListenAddress, ...]
    config_file: Path | None = None
    security: WebSecurity | None = None
    health_listen_addresses: tuple[ListenAddress, ...] = ()
    external_url: str | None = None
    grafana_url: str | None = None
    prometheus_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardConfig:
    """Which share of the targets is this exporter's.

    Args:
        index: which shard this is, `0 <= index < count`.
        count: among how many exporters the targets are shared.
        elsewhere: enabled targets that the other shards probe, by name.
    """

    index: int = 0
    count: int = 1
    elsewhere: tuple[Target, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogConfig:
    """The exporter's own log.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        format: `logfmt` or `json`.
    """

    level: str
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressConfig:
    """The own-connectivity check, by the way out that the defaults give.

    Args:
        url: its query may hold anything, so it is never printed.
        proxy_url: a forward proxy; may hold a password.
        ip_family: which addresses are tried.
    """

    url: str = field(repr=False)
    proxy_url: str | None = field(repr=False)
    ip_family: IpFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that was configured.

    Args:
        targets: the enabled ones that are this shard's, by name; only with several shards may there be none.
        disabled: names of the others, by name.
        web: where to serve.
        max_concurrent_probes: probes that may be under way at once.
        shutdown_grace: seconds that probes under way may take to end.
        duration_buckets: upper bounds in seconds, increasing, without +Inf.
        federation_duration_buckets: the same for the journey `federation`.
        egress_check: what shows that the exporter itself reaches the network; None for no such check.
        log: what to log, and how.
        shard: which share of the targets this is.
        destinations: their identity providers become targets; by name.
        files: files and directories that all of this was read from, or would have been, were they there.
    """

    targets: tuple[Target, ...]
    disabled: tuple[str, ...]
    web: WebConfig
    max_concurrent_probes: int
    shutdown_grace: float
    duration_buckets: tuple[float, ...]
    federation_duration_buckets: tuple[float, ...]
    egress_check: EgressConfig | None
    log: LogConfig
    shard: ShardConfig = ShardConfig()
    destinations: tuple[Destination, ...] = ()
    files: tuple[Path, ...] = ()
