"""What new settings mean to each room: prepared in a thread, then put in force on the loop.

Each part is called with settings and returns what puts them in force; see `exporter.reloading`.
"""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

from exporter.observing import LoopWatch, Metrics, set_log_level
from exporter.probing import EgressCheck, SSLContexts
from exporter.reloading import Apply, Part
from exporter.scheduling import Schedule
from exporter.serving import PortSecurity
from exporter.settings import Config, ConfigurationError, EgressConfig, InvalidSetting
from exporter.status import EgressStatus
from exporter.target import Journey, Target
from exporter.tls import TlsFileError, WebSecurity

_log = logging.getLogger(__name__)


class Forgetful(Protocol):
    """Remembers something of each target."""

    def forget(self, target: str, journey: Journey, /) -> None:
        """Forget one that is no longer probed."""


def parts(
    trust: CurrentSSLContexts,
    egress: CurrentEgress,
    *,
    metrics: Metrics,
    schedule: Schedule,
    security: PortSecurity,
    forgetful: Sequence[Forgetful],
    targets: Sequence[Target],
) -> tuple[Part, ...]:
    """Return what has to follow new settings, in this order: whoever is told of a target goes first."""
    return (
        trust.prepare,
        lambda settings: partial(metrics.reconfigure, settings.targets),
        lambda settings: partial(metrics.set_shard, settings.shard.index, settings.shard.count),
        lambda settings: partial(
            schedule.reconfigure, settings.targets, max_concurrent_probes=settings.max_concurrent_probes
        ),
        _forgetting(forgetful, targets),
        lambda settings: partial(set_log_level, settings.log.level),
        egress.prepare,
        securing(security.prepare),
    )


def securing(prepare: Callable[[WebSecurity | None], Apply]) -> Part:
    """Return what has to follow the web configuration file.

    Args:
        prepare: makes the door ready for what it says.
    """

    def prepared(settings: Config) -> Apply:
        try:
            return prepare(settings.web.security)
        except TlsFileError as error:
            # It was right when the settings were checked, a moment ago.
            message = f"the {error.part} that it asks for cannot be loaded any more; reload again"
            raise ConfigurationError(
                [InvalidSetting("FLOW_EXPORTER_WEB__CONFIG_FILE", message)], files=settings.files
            ) from None

    return prepared


class CurrentSSLContexts:
    """The TLS contexts in force.

    Args:
        targets: whose settings to begin with.
    """

    def __init__(self, targets: Sequence[Target]) -> None:
        self._trust = SSLContexts(targets)
        _warn_of_nobody_trusted(targets)

    def __call__(self, target: Target) -> ssl.SSLContext:
        """Return the context that `target` is probed with."""
        return self._trust(target)

    def prepare(self, settings: Config) -> Apply:
        """Build the contexts anew: a file may hold other authorities than before."""
        try:
            trust = self._trust.renewed(settings.targets)
        except OSError as error:
            # It was right when the settings were checked, a moment ago.
            message = (
                f"a file that they name cannot be loaded any more ({type(error).__name__}); reload again"
            )
            raise ConfigurationError(
                [InvalidSetting("FLOW_EXPORTER_TARGETS", message)], files=settings.files
            ) from None

        def apply() -> None:
            self._trust = trust

        _warn_of_nobody_trusted(settings.targets)
        return apply


def _warn_of_nobody_trusted(targets: Iterable[Target]) -> None:
    https = (target for target in targets if target.source_url.startswith("https:"))
    if any(target.ca_file is None for target in https) and SSLContexts.system_has_none():
        _log.warning("the system has no certificates of authorities: install ca-certificates or set CA_FILE")


class CurrentEgress:
    """The own-connectivity check in force, if there is one.

    Args:
        check: what to begin with.
        metrics: show what it finds.
        watch: knows when our own loop stood still.
        wall: seconds since the epoch.
    """

    INTERVAL = EgressCheck.INTERVAL

    def __init__(
        self,
        check: EgressConfig | None,
        metrics: Metrics,
        watch: LoopWatch,
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._wall = wall
        self._metrics = metrics
        self._watch = watch
        self._check = check
        self._canary = self._made(check)
        self.found: EgressStatus | None = None
        """What it says; None without one, and before the first."""

    async def __call__(self) -> None:
        """Check once."""
        canary = self._canary
        up = None if canary is None else await canary()
        if up is not None and canary is self._canary:  # else a reload ended it meanwhile
            self._metrics.egress(up)
            if self.found is None or self.found.up is not up:
                self.found = EgressStatus(up=up, since=self._wall())

    def prepare(self, settings: Config) -> Apply:
        """Make another check, unless it is the same."""
        check = settings.egress_check
        canary = self._canary if check == self._check else self._made(check)

        def apply() -> None:
            self._check, self._canary = check, canary
            if canary is None:
                self._metrics.egress(None)
                self.found = None

        return apply

    def _made(self, check: EgressConfig | None) -> EgressCheck | None:
        if check is None:
            return None
        return EgressCheck(
            check.url, proxy_url=check.proxy_url, family=check.ip_family, stalls=self._watch.stalls
        )


def _forgetting(forgetful: Sequence[Forgetful], targets: Iterable[Target]) -> Part:
    known = _keys(targets)

    def prepare(settings: Config) -> Callable[[], None]:
        kept = _keys(settings.targets)

        def apply() -> None:
            nonlocal known
            for target, journey in known - kept:
                for one in forgetful:
                    one.forget(target, journey)
            known = kept

        return apply

    return prepare


def _keys(targets: Iterable[Target]) -> set[tuple[str, Journey]]:
    return {(target.name, journey) for target in targets for journey in target.journeys}
