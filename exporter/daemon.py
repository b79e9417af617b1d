"""The daemon: start, reload and stop, each in chronological order. Only this module imports all packages.

Config -> targets -> Schedule -> Prober -> Outcome -> Metrics, History, log -> web port
"""

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from functools import partial

from exporter import __version__
from exporter.config_files import ConfigFiles, ReloadResult, count_changes, needing_restart, removed_probes
from exporter.destinations import Destination
from exporter.internal_errors import Part
from exporter.listings import Listings
from exporter.observing import History, LogObserver, LoopWatch, Metrics, Yielder, log_to, set_log_level
from exporter.outcome import Observer
from exporter.probing import EgressCheck, Prober, SSLContexts, StatusPage, warm_up
from exporter.process import environment_warnings, freeze_gc, run_in_thread, stop_signals
from exporter.scheduling import FIRST_PROBE_SPACING, PeriodicJob, Schedule
from exporter.serving import PortSecurity, StatusSource, bind, create_app, serve
from exporter.settings import Config, ConfigurationError, InvalidSetting, ListenAddress
from exporter.single_flight import SingleFlight
from exporter.target import Journey, Target

FILE_WATCH_INTERVAL = 5.0
"""How often the files of the configuration, certificates included, are checked for changes."""

MAX_REPORTED_ERRORS = 100
"""A reload reports no more errors than this: a file meant for another program may have thousands."""

REPEAT_SECONDS = 10.0  # the same errors are not logged again sooner

CHANGE_ON_DISK = "change on disk"

MAX_LISTING_RETRY_SECONDS = 60.0  # a destination that was never listed is listed again sooner
COOLDOWN_SECONDS = 0.5
"""A reload waits this long after the last one: reading the configuration takes CPU from running probes, and
clients of the port may request many reloads in a row."""

_log = logging.getLogger(__name__)


def run(config: Config, load: Callable[[], Config] | None = None) -> None:
    """Run a `Daemon` until SIGTERM or SIGINT; a second signal ends the process at once, with status 1.

    Raises:
        ListenError: an address cannot be listened on.
    """
    sockets = bind(config.web.listen_address)
    health_addresses = config.web.health_listen_address or ()
    health_sockets = bind(health_addresses, setting="FLOW_EXPORTER_WEB__HEALTH_LISTEN_ADDRESS")

    async def run_until_signal() -> None:
        async with stop_signals() as stopping:
            on_signal = asyncio.get_running_loop().add_signal_handler
            # The configuration was just read.
            on_signal(signal.SIGHUP, _log.warning, "SIGHUP ignored: still starting")
            daemon = Daemon(config, load=load)
            async with daemon.running(sockets, health_sockets):
                on_signal(signal.SIGHUP, daemon.reload_soon, "SIGHUP")
                await stopping.wait()
        _log.info("stopped")

    with log_to(sys.stderr, level=config.log.level, style=config.log.format):
        asyncio.run(run_until_signal())


