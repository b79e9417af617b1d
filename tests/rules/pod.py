"""An exporter as Prometheus sees it: the real metrics, fed with scripted probes.

weather (what probes find, from which minute on) -> outcomes -> Metrics -> page -> samples per scrape
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from typing import Any

from observing.discovery import DISCOVERY_CHECKS

from exporter.internal_errors import Part
from exporter.observing import Metrics
from exporter.outcome import (
    CHECKS,
    DiscoveryFacts,
    Outcome,
    Phase,
    SkipCause,
    StepRecord,
    TlsFacts,
)
from exporter.reasons import FAULTS, Fault, Reason
from exporter.status import DestinationStatus, EgressStatus, LiveFacts, StatusPageReport
from exporter.target import Journey, JourneyTiming, Target

MINUTE = 60.0
DAY = 86_400.0
JOB = "pingone-flow-exporter"
SOURCE = "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"
_SOURCE = "source_authorize"  # the first step that the source answers
_BUCKETS = (0.5, 1.0, 2.0, 5.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """What a probe finds.

    Args:
        reason: why it ends; its first fault is taken unless `fault` says otherwise.
        fault: the side at fault.
        phase: where it ends.
        duration: seconds.
        stalled: whether the exporter stood still.
        incomplete: whether lock-out protection withheld the password.
        failed_checks: contract checks that a flow fails.
        skew: the provider's clock minus ours, in seconds.
        certificate_days: until the certificate expires, counted from the story's begin; None without TLS.
        chain_days: the same of the first certificate of the chain; None if the chain is unknown.
        keys_days: the same of the last certificate of the signing keys; None if they have none.
        skipped: the probe is not done at all, for this cause.
        lag: seconds that it begins late.
        silent: nothing happens at all, nor is it counted: the schedule is dead.
        step: of a federation that fails.
        suspends: sign-on is suspended from now on.
        bug: the part of the exporter that fails meanwhile.
    """

    reason: Reason = Reason.OK
    fault: Fault | None = None
    phase: Phase = Phase.TRANSFER
    duration: float = 0.3
    stalled: bool = False
    incomplete: bool = False
    failed_checks: tuple[str, ...] = ()
    skew: float = 0.2
    certificate_days: float | None = 60.0
    chain_days: float | None = None
    keys_days: float | None = None
    skipped: SkipCause | None = None
    lag: float = 0.001
    silent: bool = False
    step: str = "callback"
    suspends: bool = False
    bug: Part | None = None


FAIR = Sky()
TIMEOUT = Sky(reason=Reason.TIMEOUT, fault=Fault.PROVIDER, phase=Phase.PROCESSING, duration=10.0)
CUT_OFF = Sky(reason=Reason.CONNECT, phase=Phase.CONNECT, duration=10.0)
DELETED = Sky(reason=Reason.OAUTH_ERROR)
LIMITED = Sky(reason=Reason.RATE_LIMITED)
OUR_BUG = Sky(reason=Reason.INTERNAL)
INCOMPLETE = Sky(incomplete=True)
SLOW = Sky(duration=3.0)
DEAD = Sky(silent=True)

Weather = dict[float, Sky]
"""From which minute of the story on what is found, in order; before the first it is fair."""


def now_and_then(sky: Sky, *minutes: float) -> Weather:
    """Weather in which the probe of each of these minutes finds `sky`, and those between them none of it."""
    return {moment: found for minute in minutes for moment, found in ((minute, sky), (minute + 1, FAIR))}


@dataclass(kw_only=True)
class Watched:
    """A target in a story.

    Args:
        name: the target's.
        weather: what its probes find; a mapping from minute to sky.
        host: the auth host; the settings do not name it if `discovered`.
        discovered: whether the exporter learns the host from its probes.
        labels: the operator's own.
        interval: seconds.
        timeout: seconds.
        phase: seconds into the interval at which it is probed.
        past: probes before the story: minutes (negative) and what they found.
        journey: what is probed; two entries with one name are one target with two journeys.
        destination: the destination's auth host.
        destination_environment: id of the destination.
        settings: further fields of the target.
    """

    name: str
    weather: Weather = field(default_factory=dict)
    host: str = "auth.pingone.eu"
    discovered: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    interval: float = MINUTE
    timeout: float = 10.0
    phase: float = 5.0
    past: Weather = field(default_factory=dict)
    journey: Journey = Journey.AUTHORIZE
    destination: str = ""
    destination_environment: str = SOURCE
    settings: Mapping[str, Any] = field(default_factory=dict)

    def target(self, journeys: tuple[Journey, ...]) -> Target:
        """Return it as the exporter knows it."""
        timing = JourneyTiming(interval=self.interval, timeout=self.timeout, latency_objective=10.0)
        return Target(
            name=self.name,
            source_environment_id=SOURCE,
            destination_environment_id=self.destination_environment,
            client_id=SOURCE,
            source_url=None if self.discovered else f"https://{self.host}/{SOURCE}",
            redirect_uri=f"https://{self.host}/{SOURCE}/rp/callback/openid_connect",
            labels=tuple(self.labels.items()),
            authorize=replace(timing, latency_objective=2.0),
            federation=timing,
            discovery=timing,
            journeys=journeys,
            destination_url=self.destination and f"https://{self.destination}",
            **self.settings,
        )

    def sky(self, seconds: float) -> Sky:
        """What a probe finds that begins then."""
        current = FAIR
        for minute, sky in self.weather.items():
            if seconds >= minute * MINUTE:
                current = sky
        return current


@dataclass(kw_only=True)
class Pod:
    """One process of the exporter, scraped as one instance.

    Args:
        watched: its targets.
        instance: the scrape's label.
        since: minute of its start; its first probes are then due at once.
        until: minute of its end, if it ends within the story.
        missed: minutes of scrapes that get no response.
        listed: whether Prometheus still looks for it when it has ended (`up` is then 0), and before it began.
        egress: from which minute on the own-connectivity check finds what; empty without such a check.
        pages: from which minute on the vendor's status page is known how; empty without one.
        reloads: at which minute a reload succeeds or fails.
        shard: which share of the targets it has, from 0, and of how many.
        destinations: from which minute on what is known of the destinations.
        dropped: families that relabeling drops.
        labels: further labels of the scrape.
    """

    watched: Sequence[Watched]
    instance: str = "10.0.0.1:9988"
    since: float = 0.0
    until: float = float("inf")
    missed: tuple[float, ...] = ()
    listed: bool = False
    egress: Mapping[float, bool] = field(default_factory=dict)
    pages: Mapping[float, StatusPageReport] = field(default_factory=dict)
    reloads: Mapping[float, bool] = field(default_factory=dict)
    shard: tuple[int, int] = (0, 1)
    destinations: Mapping[float, DestinationStatus] = field(default_factory=dict)
    dropped: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    def scrapes(self, *, until: float, every: float, families: frozenset[str]) -> Samples:
        """Live through the story, being scraped.

        Args:
            until: the story's end, in minutes.
            every: seconds between two scrapes.
            families: names of series that are kept.

        Returns:
            Per series, as it is written, one value per scrape; None where it was not there.
        """
        return asyncio.run(_Life(self, families - set(self.dropped)).lived(until * MINUTE, every))


Samples = dict[str, list[float | None]]


class _Life:
    def __init__(self, pod: Pod, families: frozenset[str]) -> None:
        self._pod = pod
        self._families = families
        self._now = 0.0
        self._suspended: set[str] = set()
        journeys: dict[str, list[Journey]] = {}
        for watched in pod.watched:
            journeys.setdefault(watched.name, []).append(watched.journey)
        targets: dict[str, Target] = {}
        for watched in pod.watched:
            target = watched.target(tuple(journeys[watched.name]))
            if (first := targets.get(watched.name)) is not None:
                target = replace(target, authorize=first.authorize)
            targets[watched.name] = target
        self._metrics = Metrics(
            list(targets.values()),
            buckets=_BUCKETS,
            live=LiveFacts(
                suspended=lambda target: Reason.ACCOUNT_LOCKED if target.name in self._suspended else None,
                destinations=self._destinations,
                backoff_until=self._backoff_until,
                egress=lambda: self._egress,
                status_page=lambda: self._page,
                shard=lambda: pod.shard,
            ),
            wall=lambda: self._now,
            clock=lambda: self._now,
        )
        self._egress: EgressStatus | None = None
        self._page: StatusPageReport | None = None
        self._held: dict[str, float] = {}
        self._due = {(watched.name, watched.journey): self._first(watched) for watched in pod.watched}
        self._checks = sorted(pod.egress.items())
        self._reloads = sorted(pod.reloads.items())
        self._pages = sorted(pod.pages.items(), key=itemgetter(0))
        for watched in pod.watched:
            for minute, sky in watched.past.items():
                self._metrics.observe(_outcome(watched, sky, minute * MINUTE))

    def _destinations(self) -> list[DestinationStatus]:
        begun = [known for minute, known in self._pod.destinations.items() if minute * MINUTE <= self._now]
        return begun[-1:]

    def _first(self, watched: Watched) -> float:
        # the first process of a story has been probing for long: it keeps the target's phase from the begin
        return watched.phase if self._pod.since == 0 else self._pod.since * MINUTE + 0.05

    async def lived(self, until: float, every: float) -> Samples:
        samples: Samples = {}
        steps = int(until / every) + 1
        own = {"job": JOB, "instance": self._pod.instance, **self._pod.labels}
        labels = ",".join(f'{name}="{value}"' for name, value in own.items())
        for step in range(steps):
            self._now = step * every
            alive = self._pod.since * MINUTE <= self._now < self._pod.until * MINUTE
            answers = alive and self._now / MINUTE not in self._pod.missed
            if alive or self._pod.listed:
                samples.setdefault(f"up{{{labels}}}", [None] * steps)[step] = float(answers)
            if not answers:
                continue
            self._pass()
            page = b"".join(await self._metrics.render(False)).decode()  # noqa: FBT003  the contract's shape
            for series, value in _read(page, self._families, labels):
                samples.setdefault(series, [None] * steps)[step] = value
        return samples

    def _pass(self) -> None:
        """Do what has ended since the last scrape."""
        while self._checks and self._checks[0][0] * MINUTE <= self._now:
            self._egress = EgressStatus(up=self._checks.pop(0)[1], since=self._now)
        while self._pages and self._pages[0][0] * MINUTE <= self._now:
            self._page = self._pages.pop(0)[1]
        while self._reloads and self._reloads[0][0] * MINUTE <= self._now:
            self._metrics.config_loaded(good=self._reloads.pop(0)[1])
        for watched in self._pod.watched:
            while (due := self._due[watched.name, watched.journey]) + watched.sky(due).duration <= self._now:
                self._probe(watched, due)
                self._due[watched.name, watched.journey] += watched.interval

    def _probe(self, watched: Watched, due: float) -> None:
        sky = watched.sky(due)
        cause = SkipCause.BACKOFF if due < self._held.get(watched.host, 0.0) else sky.skipped
        if sky.silent:
            return
        if cause is not None:
            self._metrics.run_skipped(watched.name, watched.journey, cause, 1)
            return
        if sky.bug is not None:
            self._metrics.errors.report(sky.bug, "failed", ValueError())
        self._metrics.probe_started(sky.lag)
        self._metrics.observe(_outcome(watched, sky, due))
        self._metrics.probe_ended()
        (self._suspended.add if sky.suspends else self._suspended.discard)(watched.name)
        if sky.reason is Reason.RATE_LIMITED:
            self._held[watched.host] = due + min(2 * watched.interval, 300.0)

    def _backoff_until(self, target: Target, journey: Journey) -> float | None:
        hosts = [
            each.host for each in self._pod.watched if (each.name, each.journey) == (target.name, journey)
        ]
        until = max((self._held.get(host, 0.0) for host in hosts), default=0.0)
        return until if until > self._now else None


def _outcome(watched: Watched, sky: Sky, begun: float) -> Outcome:
    good = sky.reason is Reason.OK
    tls = None
    if sky.certificate_days is not None:
        chain = None if sky.chain_days is None else sky.chain_days * DAY
        tls = TlsFacts(
            version="TLSv1.3", cipher="x", not_after=sky.certificate_days * DAY, chain_not_after=chain
        )
    checks = DISCOVERY_CHECKS if watched.journey is Journey.DISCOVERY else CHECKS
    last = watched.journey.steps[-1] if good or watched.journey is Journey.AUTHORIZE else sky.step
    record = StepRecord(
        step=last,
        reason=sky.reason,
        phase=sky.phase,
        phases={Phase.PROCESSING: sky.duration},
        checks={check: check not in sky.failed_checks for check in checks} if good else {},
        clock_skew=sky.skew if good else None,
        clock_skew_error=0.5 if good else None,
        tls=tls,
    )
    order = Journey.FEDERATION.steps
    reached = watched.discovered and order.index(last) >= order.index(_SOURCE)
    learned = StepRecord(
        step=_SOURCE, reason=Reason.OK, phase=Phase.TRANSFER, phases={}, host=f"{watched.host}:443"
    )
    return Outcome(
        target=watched.name,
        journey=watched.journey,
        reason=sky.reason,
        fault=sky.fault or FAULTS[sky.reason][0],
        step=last,
        phase=sky.phase,
        started_at=begun,
        ended_at=begun + sky.duration,
        duration=sky.duration,
        transaction_id="t",
        steps=(learned, record) if reached else (record,),
        stalled=sky.stalled,
        incomplete=sky.incomplete,
        discovery=_facts(sky) if good and watched.journey is Journey.DISCOVERY else None,
    )


def _facts(sky: Sky) -> DiscoveryFacts:
    expiry = None if sky.keys_days is None else sky.keys_days * DAY
    return DiscoveryFacts(signing_keys=2, signing_keys_hash=1, metadata_hash=1, certificate_expiry=expiry)


def _read(page: str, families: frozenset[str], labels: str) -> Iterator[tuple[str, float]]:
    for line in page.splitlines():
        series, _, value = line.rpartition(" ")
        name, _, own = series.partition("{")
        if name in families:
            inner = own.removesuffix("}")
            yield f"{name}{{{inner}{',' if inner else ''}{labels}}}", float(value)
