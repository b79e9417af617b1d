"""What the program uses: targets resolved, the other settings as their sections, all of it frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from exporter.destinations import Destination
from exporter.settings.schema import LogSettings, ShardSettings, WebSettings
from exporter.target import IpFamily, Target
from exporter.tls import WebSecurity


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressConfig:
    """The own-connectivity check; it leaves the way that DEFAULTS give.

    Args:
        url: its query may hold anything, so it is never printed.
        proxy_url: a forward proxy; may hold a password.
        ip_family: which addresses are tried.
    """

    url: str = field(repr=False)
    proxy_url: str | None = field(repr=False)
    ip_family: IpFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPageConfig(EgressConfig):
    """The vendor's status page, by the same way; `url` is that of its `summary.json`.

    Args:
        components: that are shown, by id or as `group / name`.
        interval: seconds between two requests.
        ca_file: authorities to trust instead of the system's.
    """

    components: tuple[str, ...]
    interval: float
    ca_file: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Everything that was configured; fields that are not described here are settings as they are written.

    Args:
        targets: the enabled ones that are this shard's, by name; only with several shards may there be none.
        elsewhere: enabled targets that the other shards probe, by name.
        disabled: the others, by name.
        security: what the web configuration file says; None when there is none.
        max_concurrent_probes: probes that may be under way at once.
        shutdown_grace: seconds that probes under way may take to end.
        duration_buckets: upper bounds in seconds, increasing, without +Inf.
        federation_duration_buckets: the same for the journey `federation`.
        egress_check: what shows that the exporter itself reaches the network; None for no such check.
        status_page: the vendor's status page; None for none.
        destinations: their identity providers become targets; by name.
        files: files and directories that all of this was read from, or would have been, were they there.
    """

    targets: tuple[Target, ...]
    elsewhere: tuple[Target, ...] = ()
    disabled: tuple[Target, ...] = ()
    web: WebSettings = field(default_factory=WebSettings)
    security: WebSecurity | None = None
    max_concurrent_probes: int
    shutdown_grace: float
    duration_buckets: tuple[float, ...]
    federation_duration_buckets: tuple[float, ...]
    egress_check: EgressConfig | None = None
    log: LogSettings = field(default_factory=LogSettings)
    shard: ShardSettings = field(default_factory=ShardSettings)
    status_page: StatusPageConfig | None = None
    destinations: tuple[Destination, ...] = ()
    files: tuple[Path, ...] = ()

    @property
    def enabled(self) -> tuple[Target, ...]:
        """The targets of all shards."""
        return (*self.targets, *self.elsewhere)

    @property
    def with_templates(self) -> tuple[Target, ...]:
        """The targets, and the templates of those that listings bring."""
        return (*self.targets, *(destination.template for destination in self.destinations))