class Daemon:
    """Probes the configured targets, and serves what is observed. Create it in the running event loop.

    Args:
        config: the configuration to start with.
        load: reads the configuration again, or raises ConfigurationError; None for `config` each time.
        observers: receive each outcome, too.
    """

    def __init__(
        self, config: Config, *, load: Callable[[], Config] | None = None, observers: Sequence[Observer] = ()
    ) -> None:
        self.config = config
        """The configuration in force."""
        self._started_with = config
        self._files = ConfigFiles(config, load or (lambda: config))

        self._listings = Listings(config)
        self._targets = config.targets
        """What is probed: the configured targets, and those of the listings."""
        self._targets_lock = asyncio.Lock()
        self._source = self._status_source()
        self._errors = self._source.errors
        self._metrics = Metrics(
            config.targets,
            buckets=config.duration_buckets,
            federation_buckets=config.federation_duration_buckets,
            live=self._source,
        )
        self._history, self._outcome_log = History(config.targets, self._source), LogObserver()
        self._loop_watch = LoopWatch(asyncio.get_running_loop().time, self._on_loop_lag, self._errors)

        self._ssl_contexts = SSLContexts(config.targets_and_templates)
        self._prober = Prober(
            lambda target: self._ssl_contexts(target),  # noqa: PLW0108  a reload replaces the contexts
            stalls=self._loop_watch.stalls,
            stats=self._metrics.transport,
            errors=self._errors,
        )
        self._renew_checks(config, None)
        self._schedule = Schedule(
            config.targets,
            self._prober,
            observers=(self._metrics, self._history, self._outcome_log, self._listings, *observers),
            listener=self._metrics,
            max_concurrent_probes=config.max_concurrent_probes,
            jobs=self._jobs(config),
            errors=self._errors,
        )
        self._security = PortSecurity(config.security)

        self._single_reload = SingleFlight(self._reload_once)
        self._cooldown_until = 0.0
        self._logged_errors: Sequence[InvalidSetting] = ()
        self._logged_errors_at = 0.0
        self._stopping = False

    @asynccontextmanager
    async def running(
        self, sockets: Sequence[socket.socket], health_sockets: Sequence[socket.socket] = ()
    ) -> AsyncIterator[None]:
        """Start everything, and stop it when the block ends.

        During the shutdown grace, the web port still serves metrics, but reports that it is not ready. The
        sockets of the web port and of the health port, which has no TLS, are closed at the end.
        """
        await warm_up(self._prober)
        freeze_gc()
        errors = self._errors
        app = create_app(
            metrics=self._metrics.render,
            healthy=lambda: self._schedule.healthy,
            ready=lambda: self._schedule.ready,
            statuses=self._source,
            reload=lambda: self.reload("POST /-/reload"),
            security=self._security,
        )
        async with serve(app, sockets, security=self._security, health_sockets=health_sockets, errors=errors):
            loop_watch = asyncio.create_task(self._loop_watch.run())
            self._schedule.start()
            _log_start(self.config, sockets, health_sockets)
            try:
                yield
            finally:
                self._stopping = True
                await self._single_reload.cancel()
                async with self._targets_lock:
                    pass  # the schedule must not change while it stops
                await self._schedule.stop(self.config.shutdown_grace)
                loop_watch.cancel()

    async def reload(self, trigger: str) -> ReloadResult:
        """Read the configuration again and put it in force, or keep the running one as a whole."""
        if self._stopping:
            return ReloadResult(good=False, text="stopping: the configuration is not reloaded any more")
        return await self._single_reload(trigger)

    def reload_soon(self, trigger: str) -> None:
        """Start a reload without waiting for its end."""
        if not self._stopping:
            self._single_reload.start(trigger)

    async def _reload_once(self, trigger: str) -> ReloadResult:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(max(0.0, self._cooldown_until - loop.time()))
        try:
            with self._errors.catching(Part.RELOAD, "reload failed", trigger=trigger):
                try:
                    config, ssl_contexts = await run_in_thread(self._prepare)
                except ConfigurationError as error:
                    return self._report_errors(error.errors, trigger)
                before = self._targets
                await self._apply(config, ssl_contexts)
                self._security.apply(config.security)
                self.config = config
                if trigger != CHANGE_ON_DISK:
                    self._prober.guard.reload_requested()
                return self._report_success(trigger, before)
            self._metrics.config_loaded(good=False)
            return ReloadResult(good=False, text="reload failed: a bug in the exporter; see its log")
        finally:
            self._cooldown_until = loop.time() + COOLDOWN_SECONDS

    def _prepare(self) -> tuple[Config, SSLContexts]:
        """Do everything that can fail, in a thread: read the configuration, and load the files of targets.

        Raises:
            ConfigurationError: nothing has changed.
        """
        config = self._files.read()
        try:
            return config, self._ssl_contexts.renewed(config.targets_and_templates)
        except OSError as error:  # the files were checked when the settings were read, a moment ago
            message = f"cannot load a TLS file of a target any more ({type(error).__name__}); reload again"
            raise ConfigurationError([InvalidSetting("FLOW_EXPORTER_TARGETS", message)]) from None

    async def _apply(self, config: Config, ssl_contexts: SSLContexts) -> None:
        """Put a configuration in force, except the security of the port; `self.config` is still the old one.

        Order matters: TLS contexts, metrics and history of new targets exist before the schedule starts their
        probes.
        """
        self._ssl_contexts = ssl_contexts
        async with self._targets_lock:
            self._listings.reload(config)
            await self._apply_targets(config)
        set_log_level(config.log.level)
        self._renew_checks(config, self.config)
        self._schedule.replace_jobs(self._jobs(config))

    def _renew_checks(self, config: Config, before: Config | None) -> None:
        """Replace the egress check and the reader of the status page where their settings have changed."""
        url, page, route = config.egress_check_url, config.status_page, config.route
        if before is None or (url, route) != (before.egress_check_url, before.route):
            check = None if url is None else EgressCheck(url, route, stalls=self._loop_watch.stalls)
            self._egress_check = check
        # Shard 0 alone reads the page.
        of_page = page, route, config.shard.index
        if before is None or of_page != (before.status_page, before.route, before.shard.index):
            self._status_page = None
            if page.url is not None and config.shard.index == 0:
                self._status_page = StatusPage(page.url, page.components, route)
        elif self._status_page is not None:
            self._status_page.read_authorities_again()

    async def _apply_targets(self, config: Config) -> None:
        """Probe the targets of a configuration and of the listings from now on."""
        before, targets = self._targets, self._listings.targets()
        await self._metrics.reconfigure(targets)
        self._history.reconfigure(targets)
        await self._schedule.reconfigure(targets, max_concurrent_probes=config.max_concurrent_probes)
        self._targets = targets
        for name, journey in removed_probes(before, targets):
            self._outcome_log.forget(name, journey)
            self._prober.forget(name, journey)

    async def _list_until_known(self, listed: Destination) -> None:
        """List a destination, and retry until a first listing has succeeded: until then it has no targets."""
        await self._list_providers(listed)
        while (now := self._listings.current(listed)) and self._listings.is_unlisted(now.name):
            await asyncio.sleep(min(now.refresh_interval, MAX_LISTING_RETRY_SECONDS))
            await self._list_providers(listed)

    async def _list_providers(self, listed: Destination) -> None:
        """List the identity providers of a destination, and probe those that there are."""
        destination, name = self._listings.current(listed), listed.name
        if destination is None or self._schedule.backoff_until(destination.template, Journey.FEDERATION):
            return  # while its environment limits the rate, what is known stays
        listing = await self._prober.list_providers(destination)
        self._schedule.back_off(destination.template, Journey.FEDERATION, listing.outcome)
        async with self._targets_lock:
            if self._stopping or self._listings.current(listed) is None:
                return
            self._listings.record_listing(name, listing, time.time())
            targets = self._listings.targets()
            if targets != self._targets:
                changes = count_changes(self._targets, targets)
                await self._apply_targets(self.config)
                _log.info("targets of a destination changed", extra={"destination": name, **changes})

    def _jobs(self, config: Config) -> list[PeriodicJob]:
        """Return the periodic jobs other than probes."""
        every = FILE_WATCH_INTERVAL
        jobs = [PeriodicJob("file watch", every, self._watch_files, first_after=every)]
        if (check := self._egress_check) is not None:
            # Another check, application or page gets another name, so that its job runs at once.
            jobs.append(PeriodicJob(f"egress check {id(check):x}", check.INTERVAL, check))
        for number, each in enumerate(config.destinations):
            name = f"listing of {each.name}, {hash(each.listing):x}"
            list_again = partial(self._list_until_known, each)
            first_after = number * FIRST_PROBE_SPACING
            jobs.append(PeriodicJob(name, each.refresh_interval, list_again, first_after=first_after))
        if (reader := self._status_page) is not None:
            every = config.status_page.interval
            jobs.append(PeriodicJob(f"status page {id(reader):x}", every, reader.refresh))
        return jobs

    def _report_success(self, trigger: str, before: Iterable[Target]) -> ReloadResult:
        """Log a reload that has succeeded, and return its result."""
        self._metrics.config_loaded(good=True)
        changes = count_changes(before, self._targets)
        _log.info("reloaded", extra={"trigger": trigger, **changes})
        _log_warnings(self.config)
        lines = [f"reloaded: {', '.join(f'{count} {what}' for what, count in changes.items())}"]
        for variable in needing_restart(self._started_with, self.config):
            _log.warning("change takes effect after a restart", extra={"variable": variable})
            lines.append(f"{variable}: the change takes effect after a restart")
        return ReloadResult(good=True, text="\n".join(lines))

    def _report_errors(self, errors: Sequence[InvalidSetting], trigger: str) -> ReloadResult:
        """Log the errors of a configuration, and return them as the result."""
        self._metrics.config_loaded(good=False)
        message = "reload failed, keeping the running configuration"
        _log.error(message, extra={"trigger": trigger, "errors": len(errors)})
        shown, hidden = errors[:MAX_REPORTED_ERRORS], len(errors[MAX_REPORTED_ERRORS:])
        now = asyncio.get_running_loop().time()
        if shown != self._logged_errors or now - self._logged_errors_at >= REPEAT_SECONDS:
            self._logged_errors, self._logged_errors_at = shown, now
            for error in shown:
                facts = {"location": error.location, "error": error.message}
                _log.error("invalid configuration", extra=facts)
        lines = [f"{message}:", *map(str, shown)]
        if hidden:
            lines.append(f"and {hidden} more")
        return ReloadResult(good=False, text="\n".join(lines))

    async def _watch_files(self) -> None:
        if await self._files.changed():
            await self.reload(CHANGE_ON_DISK)

    def _on_loop_lag(self, seconds: float) -> None:
        """Record how late the event loop ran, and reduce concurrent probes while it is overloaded."""
        self._metrics.loop_lag(seconds)
        self._schedule.adapt(seconds)

    def _status_source(self) -> StatusSource:
        """Return what metrics, pages and API read of the other parts, which may be made later."""
        return StatusSource(
            statuses=lambda: self._history.statuses(),  # noqa: PLW0108  made later, as all that follow
            history=lambda name: self._history.histories(name),  # noqa: PLW0108
            now=time.time,
            start_work=lambda: Yielder().yield_if_due,
            external_url=lambda: self.config.web.external_url,
            suspended=lambda target: self._prober.guard.suspended(target),  # noqa: PLW0108
            next_run=lambda *probe: self._schedule.next_run(*probe),  # noqa: PLW0108
            backoff_until=lambda *probe: self._schedule.backoff_until(*probe),  # noqa: PLW0108
            egress=lambda: self._egress_check.status if self._egress_check else None,
            status_page=lambda: self._status_page.report if self._status_page else None,
            destinations=self._listings.statuses,
            shard=lambda: (self.config.shard.index, self.config.shard.count),
            links=lambda: {
                "Grafana": self.config.web.grafana_url,
                "Prometheus": self.config.web.prometheus_url,
            },
        )


def _log_start(
    config: Config, sockets: Iterable[socket.socket], health_sockets: Iterable[socket.socket]
) -> None:
    for message, bound in (("listening", sockets), ("listening for health checks", health_sockets)):
        for sock in bound:
            address = ListenAddress(*sock.getsockname()[:2])
            _log.info(message, extra={"address": str(address)})
    destinations = {"destinations": len(config.destinations)} if config.destinations else {}
    _log.info("started", extra={"version": __version__, "targets": len(config.targets), **destinations})
    _log_warnings(config)
    shard = config.shard
    if not config.targets and shard.count > 1:
        extra = {"shard": shard.index, "shards": shard.count, "elsewhere": len(config.on_other_shards)}
        _log.info("this shard has no targets", extra=extra)


def _log_warnings(config: Config) -> None:
    for warning in environment_warnings(config.targets_and_templates, config.max_concurrent_probes):
        _log.warning(warning)
