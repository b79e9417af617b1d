"""The metrics of one target and journey: outcomes update its state, a scrape collects it as families.

To add a metric, keep its state in `TargetMetrics` and yield its family from one of the `_…_families`.
The number of series is bounded by configuration, whatever a provider sends: steps, phases, reasons and
statuses are closed sets, and HTTP codes beyond a maximum count as `other`. What was not observed is absent.
The closed sets of a step appear once a probe has reached it; the first step is always reached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporter.observing.certificate_metrics import CertificateFacts, signing_key_families
from exporter.observing.histogram import BucketCounts, LabelValues, TracedProbe
from exporter.observing.history import Streak
from exporter.observing.series import SeriesFamily, known_values, target_gauge
from exporter.outcome import COMPLETED, FAILED, KNOWN_STATUSES, UNKNOWN, Outcome, Phase, SkipCause, StepRecord
from exporter.reasons import Reason, pairs_of
from exporter.status import MAX_BACKOFF_SECONDS
from exporter.target import ANY_REQUIRED, Journey, JourneyTiming, ProviderKind, Side, Target, side_of

_INITIAL_CODES = ("200", "302", "400", "401", "403", "404", "429", "500", "502", "503", "504")
"""Present at 0 from the start: `increase()` does not see a counter that appears at 1."""
_MAX_CODES = 20
_OTHER_CODE = "other"
_GOOD_AND_REFUSED = {
    "destination_authorize": ("200", "400"),
    "destination_lookup": ("200",),
    "initiate": ("302",),
    "source_authorize": ("200", "400"),
    "sign_on": ("200", "400"),
    "source_resume": ("200", "302"),
    "callback": ("302", "400"),
    "destination_flow": ("200",),
    "destination_resume": ("200", "302"),
    "destination_keys": ("200",),
    "token": ("200", "400"),
}
"""The codes of a federation's steps: eleven codes at eleven steps would be half of a target's series."""
_CODES = {
    step: tuple((step, code) for code in _GOOD_AND_REFUSED.get(step, _INITIAL_CODES))
    for journey in Journey
    for step in journey.steps
}
_NO_PROBES: Mapping[Journey, dict[LabelValues, float]] = {
    journey: dict.fromkeys(pairs_of(journey), 0) for journey in Journey
}
_OF_SIGN_ON = {
    *(Reason.CREDENTIALS_REJECTED, Reason.ACCOUNT_LOCKED, Reason.PASSWORD_EXPIRED, Reason.MFA_REQUIRED),
    *(Reason.FURTHER_ACTION_REQUIRED, Reason.EXCHANGE_REJECTED, Reason.ACCOUNT_LINKING_REQUIRED),
    *(Reason.ID_TOKEN_INVALID, Reason.TOKEN_REFUSED, Reason.KEYS_INVALID),
}
"""Cannot occur without a user who signs on."""
_NO_LISTED_PROBES: dict[LabelValues, int] = {
    pair: 0 for pair in pairs_of(Journey.FEDERATION) if pair[0] not in _OF_SIGN_ON
}
_NO_SKIPS: dict[LabelValues, float] = {(cause.value,): 0 for cause in SkipCause}
"""Keys that all targets share, so that each does not hold its own copies."""

_FLOW_STATUSES: Mapping[str, tuple[str, ...]] = {
    "sign_on": (COMPLETED, FAILED, UNKNOWN),
    "destination_flow": (COMPLETED, FAILED, UNKNOWN),
}
"""Statuses at steps that do not have the target's own expectation."""
_EXPECTING_STEPS = frozenset({"authorize", "source_authorize"})

_KEY = ("target", "journey")
_STEP = (*_KEY, "step")


