"""The metrics of one target and journey: outcomes update its state, a scrape collects it as series.

To add a metric, declare its family in `families.py`, and return its values from one of the `_…_values`.
The number of series is bounded by configuration, whatever a provider sends: steps, phases, reasons and
statuses are closed sets, and HTTP codes beyond a maximum count as `other`. What was not observed is absent.
The closed sets of a step appear once a probe has reached it; the first step is always reached.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from exporter.observing.exposition import (
    BucketCounts,
    LabelValues,
    TracedProbe,
    Values,
    known_value,
    sample_lines,
)
from exporter.observing.families import JOURNEY_FAMILIES, TARGET_FAMILIES, TARGET_INFO
from exporter.outcome import COMPLETED, FAILED, KNOWN_STATUSES, UNKNOWN, Outcome, Phase, SkipCause, StepRecord
from exporter.reasons import Reason, pairs_of
from exporter.status import TargetStatus
from exporter.target import ANY_REQUIRED, Journey, ProviderKind, Side, Target, side_of

_INITIAL_CODES = ("200", "302", "400", "401", "403", "404", "429", "500", "502", "503", "504")
"""Present at 0 from the start: `increase()` does not see a counter that appears at 1."""
_MAX_CODES = 20
_OTHER_CODE = "other"
_FEDERATION_CODES = {
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
    step: tuple((step, code) for code in _FEDERATION_CODES.get(step, _INITIAL_CODES))
    for journey in Journey
    for step in journey.steps
}
_ZERO_PROBES: Mapping[Journey, dict[LabelValues, float]] = {
    journey: dict.fromkeys(pairs_of(journey), 0) for journey in Journey
}
_SIGN_ON_REASONS = {
    *(Reason.CREDENTIALS_REJECTED, Reason.ACCOUNT_LOCKED, Reason.PASSWORD_EXPIRED, Reason.MFA_REQUIRED),
    *(Reason.FURTHER_ACTION_REQUIRED, Reason.EXCHANGE_REJECTED, Reason.ACCOUNT_LINKING_REQUIRED),
    *(Reason.ID_TOKEN_INVALID, Reason.TOKEN_REFUSED, Reason.KEYS_INVALID),
}
"""Reasons that cannot occur without a test account."""
_ZERO_LISTED_PROBES: dict[LabelValues, int] = {
    pair: 0 for pair in pairs_of(Journey.FEDERATION) if pair[0] not in _SIGN_ON_REASONS
}
_ZERO_SKIPS: dict[LabelValues, float] = {(cause.value,): 0 for cause in SkipCause}
"""Keys that all targets share, so that each does not hold its own copies."""

_EXPECTING_STEPS = frozenset({"authorize", "source_authorize"})  # steps at which the target expects a status
_SOURCE_STEP = "source_authorize"  # the first step of a federation that the source answers
_LATER_STEPS = frozenset(Journey.FEDERATION.steps) - {"destination_authorize", _SOURCE_STEP}
_CONNECTING = frozenset({Phase.RESOLVE, Phase.CONNECT, Phase.TLS})
"""Not summed up at later steps: a side that closes its connections would add a fifth of a target's series."""
_ENDING_STEPS = frozenset({"sign_on", "destination_flow"})  # steps at which a flow ends


