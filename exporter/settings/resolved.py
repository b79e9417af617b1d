"""What the program uses: settings without pydantic, resolved, complete and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.settings.address import ListenAddress
    from exporter.target import IpFamily, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """The exporter's own HTTP server.

    Args:
        listen_addresses: at least one.
    """

    listen_addresses: tuple[ListenAddress, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The exporter's own log.

    Args:
        level: `debug`, `info`, `warning` or `error`.
        format: `logfmt` or `json`.
    """

    level: str
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressCheck:
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
class Settings:
    """Everything that was configured.

    Args:
        targets: the enabled ones, by name; at least one.
        disabled: names of the others, by name.
        web: where to serve.
        max_concurrent_probes: probes that may be under way at once.
        shutdown_grace: seconds that probes under way may take to end.
        duration_buckets: upper bounds in seconds, increasing, without +Inf.
        egress_check: what shows that the exporter itself reaches the network; None for no such check.
        log: what to log, and how.
    """

    targets: tuple[Target, ...]
    disabled: tuple[str, ...]
    web: Web
    max_concurrent_probes: int
    shutdown_grace: float
    duration_buckets: tuple[float, ...]
    egress_check: EgressCheck | None
    log: Log
