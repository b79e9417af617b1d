"""What is known of each target and of the exporter's own connectivity, for pages and API.

All times are seconds since the epoch.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TypeAlias

from exporter.destinations import ProviderState
from exporter.internal_errors import InternalErrors
from exporter.outcome import DiscoveryFacts, Outcome
from exporter.reasons import Fault, Reason
from exporter.target import Journey, JourneyTiming, Side, Target, side_of

MAX_BACKOFF_SECONDS = 300.0
"""A provider that asks for a pause of an hour would otherwise not be monitored for an hour."""

CONFIRMED_FAILURES = 3
"""Consecutive failures that raise an alert."""

RECENT_PROBES = 10
"""Probes that show whether a target is unstable."""

Point: TypeAlias = tuple[float | None, str]  # with a member of an enum, each would burden garbage collections
"""A probe in a sparkline: its duration in seconds, None if the exporter stalled meanwhile, and its fault."""


def count_results(points: Iterable[Point]) -> tuple[int, int]:
    """Return how many probes failed and succeeded; inconclusive ones are neither."""
    counts = Counter(fault for _, fault in points)
    conclusive = sum(number for fault, number in counts.items() if Fault(fault).is_conclusive)
    return conclusive - counts[Fault.NONE], counts[Fault.NONE]


Expiries: TypeAlias = tuple[tuple[str, float], ...]
"""Step -> when a certificate that it saw expires."""

_endpoints = attrgetter("auth_host", "destination_url", "issuer", "provider_id")


@dataclass(slots=True, kw_only=True)
class TargetStatus:
    """What is known of one target and journey.

    Metrics and history each keep one up to date, by the same rules; pages and API get copies. An inconclusive
    outcome (fault `quota`, `exporter` or `account`, or incomplete) neither belongs to a run nor ends one.
    """

    target: Target
    journey: Journey
    failing: bool | None = None  # None before the first conclusive outcome
    since: float | None = None  # end of the first probe of the current run of successes or failures
    # whether no run came before, so that it may have begun before the exporter did
    since_or_earlier: bool = False
    consecutive: int = 0  # conclusive probes in that run
    last: Outcome | None = None
    decisive: Outcome | None = None  # the last conclusive outcome, which explains `failing`
    leaf_expiries: Expiries = ()  # of the servers' certificates, as last seen on each side
    chain_expiries: Expiries = ()  # the same of the first certificate to expire in each chain
    discovery: DiscoveryFacts | None = None  # what the last good `discovery` found
    points: tuple[Point, ...] = ()  # the last 60 probes, oldest first
    next_run: float | None = None  # when the next probe is due; None if none is scheduled
    backoff_until: float | None = None  # end of the pause after a rate limit; None if not paused

    def observe(self, outcome: Outcome) -> None:
        """Take in a finished probe."""
        self.last = outcome
        self.discovery = outcome.discovery or self.discovery
        seen = [(record.step, record.tls) for record in outcome.steps if record.tls is not None]
        self.leaf_expiries = _replaced(self.leaf_expiries, [(step, tls.not_after) for step, tls in seen])
        self.chain_expiries = _replaced(
            self.chain_expiries, [(step, tls.chain_not_after) for step, tls in seen]
        )
        if not outcome.conclusive:
            return
        self.decisive, failing = outcome, not outcome.success
        if failing is not self.failing:
            self.since_or_earlier = self.failing is None
            self.failing, self.since, self.consecutive = failing, outcome.ended_at, 0
        self.consecutive += 1

    def adopt(self, target: Target) -> bool:
        """Continue with a reloaded target; if it moved, forget certificates and keys, and return True."""
        moved, self.target = _endpoints(self.target) != _endpoints(target), target
        if moved:
            self.leaf_expiries, self.chain_expiries, self.discovery = (), (), None
        return moved

    @property
    def timing(self) -> JourneyTiming:
        """When the journey runs and how long it may take."""
        return self.target.timing(self.journey)

    @property
    def host(self) -> str:
        """Where the source answers, or the destination if the settings do not name the source."""
        return self.target.auth_host or self.target.destination_auth_host

    @property
    def relevant_host(self) -> str:
        """Host of the side that answers the failing step; if the target is not failing, `host`."""
        answers = self.target.host_of(self.decisive.side) if self.failing and self.decisive else ""
        return answers or self.host

    @property
    def certificate_expiry(self) -> float | None:
        """When the first of the servers' certificates expires; None if none was seen."""
        return min((at for _, at in self.leaf_expiries), default=None)

    @property
    def chain_expiry(self) -> float | None:
        """The same of all certificates that they sent; None if unknown."""
        return min((at for _, at in self.chain_expiries), default=None)

    @property
    def recent_results(self) -> tuple[int, int]:
        """Failures and successes among the last ten probes."""
        return count_results(self.points[-RECENT_PROBES:])

    @property
    def unstable(self) -> bool:
        """Whether it alternates between success and failure, with too few failures in a row for an alert."""
        failures, successes = self.recent_results
        in_a_row = self.consecutive if self.failing else 0
        return failures > 1 and successes > 1 and in_a_row < CONFIRMED_FAILURES

    @property
    def slow(self) -> bool:
        """Whether the last probe succeeded, but took longer than the latency objective."""
        last = self.last
        if last is None or not last.success or last.stalled:
            return False
        return last.duration > self.timing.latency_objective


