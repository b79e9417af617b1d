"""The recent outcomes of each target and journey, for pages and API.

    recent    … ok ok tls tls tls ok ok      the last 50 outcomes
    failures  … dns … tls tls tls            the last 50 failures, however long ago

Failures are kept apart so that an hour of successes does not erase what happened tonight.

Outcomes are kept as compressed JSON: a garbage collection of so many objects would stall the event loop.
"""

from __future__ import annotations

import math
import zlib
from array import array
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TypeAlias

from pydantic import TypeAdapter

from exporter.outcome import DiscoveryFacts, Outcome
from exporter.reasons import Reason
from exporter.status import Point, ScheduledProbe, TargetHistory, TargetStatus
from exporter.target import Journey, Side, Target, side_of

MAX_POINTS = 60
MAX_OUTCOMES = 50  # kept of the recent outcomes, and of the failures


@dataclass(slots=True)
class Streak:
    """The current run of conclusive outcomes that agree; one rule for metrics and pages.

    Inconclusive outcomes (faults `quota`, `exporter` and `account`, or incomplete) neither belong to a streak
    nor end one.
    """

    failing: bool | None = None
    """None before the first conclusive outcome."""
    since: float | None = None
    """End of the first probe of the streak; seconds since the epoch."""
    length: int = 0
    is_first: bool = False
    """Whether no other came before: it may have begun before `since`, which a restart forgets."""

    def observe(self, outcome: Outcome) -> None:
        """Continue the streak with a finished probe, or begin another."""
        if not outcome.conclusive:
            return
        failing = not outcome.success
        if failing is not self.failing:
            self.is_first = self.failing is None
            self.failing, self.since, self.length = failing, outcome.ended_at, 0
        self.length += 1


endpoints_of = attrgetter("auth_host", "destination_url", "issuer", "provider_id")
"""What was seen of certificates and keys is forgotten when these of a target change."""

Expiries: TypeAlias = dict[str, float]
"""Step -> when a certificate expires, seconds since the epoch."""


@dataclass(slots=True)
class CertificateFacts:
    """What was last seen of certificates and signing keys."""

    leaf: Expiries = field(default_factory=dict)  # when the certificates of the servers expire
    # when the first certificate of each chain that was sent expires
    chain: Expiries = field(default_factory=dict)
    discovery: DiscoveryFacts | None = None  # what the last good `discovery` found

    def forget_valid(self, side: Side, now: float) -> None:
        """Forget a side's certificates that have not expired."""
        for expiries in self.leaf, self.chain:
            for step in [step for step, at in expiries.items() if side_of(step) is side and at > now]:
                del expiries[step]

    def observe(self, outcome: Outcome) -> None:
        """Keep the certificates that the last probe saw on each side; a reused connection counts once.

        A step that connects only now and then must not show a certificate that was renewed long ago.
        """
        self.discovery = outcome.discovery or self.discovery
        seen = [(record.step, record.tls) for record in outcome.steps if record.tls is not None]
        self.leaf = _replaced(self.leaf, [(step, tls.not_after) for step, tls in seen])
        self.chain = _replaced(self.chain, [(step, tls.chain_not_after) for step, tls in seen])


def _replaced(known: Expiries, found: Iterable[tuple[str, float | None]]) -> Expiries:
    """Return the expiries with those of the sides that were seen replaced."""
    seen: dict[tuple[Side, float], str] = {}
    for step, at in found:
        if at is not None:
            seen.setdefault((side_of(step), at), step)
    sides = {side for side, _ in seen}
    shown = {step: at for step, at in known.items() if side_of(step) not in sides}
    for (_, at), step in seen.items():  # the redirects to a login page are several connections of one step
        shown[step] = min(at, shown.get(step, at))
    return shown