class TargetMetrics(Collector):
    """The metrics of one target and journey; `buckets` bounds the durations, in seconds."""

    def __init__(self, target: Target, journey: Journey, buckets: Sequence[float]) -> None:
        self.target = target
        self.version = 0
        """Changes with every change of the state."""
        self._journey = journey
        self._key = (target.name, journey.value)
        self._last: Outcome | None = None
        self._last_success: float | None = None
        self._streak = Streak()
        self._probes: Counter[LabelValues] = Counter()
        # A destination may list hundreds of targets, so each of them has only what no other one shows.
        self._is_listed = target.listed is not None
        self._failures: dict[LabelValues, TracedProbe] = {}
        self._durations = BucketCounts(buckets)
        self._slow = 0
        self._phases: dict[LabelValues, float] = {}
        self._reached = [journey.steps[0]]
        self._responses: dict[LabelValues, int] = dict.fromkeys(_CODES[journey.steps[0]], 0)
        self._statuses: dict[LabelValues, int] = self._initial_statuses()
        self._error_codes: Counter[LabelValues] = Counter()
        self._certificates = CertificateFacts()
        self._skipped: Counter[LabelValues] = Counter()
        self._backoff_until: float | None = None
        self._kind: ProviderKind | None = None
        self._suspended = False

    @property
    def interval(self) -> float:
        """Seconds between two probes."""
        return self._timing.interval

    def collect(self) -> Iterator[Metric]:
        """Yield every family, always all of them and in the same order; empty if nothing was observed."""
        yield from self._probe_families()
        yield from self._last_probe_families()
        yield from self._step_families()
        yield from self._flow_families()
        yield from self._target_families()

    def observe(self, outcome: Outcome) -> None:
        """Record a finished probe."""
        self.version += 1
        self._last = outcome
        pair = outcome.reason, outcome.fault
        self._probes[pair] += 1
        if not outcome.success:
            self._failures[pair] = TracedProbe(outcome.transaction_id, 1, outcome.ended_at)
        else:
            self._last_success = outcome.ended_at
            if not outcome.stalled:
                probe = TracedProbe(outcome.transaction_id, outcome.duration, outcome.ended_at)
                self._durations.observe(outcome.duration, probe)
                self._slow += outcome.duration > self._timing.latency_objective
        self._streak.observe(outcome)
        self._kind = outcome.kind or self._kind
        for record in outcome.steps:
            self._reach(record.step)
            self._observe_step(record, stalled=outcome.stalled)
        self._certificates.observe(outcome)

    def run_skipped(self, cause: SkipCause, count: int) -> None:
        """Count skipped runs."""
        self.version += 1
        self._skipped[cause.value,] += count

    def backoff_until(self, timestamp: float) -> None:
        """Record until when probes are paused; seconds since the epoch."""
        self.version += 1
        self._backoff_until = timestamp

    def expire_backoff(self, now: float) -> None:
        """Forget a pause that is over, or too far away: then the clock was set back since it began."""
        if self._backoff_until is not None and not now < self._backoff_until <= now + 2 * MAX_BACKOFF_SECONDS:
            self.version += 1
            self._backoff_until = None

    def sign_on_suspended(self, suspended: bool) -> None:  # noqa: FBT001  the one thing there is to show
        """Record whether lock-out protection holds sign-on back."""
        if suspended is not self._suspended:
            self.version += 1
            self._suspended = suspended

    def adopt(self, target: Target) -> None:
        """Continue with the reloaded settings of the target; counters and state stay."""
        before, self.target = self.target, target
        if before == target:
            return
        self.version += 1
        if _rate_scopes(before, self._journey) != _rate_scopes(target, self._journey):
            self._backoff_until = None  # the provider that asked for it is no longer probed
        if _endpoints(before) != _endpoints(target):
            self._certificates.forget()
            self._kind = None
        # Statuses that were expected but never seen go, or many reloads would add up.
        seen = {key: count for key, count in self._statuses.items() if count}
        self._statuses = self._initial_statuses() | seen

    @property
    def _timing(self) -> JourneyTiming:
        return self.target.timing(self._journey)

    def _initial_statuses(self) -> dict[LabelValues, int]:
        return {(step, status): 0 for step in self._reached for status in self._statuses_of(step)}

    def _statuses_of(self, step: str) -> tuple[str, ...]:
        if step in _EXPECTING_STEPS:
            expected = (each for each in self.target.expected_statuses if each != ANY_REQUIRED)
            return (*expected, FAILED, UNKNOWN)
        return _FLOW_STATUSES.get(step, ())

    def _reach(self, step: str) -> None:
        """Show the closed sets of a step from now on."""
        if step in self._reached:
            return
        self._reached.append(step)
        self._responses.update(dict.fromkeys(_CODES[step], 0))
        self._statuses.update(dict.fromkeys([(step, status) for status in self._statuses_of(step)], 0))

    def _status_label(self, status: str) -> str:
        return status if status in KNOWN_STATUSES or status in self.target.expected_statuses else UNKNOWN

    def _observe_step(self, record: StepRecord, *, stalled: bool) -> None:
        step = record.step
        for phase, seconds in () if stalled or self._is_listed else record.phases.items():
            count, total = _phase_keys(step, phase)
            self._phases[count] = self._phases.get(count, 0) + 1
            self._phases[total] = self._phases.get(total, 0.0) + seconds
        if record.http_status_code is not None:
            code = str(record.http_status_code)
            if (step, code) not in self._responses:
                known = sum(1 for of_step, _ in self._responses if of_step == step)
                code = _OTHER_CODE if known >= _MAX_CODES else code
            self._responses[step, code] = self._responses.get((step, code), 0) + 1
        if record.flow_status is not None and not (self._is_listed and side_of(step) is Side.DESTINATION):
            status = step, self._status_label(record.flow_status)
            self._statuses[status] = self._statuses.get(status, 0) + 1
        self._error_codes.update((step, code) for code in record.error_codes)

    def _gauge(
        self, name: str, documentation: str, values: Mapping[LabelValues, float], *labels: str
    ) -> Metric:
        """Return a gauge of this target and journey; `values` are by the values of the further labels."""
        return SeriesFamily(name, documentation, "gauge", (*_KEY, *labels), self._key, values)

    def _counter(
        self, name: str, documentation: str, values: Mapping[LabelValues, float], *labels: str
    ) -> Metric:
        """Return a counter of this target and journey; arguments as for `_gauge`."""
        return SeriesFamily(name, documentation, "counter", (*_KEY, *labels), self._key, values)

    def _probe_families(self) -> Iterator[Metric]:
        yield SeriesFamily(
            "pingone_flow_probes_total",
            "Probes completed, by reason and fault.",
            "counter",
            (*_KEY, "reason", "fault"),
            self._key,
            {**(_NO_LISTED_PROBES if self._is_listed else _NO_PROBES[self._journey]), **self._probes},
            self._failures,
        )
        yield SeriesFamily(
            "pingone_flow_probe_duration_seconds",
            "Duration of successful probes in seconds.",
            "histogram",
            (*_KEY, "le"),
            self._key,
            self._durations.values(),
            self._durations.probes,
        )
        yield self._counter(
            "pingone_flow_probes_slow_total",
            "Successful probes that took longer than the latency objective.",
            {(): self._slow},
        )
        yield self._counter(
            "pingone_flow_exporter_probes_skipped_total",
            "Scheduled probes skipped, by cause.",
            {**_NO_SKIPS, **self._skipped},
            "cause",
        )

    def _last_probe_families(self) -> Iterator[Metric]:
        last, streak = self._last, self._streak
        yield self._gauge(
            "pingone_flow_probe_success",
            "Whether the last probe succeeded: 1 or 0.",
            {} if last is None else {(): last.success},
        )
        yield self._gauge(
            "pingone_flow_probe_last_result_info",
            "Result of the last probe: where it ended, why, and which side is at fault; always 1.",
            {} if last is None else {(last.step, last.phase, last.reason, last.fault, last.side): 1},
            *("step", "phase", "reason", "fault", "side"),
        )
        yield self._gauge(
            "pingone_flow_probe_last_run_timestamp_seconds",
            "Unix time at which the last probe ended.",
            known_values(None if last is None else last.ended_at),
        )
        yield self._gauge(
            "pingone_flow_probe_last_success_timestamp_seconds",
            "Unix time at which the last successful probe ended.",
            known_values(self._last_success),
        )
        yield self._gauge(
            "pingone_flow_probe_consecutive_failures",
            "Failed probes since the last success; those with fault quota, exporter or account do not count.",
            {} if streak.failing is None else {(): streak.length if streak.failing else 0},
        )
        yield self._gauge(
            "pingone_flow_probe_state_change_timestamp_seconds",
            "Unix time of the last change between succeeding and failing.",
            known_values(streak.since),
        )

    def _step_families(self) -> Iterator[Metric]:
        last, records = self._last, () if self._last is None else self._last.steps
        yield SeriesFamily(
            "pingone_flow_step_duration_seconds",
            "Duration of completed phases in seconds, over all probes.",
            "summary",
            (*_STEP, "phase"),
            self._key,
            self._phases,
        )
        timed = () if last is None or last.stalled else records
        yield self._gauge(
            "pingone_flow_step_last_duration_seconds",
            "Duration of each completed phase of the last probe in seconds.",
            {(r.step, phase): seconds for r in timed for phase, seconds in r.phases.items()},
            *("step", "phase"),
        )
        yield self._counter(
            "pingone_flow_http_responses_total",
            "HTTP responses by status code.",
            self._responses,
            *("step", "code"),
        )
        yield self._gauge(
            "pingone_flow_http_status_code",
            "HTTP status code of the last probe's response; absent if there was none.",
            {(r.step,): r.http_status_code for r in records if r.http_status_code is not None},
            "step",
        )
        yield self._counter(
            "pingone_flow_error_codes_total",
            "OAuth and PingOne error codes received; OTHER counts those outside the known list.",
            self._error_codes,
            *("step", "code"),
        )
        yield self._gauge(
            "pingone_flow_tls_certificate_expiry_timestamp_seconds",
            "Unix time at which the provider's leaf certificate expires; as last seen, even if refused.",
            self._certificates.leaf,
            "step",
        )
        yield self._gauge(
            "pingone_flow_tls_chain_expiry_timestamp_seconds",
            "Unix time at which the first certificate of the chain that was sent expires; absent if unknown.",
            self._certificates.chain,
            "step",
        )

    def _flow_families(self) -> Iterator[Metric]:
        records = () if self._last is None else self._last.steps
        yield self._counter(
            "pingone_flow_statuses_total",
            "Flow statuses received; UNKNOWN counts those outside the known list.",
            self._statuses,
            *("step", "status"),
        )
        current = {r.step: self._status_label(r.flow_status) for r in records if r.flow_status is not None}
        yield self._gauge(
            "pingone_flow_status",
            "Whether the last probe received this flow status: 1 or 0.",
            {
                (step, status): current.get(step) == status
                for (step, status), count in self._statuses.items()
                if self._last is not None and (count or status in self.target.expected_statuses)
            },
            *("step", "status"),
        )
        if self._is_listed:
            records = tuple(r for r in records if side_of(r.step) is Side.SOURCE)
        yield self._gauge(
            "pingone_flow_contract_check",
            "Whether the last probe's flow passed the check: 1 or 0; absent if the check did not apply.",
            {(r.step, check): passed for r in records for check, passed in r.checks.items()},
            *("step", "check"),
        )
        yield self._gauge(
            "pingone_flow_lifetime_seconds",
            "Seconds from createdAt to expiresAt of the last probe's flow.",
            {(r.step,): r.lifetime for r in records if r.lifetime is not None},
            "step",
        )
        skews = [
            (r.step, r.clock_skew, r.clock_skew_error)
            for r in records
            if r.clock_skew is not None and r.clock_skew_error is not None
        ]
        yield self._gauge(
            "pingone_flow_clock_skew_seconds",
            "Provider's clock minus the exporter's in seconds, by the last probe's flow.",
            {(step,): skew for step, skew, _ in skews},
            "step",
        )
        yield self._gauge(
            "pingone_flow_clock_skew_error_seconds",
            "Maximum error of the clock skew in seconds, in either direction.",
            {(step,): error for step, _, error in skews},
            "step",
        )

    def _target_families(self) -> Iterator[Metric]:
        target = self.target
        labels = self._info_labels() if self._describes_target else {}
        info = GaugeMetricFamily(
            "pingone_flow_target_info",
            "Environments, hosts and identity provider of the target, with your own labels; always 1.",
            labels=tuple(labels),
        )
        if labels:
            info.add_metric(tuple(labels.values()), 1)
        yield info
        yield self._gauge(
            "pingone_flow_target_last_step_info",
            "Last step that the settings of the target ask for; always 1.",
            {(target.last_step(self._journey),): 1},
            "step",
        )
        yield self._gauge(
            "pingone_flow_target_interval_seconds", "Seconds between two probes.", {(): self._timing.interval}
        )
        yield self._gauge(
            "pingone_flow_target_timeout_seconds",
            "Seconds that a whole probe may take.",
            {(): self._timing.timeout},
        )
        yield self._gauge(
            "pingone_flow_target_latency_objective_seconds",
            "Seconds above which a successful probe counts as slow.",
            {(): self._timing.latency_objective},
        )
        signs_on = self._journey is Journey.FEDERATION and target.user is not None
        yield target_gauge(
            target.name,
            "pingone_flow_sign_on_suspended",
            "Whether lock-out protection suspends sign-on: 1 or 0; absent without a test account.",
            self._suspended if signs_on else None,
        )
        yield target_gauge(
            target.name,
            "pingone_flow_secret_expiry_timestamp_seconds",
            "Unix time at which the client secret of the federation expires, by the settings.",
            target.secret_expires if self._describes_target else None,
        )
        yield from signing_key_families(target.name, self._certificates.discovery)
        yield self._gauge(
            "pingone_flow_backoff_until_timestamp_seconds",
            "Unix time until which probes are paused after a rate limit; absent if they are not.",
            known_values(self._backoff_until),
        )

    @property
    def _describes_target(self) -> bool:
        """Whether this journey shows what is there once per target; only `federation` knows the provider."""
        journeys = self.target.journeys
        return self._journey is (Journey.FEDERATION if Journey.FEDERATION in journeys else journeys[0])

    def _info_labels(self) -> dict[str, str]:
        target, listed = self.target, self.target.listed
        labels = {
            "target": target.name,
            "source_environment_id": target.source_environment_id,
            "destination_environment_id": target.destination_environment_id,
            "auth_host": target.auth_host,
            "destination_auth_host": target.destination_auth_host,
            "destination": None if listed is None else listed.destination,
            "provider": None if listed is None else listed.slug,
            "provider_id": target.provider_id if listed is None else listed.provider_id,
            "kind": None if self._kind is None else self._kind.value,
            "expected": "true" if listed is not None and listed.expected else None,
            **dict(target.labels),
        }
        return {name: value for name, value in labels.items() if value}


@cache
def _phase_keys(step: str, phase: Phase) -> tuple[LabelValues, LabelValues]:
    """Return the keys of a phase's two series, which all targets share."""
    return ("_count", step, phase), ("_sum", step, phase)


def _endpoints(target: Target) -> tuple[str | None, ...]:
    return target.auth_host, target.destination_url, target.issuer


def _rate_scopes(target: Target, journey: Journey) -> list[tuple[str, str]]:
    return [target.rate_scope(side) for side in journey.sides]