def _replaced(known: Expiries, found: Iterable[tuple[str, float | None]]) -> Expiries:
    """Return the expiries with those of the sides that were seen replaced; a reused connection counts once.

    A step that connects only now and then must not show a certificate that was renewed long ago.
    """
    seen: dict[tuple[Side, float], str] = {}
    for step, at in found:
        if at is not None:
            seen.setdefault((side_of(step), at), step)
    sides = {side for side, _ in seen}
    shown = {step: at for step, at in known if side_of(step) not in sides}
    for (_, at), step in seen.items():  # the redirects to a login page are several connections of one step
        shown[step] = min(at, shown.get(step, at))
    return tuple(shown.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetHistory:
    """The last outcomes of one target and journey, newest first; failed ones are kept longer."""

    status: TargetStatus
    recent: tuple[Outcome, ...]
    failures: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressStatus:
    """Whether the exporter's own last egress check got a response, and when that last changed."""

    up: bool
    since: float


UNKNOWN = "unknown"
"""On the vendor's status page: any value outside the known ones, and a component that it does not have."""

COMPONENT_STATUSES = (
    *("operational", "degraded_performance", "partial_outage", "major_outage", "under_maintenance"),
    UNKNOWN,
)
INCIDENT_IMPACTS = ("none", "minor", "major", "critical", "maintenance", UNKNOWN)
MAINTENANCE_STATES = ("scheduled", "in_progress", "verifying", UNKNOWN)


@dataclass(frozen=True, slots=True)
class StatusComponent:
    """A component of the vendor's status page; `since` is by the page, None if unknown."""

    name: str
    """As the settings name it."""
    status: str
    """One of `COMPONENT_STATUSES`."""
    since: float | None = None


@dataclass(frozen=True, slots=True)
class StatusIncident:
    """An open incident of the vendor's status page; `since` is by the page, None if unknown."""

    name: str
    """The page's own text: untrusted, at most 200 characters."""
    impact: str
    """One of `INCIDENT_IMPACTS`."""
    since: float | None = None


@dataclass(frozen=True, slots=True)
class StatusMaintenance:
    """A maintenance on the vendor's status page that is not over; `name` as above; `since` may be to come."""

    name: str
    state: str
    """One of `MAINTENANCE_STATES`."""
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusPageReport:
    """The vendor's status page, as last read. It annotates; it never changes a verdict."""

    page: str  # its host, with the port if it has one
    fetched_ok: bool  # whether the last fetch returned a summary
    # end of the last such fetch, seconds since the epoch; None before the first
    last_success: float | None = None
    updated: float | None = None  # when the page last changed, by the page
    # in the order of the settings; empty before the first success
    components: tuple[StatusComponent, ...] = ()
    incidents: tuple[StatusIncident, ...] = ()  # open ones, of all components
    maintenances: tuple[StatusMaintenance, ...] = ()  # scheduled and current ones, of all components
    # what the operator should correct: a component that is not there, a URL that is not a summary
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationStatus:
    """What is known of a destination and of the identity providers that it lists."""

    name: str  # in the settings
    auth_host: str  # where it answers
    counts: Mapping[ProviderState, int]  # identity providers in each state; empty before the first listing
    refresh_ok: bool | None = None  # whether the last listing succeeded; None before the first
    last_success: float | None = None  # when the last good listing was; None before that
    failure: str | None = None  # reason and exact cause of a last listing that failed; None if it did not
    missing: tuple[str, ...] = ()  # names of this shard's targets with a missing provider

    @property
    def never_listed(self) -> bool:
        """Whether it could not be listed since the start, so that its targets are unknown."""
        return self.refresh_ok is False and self.last_success is None


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFacts:
    """What other parts of the exporter know; called at each scrape and for each page."""

    errors: InternalErrors = field(default_factory=InternalErrors)  # counts and logs our own bugs
    # why sign-on of a target is suspended; None if it is not
    suspended: Callable[[Target], Reason | None] = lambda _: None
    # when a target is probed next by a journey; None if that is not scheduled
    next_run: Callable[[Target, Journey], float | None] = lambda *_: None
    # until when such probes are paused; None if they are not
    backoff_until: Callable[[Target, Journey], float | None] = lambda *_: None
    # the result of the egress check; None without one, and before the first
    egress: Callable[[], EgressStatus | None] = lambda: None
    # as last read; None without one, and before the first
    status_page: Callable[[], StatusPageReport | None] = lambda: None
    # those that list their identity providers, by name
    destinations: Callable[[], Sequence[DestinationStatus]] = tuple
    shard: Callable[[], tuple[int, int]] = lambda: (0, 1)  # this exporter's index, and the number of shards