class TargetMetrics:
    """The metrics of one target and journey; `buckets` bounds the durations, in seconds."""

    def __init__(self, target: Target, journey: Journey, buckets: Sequence[float]) -> None:
        self._status = TargetStatus(target=target, journey=journey)
        self.version = 0
        """Changes with every change of the state."""
        self.rendered: tuple[bytes, ...] = ()
        """The lines of each family, as last rendered."""
        self.rendered_version, self.rendered_at = -1, -math.inf
        self.scraped = False
        """Whether it was scraped since then."""
        self._journey = journey
        self._key = (target.name, journey.value)
        self._last_success: float | None = None
        self._probes: Counter[LabelValues] = Counter()
        self._failures: dict[LabelValues, TracedProbe] = {}
        self._durations = BucketCounts(buckets)
        self._slow = 0
        self._phases: dict[LabelValues, float] = {}
        self._steps: list[str] = []
        self._responses: dict[LabelValues, int] = {}
        self._statuses: dict[LabelValues, int] = {}
        self._add_step(journey.steps[0])
        self._error_codes: Counter[LabelValues] = Counter()
        self._skipped: Counter[LabelValues] = Counter()
        self._kind: ProviderKind | None = None
        self._source_host: str | None = None
        """Where the source answered last: settings need not name it."""
        self._suspended = False

    @property
    def target(self) -> Target:
        """As configured now."""
        return self._status.target

    def collect(self) -> Iterator[bytes]:
        """Yield the lines of each family, in the order of `families.py`; what was not observed has none."""
        probes = {"probes_total": self._failures, "probe_duration_seconds": self._durations.probes}
        values = {**self._probe_values(), **self._step_values(), **self._flow_values(), **self._plan_values()}
        for name, family in JOURNEY_FAMILIES.items():
            yield sample_lines(family, values.get(name, {}), self._key, probes.get(name, {}))
        labels = self._info_labels() if self._describes_target else {}
        info = TARGET_INFO._replace(labels=tuple(labels))
        yield sample_lines(info, {tuple(labels.values()): 1} if labels else {})
        known = self._target_values()
        for name, family in TARGET_FAMILIES.items():
            yield sample_lines(family, known_value(known.get(name)), self._key[:1])

    def observe(self, outcome: Outcome) -> None:
        """Record a finished probe."""
        self.version += 1
        self._status.observe(outcome)
        pair = outcome.reason, outcome.fault
        self._probes[pair] += 1
        if not outcome.success:
            self._failures[pair] = TracedProbe(outcome.transaction_id, 1, outcome.ended_at)
        elif outcome.conclusive:
            self._last_success = outcome.ended_at
            if not outcome.stalled:
                probe = TracedProbe(outcome.transaction_id, outcome.duration, outcome.ended_at)
                self._durations.observe(outcome.duration, probe)
                self._slow += outcome.duration > self._status.timing.latency_objective
        self._kind = outcome.kind or self._kind
        hosts = (record.host for record in outcome.steps if record.step == _SOURCE_STEP)
        self._source_host = next(filter(None, hosts), self._source_host)
        for record in outcome.steps:
            self._add_step(record.step)
            self._observe_step(record)
        # A destination may list hundreds of targets, so each has only what the others do not show.
        timed = not (outcome.stalled or self.target.listed)
        for (step, phase), seconds in _seconds(outcome.steps).items() if timed else ():
            if step in _LATER_STEPS and phase in _CONNECTING:
                continue
            count, total = _phase_keys((step, phase))
            self._phases[count] = self._phases.get(count, 0) + 1
            self._phases[total] = self._phases.get(total, 0.0) + seconds

    def run_skipped(self, cause: SkipCause, count: int) -> None:
        """Count skipped runs."""
        self.version += 1
        self._skipped[cause.value,] += count

    def set_pauses(self, *, suspended: bool, backoff_until: float | None) -> None:
        """Set whether lock-out protection suspends sign-on, and until when probes are paused."""
        if (suspended, backoff_until) != (self._suspended, self._status.backoff_until):
            self.version += 1
            self._suspended, self._status.backoff_until = suspended, backoff_until

    def adopt(self, target: Target) -> None:
        """Continue with the reloaded settings of the target; counters and state stay."""
        if target == self.target:
            return
        self.version += 1
        if self._status.adopt(target):
            self._kind = self._source_host = None
        # Statuses that were expected but never seen go, or many reloads would add up.
        seen = {key: count for key, count in self._statuses.items() if count}
        expected = [(step, status) for step in self._steps for status in self._statuses_of(step)]
        self._statuses = dict.fromkeys(expected, 0) | seen

    def _statuses_of(self, step: str) -> tuple[str, ...]:
        if step in _EXPECTING_STEPS:
            expected = (each for each in self.target.expected_statuses if each != ANY_REQUIRED)
            return (*expected, FAILED, UNKNOWN)
        return (COMPLETED, FAILED, UNKNOWN) if step in _ENDING_STEPS else ()

    def _add_step(self, step: str) -> None:
        """Export the series of a step from now on."""
        if step in self._steps:
            return
        self._steps.append(step)
        self._responses.update(dict.fromkeys(_CODES[step], 0))
        self._statuses.update(dict.fromkeys([(step, status) for status in self._statuses_of(step)], 0))

    def _status_label(self, status: str) -> str:
        return status if status in KNOWN_STATUSES or status in self.target.expected_statuses else UNKNOWN

    def _observe_step(self, record: StepRecord) -> None:
        step = record.step
        if record.http_status_code is not None:
            code = str(record.http_status_code)
            if (step, code) not in self._responses:
                known = sum(1 for of_step, _ in self._responses if of_step == step)
                code = _OTHER_CODE if known >= _MAX_CODES else code
            self._responses[step, code] = self._responses.get((step, code), 0) + 1
        if record.flow_status is not None and not (self.target.listed and side_of(step) is Side.DESTINATION):
            status = step, self._status_label(record.flow_status)
            self._statuses[status] = self._statuses.get(status, 0) + 1
        self._error_codes.update((step, code) for code in record.error_codes)

    def _probe_values(self) -> dict[str, Values]:
        status, last = self._status, self._status.last
        failures = status.consecutive if status.failing else 0
        none_yet = _ZERO_LISTED_PROBES if self.target.listed else _ZERO_PROBES[self._journey]
        values: dict[str, Values] = {
            "probes_total": {**none_yet, **self._probes},
            "probe_duration_seconds": self._durations.values(),
            "probes_slow_total": {(): self._slow},
            "exporter_probes_skipped_total": {**_ZERO_SKIPS, **self._skipped},
            "probe_last_success_timestamp_seconds": known_value(self._last_success),
            "probe_consecutive_failures": known_value(None if status.failing is None else failures),
            "probe_state_change_timestamp_seconds": known_value(status.since),
        }
        if last is not None:
            values["probe_success"] = {(): last.success}
            result = (last.step, last.phase, last.reason, last.fault, last.side)
            values["probe_last_result_info"] = {result: 1}
            values["probe_last_run_timestamp_seconds"] = {(): last.ended_at}
        return values

    def _step_values(self) -> dict[str, Values]:
        last = self._status.last
        records = last.steps if last else ()
        timed = () if last is None or last.stalled else records
        return {
            "step_duration_seconds": {} if self.target.listed else self._phases,
            "step_last_duration_seconds": _seconds(timed),
            "http_responses_total": self._responses,
            "http_status_code": _by_step({r.step: r.http_status_code for r in records}.items()),
            "error_codes_total": self._error_codes,
            "tls_certificate_expiry_timestamp_seconds": _by_step(self._status.leaf_expiries),
            "tls_chain_expiry_timestamp_seconds": _by_step(self._status.chain_expiries),
        }

    def _flow_values(self) -> dict[str, Values]:
        records = self._status.last.steps if self._status.last else ()
        current = {r.step: self._status_label(r.flow_status) for r in records if r.flow_status is not None}
        own = [r for r in records if not self.target.listed or side_of(r.step) is Side.SOURCE]
        skewed = [r for r in own if r.clock_skew is not None and r.clock_skew_error is not None]
        return {
            "statuses_total": self._statuses,
            "status": {
                (step, status): current.get(step) == status
                for (step, status), count in self._statuses.items()
                if self._status.last is not None and (count or status in self.target.expected_statuses)
            },
            "contract_check": {(r.step, check): passed for r in own for check, passed in r.checks.items()},
            "lifetime_seconds": _by_step((r.step, r.lifetime) for r in own),
            "clock_skew_seconds": _by_step((r.step, r.clock_skew) for r in skewed),
            "clock_skew_error_seconds": _by_step((r.step, r.clock_skew_error) for r in skewed),
        }

    def _plan_values(self) -> dict[str, Values]:
        timing = self._status.timing
        return {
            "target_last_step_info": {(self.target.last_step(self._journey),): 1},
            "target_interval_seconds": {(): timing.interval},
            "target_timeout_seconds": {(): timing.timeout},
            "target_latency_objective_seconds": {(): timing.latency_objective},
            "backoff_until_timestamp_seconds": known_value(self._status.backoff_until),
        }

    def _target_values(self) -> dict[str, float | None]:
        signs_on = self._journey is Journey.FEDERATION and self.target.user is not None
        known: dict[str, float | None] = {
            "sign_on_suspended": self._suspended if signs_on else None,
            "secret_expiry_timestamp_seconds": self.target.secret_expires if self._describes_target else None,
        }
        if (found := self._status.discovery) is not None:
            known |= {
                "signing_keys": found.signing_keys,
                "signing_keys_hash": found.signing_keys_hash,
                "metadata_hash": found.metadata_hash,
                "signing_key_certificate_expiry_timestamp_seconds": found.certificate_expiry,
            }
        return known

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
            "auth_host": target.auth_host or (self._source_host or "").removesuffix(":443"),
            "destination_auth_host": target.destination_auth_host,
            "destination": None if listed is None else listed.destination,
            "provider": None if listed is None else listed.slug,
            "provider_id": target.provider_id,
            "kind": None if self._kind is None else self._kind.value,
            "expected": "true" if listed is not None and listed.expected else None,
            **dict(target.labels),
        }
        return {name: value for name, value in labels.items() if value}


def _by_step(found: Iterable[tuple[str, float | None]]) -> Values:
    return {(step,): value for step, value in found if value is not None}


def _seconds(records: Iterable[StepRecord]) -> dict[LabelValues, float]:
    """Return the seconds of each step and phase; redirects to a login page are one step."""
    found: dict[LabelValues, float] = defaultdict(float)
    for record in records:
        for phase, seconds in record.phases.items():
            found[record.step, phase] += seconds
    return found


@cache
def _phase_keys(key: LabelValues) -> tuple[LabelValues, LabelValues]:
    """Return the keys of a phase's two series, which all targets share."""
    return ("_count", *key), ("_sum", *key)
