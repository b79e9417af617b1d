"""The listings of all destinations: their results, and the targets made from them."""

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from exporter.destinations import Destination, KnownProviders, Plan, after_listing, after_reload, plan
from exporter.outcome import Outcome
from exporter.probing import Listing
from exporter.settings import Config, shard_of
from exporter.status import DestinationStatus
from exporter.target import Target

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _DestinationState:
    """What is known of one destination."""

    destination: Destination
    known: KnownProviders = ()
    refresh_ok: bool | None = None
    last_success: float | None = None
    failure: str | None = None
    plan: Plan = field(default_factory=Plan)


class Listings:
    """Keeps the results of the listings. Observes outcomes, which show what can be checked of a target.

    Args:
        config: the configuration in force.
        clock: monotonic seconds: how long a provider is missing must not depend on the wall clock.
    """

    def __init__(self, config: Config, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._clock = clock
        self._listed = {each.name: _DestinationState(each) for each in config.destinations}
        self._link_only: set[str] = set()

    def current(self, destination: Destination) -> Destination | None:
        """Return a destination as it is configured now; None if its application is not listed any more."""
        now = self._listed.get(destination.name)
        return now.destination if now and now.destination.listing == destination.listing else None

    def is_unlisted(self, name: str) -> bool:
        """Return whether a destination of the configuration in force was never listed."""
        return name in self._listed and self._listed[name].last_success is None

    def record_listing(self, name: str, listing: Listing, now: float) -> None:
        """Record a listing, `now` by the wall clock; one that failed changes nothing of what is known."""
        listed, outcome = self._listed[name], listing.outcome
        failure = None if outcome.success else ": ".join(filter(None, (outcome.reason, outcome.detail)))
        if failure is not None and failure != listed.failure:
            extra = {"destination": name, "reason": outcome.reason.value, "detail": outcome.detail}
            _log.warning("listing of identity providers failed", extra=extra)
        elif failure is None and listed.failure is not None:
            _log.info("listing of identity providers recovered", extra={"destination": name})
        listed.refresh_ok, listed.failure = outcome.success, failure
        if outcome.success:
            taken = self._other_target_names(name)
            listed.known = after_listing(
                listed.destination, listed.known, listing.providers, now=self._clock(), taken=taken
            )
            listed.last_success = now
            self._plan(listed)
            self._drop_former_link_only()

    def reload(self, config: Config) -> None:
        """Apply new settings, and keep what is known of the destinations that still exist."""
        before, self._config = self._listed, config
        self._listed = {each.name: _DestinationState(each) for each in config.destinations}
        for name, listed in self._listed.items():
            old = before.get(name)
            if old is not None and old.destination.listing == listed.destination.listing:
                taken = self._other_target_names(name)
                known = after_reload(listed.destination, old.known, now=self._clock(), taken=taken)
                self._listed[name] = replace(old, destination=listed.destination, known=known)
                self._plan(self._listed[name])
        self._drop_former_link_only()

    def targets(self) -> tuple[Target, ...]:
        """Return this shard's targets: the configured ones, then the discovered ones."""
        discovered = (target for listed in self._listed.values() for target in listed.plan.targets)
        return (*self._config.targets, *discovered)

    def statuses(self) -> tuple[DestinationStatus, ...]:
        """Return what is known of each destination; before its first listing, no provider is counted.

        Only this shard's targets are known to be link-only, or not.
        """
        own = {target.name for target in self.targets()}
        return tuple(
            DestinationStatus(
                name=name,
                auth_host=listed.destination.template.destination_auth_host,
                counts={} if self.is_unlisted(name) else listed.plan.counts(self._link_only),
                refresh_ok=listed.refresh_ok,
                last_success=listed.last_success,
                failure=listed.failure,
                missing=tuple(name for name in listed.plan.missing if name in own),
            )
            for name, listed in self._listed.items()
        )

    def observe(self, outcome: Outcome, /) -> None:
        """Record whether a target's successful probes end with `initiate`, the link to its provider."""
        if outcome.success and outcome.step == "initiate":
            self._link_only.add(outcome.target)
        elif outcome.success:
            self._link_only.discard(outcome.target)

    def _plan(self, listed: _DestinationState) -> None:
        config, shard = self._config, self._config.shard
        listed.plan = plan(
            listed.destination,
            listed.known,
            explicit=config.enabled,
            disabled=config.disabled,
            is_own=lambda key: shard_of(key, shard.count) == shard.index,
        )

    def _drop_former_link_only(self) -> None:
        """Drop the names of targets that are gone, once each destination has its plan."""
        self._link_only &= {name for each in self._listed.values() for _, name, _ in each.plan.states}

    def _other_target_names(self, name: str) -> Collection[str]:
        """Return the names of all targets, except those of the named destination."""
        others = (listed for other, listed in self._listed.items() if other != name)
        return {
            *(target.name for target in (*self._config.enabled, *self._config.disabled)),
            *(provider.target for listed in others for provider in listed.known),
        }