class History:
    """Keeps recent outcomes of the targets that are probed; must not get outcomes of others."""

    def __init__(self) -> None:
        self._records: defaultdict[tuple[str, Journey], _Record] = defaultdict(_Record)

    def observe(self, outcome: Outcome, /) -> None:
        """Keep an outcome."""
        self._records[outcome.target, outcome.journey].observe(outcome)

    def reconfigure(self, before: Iterable[Target], after: Iterable[Target]) -> None:
        """Keep the records of the targets `after` a change only; forget certificates of those that moved."""
        endpoints = {target.name: endpoints_of(target) for target in before}
        known, self._records = self._records, defaultdict(_Record)
        for target in after:
            for journey in target.journeys:
                record = self._records[target.name, journey] = known[target.name, journey]
                if endpoints.get(target.name, now := endpoints_of(target)) != now:
                    record.certificates = CertificateFacts()

    def status(self, probe: ScheduledProbe) -> TargetStatus:
        """Return what is kept of a target and journey, with what the schedule knows."""
        record = self._records.get((probe.target.name, probe.journey), _EMPTY)
        return TargetStatus(
            target=probe.target,
            journey=probe.journey,
            failing=record.streak.failing,
            since=record.streak.since,
            since_or_earlier=record.streak.is_first,
            consecutive=record.streak.length,
            last=record.last,
            decisive=record.decisive,
            leaf_expiries=tuple(record.certificates.leaf.items()),
            chain_expiries=tuple(record.certificates.chain.items()),
            discovery=record.certificates.discovery,
            points=record.points(),
            next_run=probe.next_run,
            backoff_until=probe.backoff_until,
        )

    def history(self, probe: ScheduledProbe) -> TargetHistory:
        """Return the recent outcomes and failures of a target, newest first, with its status."""
        record = self._records.get((probe.target.name, probe.journey), _EMPTY)
        return TargetHistory(
            status=self.status(probe),
            recent=record.outcomes(record.recent),
            failures=record.outcomes(record.failures or ()),
        )


@dataclass(slots=True)
class _Record:
    """What is kept of one target and journey."""

    dictionaries: list[bytes] = field(default_factory=lambda: [b"", b""])
    """The first failure and the first success: zlib stores only how others differ from them."""
    recent: deque[bytes] = field(default_factory=lambda: deque(maxlen=MAX_OUTCOMES))
    failures: deque[bytes] | None = None  # even an empty one takes 760 bytes
    last: Outcome | None = None
    decisive: Outcome | None = None
    certificates: CertificateFacts = field(default_factory=CertificateFacts)
    streak: Streak = field(default_factory=Streak)
    durations: array[float] = field(default_factory=lambda: array("d"))
    """Of the last probes, in seconds; not a number where the exporter stalled."""
    faults: list[str] = field(default_factory=list)
    """Of the same probes."""

    def observe(self, outcome: Outcome) -> None:
        kind = outcome.success and not outcome.incomplete
        text = _OUTCOME.dump_json(outcome)
        self.dictionaries[kind] = self.dictionaries[kind] or text
        # With these arguments it takes a third less time than with zlib's own, for the same size.
        settings = (6, zlib.DEFLATED, _WINDOW_BITS, 5, zlib.Z_DEFAULT_STRATEGY)
        compressor = zlib.compressobj(*settings, self.dictionaries[kind])
        # One object, even if both deques hold it.
        data = bytes([kind]) + compressor.compress(text) + compressor.flush()
        self.recent.append(data)
        if not outcome.success:
            if self.failures is None:
                self.failures = deque(maxlen=MAX_OUTCOMES)
            self.failures.append(data)
        if not outcome.incomplete:
            if len(self.durations) == MAX_POINTS:
                del self.durations[0], self.faults[0]
            self.durations.append(math.nan if outcome.stalled else outcome.duration)
            self.faults.append(outcome.fault.value)
        self._observe_certificate(outcome)
        self.last = outcome
        if outcome.conclusive:
            self.decisive = outcome
        self.streak.observe(outcome)

    def outcomes(self, kept: Iterable[bytes]) -> tuple[Outcome, ...]:
        """Return outcomes, newest first."""
        texts = [
            zlib.decompressobj(_WINDOW_BITS, self.dictionaries[data[0]]).decompress(data[1:]) for data in kept
        ]
        return tuple([_OUTCOME.validate_json(text) for text in reversed(texts)])

    def points(self) -> tuple[Point, ...]:
        seconds = [None if math.isnan(duration) else duration for duration in self.durations]
        return tuple(zip(seconds, self.faults, strict=True))

    def _observe_certificate(self, outcome: Outcome) -> None:
        """Keep the expiry of the certificates seen last; a refused one is fetched only once an hour."""
        facts, first = self.certificates, not (self.last and self.last.reason is Reason.TLS)
        facts.observe(outcome)
        seen = any(step.tls is not None and step.tls.not_after is not None for step in outcome.steps)
        if outcome.reason is Reason.TLS and first and not seen:
            # The certificate that was good is not the one refused now, unless it has expired meanwhile.
            facts.forget_valid(outcome.side, outcome.ended_at)


_EMPTY = _Record()  # The record of a target without outcomes. Never changed.
_WINDOW_BITS = -13  # without a header, 8 kB: the longest probe is 6 kB of JSON
_OUTCOME = TypeAdapter(Outcome)  # takes a third of pickle's time
