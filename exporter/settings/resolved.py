"""What the program uses: settings without pydantic, resolved, complete and frozen."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exporter.settings.address import ListenAddress
    from exporter.target import Target


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
class Settings:
    """Everything that was configured.

    Args:
        targets: the enabled ones, by name; at least one.
        disabled: names of the others, by name.
        web: where to serve.
        max_concurrent_probes: probes that may be under way at once.
        shutdown_grace: seconds that probes under way may take to end.
        duration_buckets: upper bounds in seconds, increasing, without +Inf.
        egress_check_url: what shows that the exporter itself reaches the network; None for no such check; its
            query may hold anything, so it is never printed.
        log: what to log, and how.
    """

    targets: tuple[Target, ...]
    disabled: tuple[str, ...]
    web: Web
    max_concurrent_probes: int
    shutdown_grace: float
    duration_buckets: tuple[float, ...]
    egress_check_url: str | None = field(repr=False)
    log: Log
