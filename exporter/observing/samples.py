"""The samples that a series' state amounts to, by family. What was not observed is not there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client.samples import Exemplar, Sample
from prometheus_client.utils import floatToGoString

from exporter.observing.series import Series, Trace
from exporter.outcome import StepRecord

Samples = Iterator[Sample]

_FLOW = "pingone_flow_"


def samples(series: Series) -> dict[str, list[Sample]]:
    """Return all samples of a series, family name -> samples."""
    found: dict[str, list[Sample]] = {}
    for make in (_static, _counters, _last_probe, _last_steps, _totals_of_steps):
        for family, sample in make(series):
            found.setdefault(family, []).append(sample)
    return found


class _Labelled:
    """Makes samples that carry the series' own labels."""

    def __init__(self, series: Series) -> None:
        self._key = {"target": series.target.name, "journey": series.journey.value}

    def __call__(
        self,
        name: str,
        value: float,
        suffix: str = "",
        trace: Trace | None = None,
        **labels: str,
    ) -> tuple[str, Sample]:
        family = _FLOW + name
        exemplar = None
        if trace is not None:
            exemplar = Exemplar({"transaction_id": trace.transaction_id}, trace.value, trace.at)
        return family, Sample(family + suffix, {**self._key, **labels}, value, None, exemplar)


def _static(series: Series) -> Iterable[tuple[str, Sample]]:
    sample, target = _Labelled(series), series.target
    yield sample("target_interval_seconds", target.interval)
    yield sample("target_timeout_seconds", target.timeout)
    yield sample("target_latency_objective_seconds", target.latency_objective)
    if series.journey == target.journeys[0]:  # one per target, however many journeys it has
        info = {
            "target": target.name,
            "source_environment_id": target.source_environment_id,
            "destination_environment_id": target.destination_environment_id,
            "auth_host": target.auth_host,
            **dict(target.labels),
        }
        yield "pingone_flow_target_info", Sample("pingone_flow_target_info", info, 1)
    if series.held_until is not None:
        yield sample("backoff_until_timestamp_seconds", series.held_until)


def _counters(series: Series) -> Iterable[tuple[str, Sample]]:
    sample = _Labelled(series)
    for (reason, fault), count in series.probes.items():
        trace = series.failures.get((reason, fault))
        yield sample("probes_total", count, trace=trace, reason=reason.value, fault=fault.value)
    durations = series.durations
    bounds = [*map(floatToGoString, durations.bounds), "+Inf"]
    for bound, count, trace in zip(bounds, accumulate(durations.counts), durations.traces, strict=True):
        yield sample("probe_duration_seconds", count, "_bucket", trace, le=bound)
    yield sample("probe_duration_seconds", sum(durations.counts), "_count")
    yield sample("probe_duration_seconds", durations.sum, "_sum")
    yield sample("probes_slow_total", series.slow)
    for cause, count in series.skipped.items():
        yield sample("exporter_probes_skipped_total", count, cause=cause.value)


def _last_probe(series: Series) -> Iterable[tuple[str, Sample]]:
    sample, last = _Labelled(series), series.last
    if last is None:
        return
    yield sample("probe_success", int(last.success))
    yield sample("probe_last_run_timestamp_seconds", last.ended_at)
    yield sample(
        "probe_last_result_info",
        1,
        step=last.step,
        phase=last.phase.value,
        reason=last.reason.value,
        fault=last.fault.value,
    )
    if series.last_success_at is not None:
        yield sample("probe_last_success_timestamp_seconds", series.last_success_at)
    if series.consecutive_failures is not None:
        yield sample("probe_consecutive_failures", series.consecutive_failures)
    if series.state_changed_at is not None:
        yield sample("probe_state_change_timestamp_seconds", series.state_changed_at)


def _last_steps(series: Series) -> Iterable[tuple[str, Sample]]:
    sample, last = _Labelled(series), series.last
    if last is None:
        return
    current: dict[str, str] = {}
    for record in last.steps:
        for phase, seconds in () if last.stalled else record.phases.items():
            yield sample("step_last_duration_seconds", seconds, step=record.step, phase=phase.value)
        yield from _flow_facts(sample, record)
        if record.http_status_code is not None:
            yield sample("http_status_code", record.http_status_code, step=record.step)
        if record.flow_status is not None:
            current[record.step] = series.status_label(record.flow_status)
    for (step, status), count in series.statuses.items():
        if count or status in series.target.expected_statuses:
            yield sample("status", int(current.get(step) == status), step=step, status=status)


def _flow_facts(sample: _Labelled, record: StepRecord) -> Iterable[tuple[str, Sample]]:
    for check, passed in record.checks.items():
        yield sample("contract_check", int(passed), step=record.step, check=check)
    if record.lifetime is not None:
        yield sample("lifetime_seconds", record.lifetime, step=record.step)
    if record.clock_skew is not None and record.clock_skew_error is not None:
        yield sample("clock_skew_seconds", record.clock_skew, step=record.step)
        yield sample("clock_skew_error_seconds", record.clock_skew_error, step=record.step)


def _totals_of_steps(series: Series) -> Iterable[tuple[str, Sample]]:
    sample = _Labelled(series)
    for (step, phase), (seconds, count) in series.phase_seconds.items():
        yield sample("step_duration_seconds", count, "_count", step=step, phase=phase.value)
        yield sample("step_duration_seconds", seconds, "_sum", step=step, phase=phase.value)
    for (step, code), count in series.responses.items():
        yield sample("http_responses_total", count, step=step, code=code)
    for (step, status), count in series.statuses.items():
        yield sample("statuses_total", count, step=step, status=status)
    for (step, code), count in series.error_codes.items():
        yield sample("error_codes_total", count, step=step, code=code)
    for step, not_after in series.expiry.items():
        yield sample("tls_certificate_expiry_timestamp_seconds", not_after, step=step)
