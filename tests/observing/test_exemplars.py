"""From a point in a graph to the probe behind it: exemplars, as OpenMetrics' own parser reads them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from observing.examples import BUCKETS, START, a_failure, a_success, a_target, page
from observing.strategies import sequences

from exporter.observing import Metrics
from exporter.outcome import Outcome, Phase
from exporter.reasons import Fault, Reason

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

CONNECT = {"reason": "connect", "fault": "network"}


class Exemplar(NamedTuple):
    """The content of an exemplar."""

    transaction_id: str
    value: float
    at: float


def observed(*outcomes: Outcome) -> Metrics:
    metrics = Metrics([a_target()], buckets=BUCKETS, wall=lambda: START)
    for outcome in outcomes:
        metrics.observe(outcome)
    return metrics


def with_exemplars(metrics: Metrics) -> list[Sample]:
    return [
        sample
        for family in page(metrics, openmetrics=True).families
        for sample in family.samples
        if sample.exemplar is not None
    ]


def exemplars(metrics: Metrics, name: str, label: str) -> dict[str, Exemplar]:
    """Return the exemplars of a family's samples, by the value of one of its labels."""
    found = {}
    for sample in with_exemplars(metrics):
        if sample.name == f"pingone_flow_{name}" and sample.exemplar is not None:
            assert sample.exemplar.labels.keys() == {"transaction_id"}
            assert sample.exemplar.timestamp is not None
            found[sample.labels[label]] = Exemplar(
                sample.exemplar.labels["transaction_id"],
                sample.exemplar.value,
                float(sample.exemplar.timestamp),
            )
    return found


def buckets(metrics: Metrics) -> dict[str, Exemplar]:
    return exemplars(metrics, "probe_duration_seconds_bucket", "le")


def failures(metrics: Metrics) -> dict[str, Exemplar]:
    return exemplars(metrics, "probes_total", "reason")


def a_success_of(number: int, duration: float, *, stalled: bool = False) -> Outcome:
    return a_success(
        transaction_id=f"tx-{number}", duration=duration, ended_at=START + number, stalled=stalled
    )


def test_before_the_first_outcome_there_is_none() -> None:
    assert with_exemplars(observed()) == []


def test_each_bucket_leads_to_the_last_success_that_fell_into_it_and_into_no_lower_one() -> None:
    durations = (0.05, 0.3, 0.4, 0.5, 60.0)
    metrics = observed(*(a_success_of(number, seconds) for number, seconds in enumerate(durations)))
    assert buckets(metrics) == {
        "0.1": ("tx-0", 0.05, START + 0),
        "0.5": ("tx-3", 0.5, START + 3),
        "+Inf": ("tx-4", 60.0, START + 4),
    }


def test_neither_a_failure_nor_a_stalled_success_is_behind_a_bucket() -> None:
    metrics = observed(
        a_success_of(1, 0.3),
        a_success_of(2, 0.4, stalled=True),
        a_failure(transaction_id="tx-3", duration=0.4),
    )
    assert buckets(metrics) == {"0.5": ("tx-1", 0.3, START + 1)}


def test_each_kind_of_failure_leads_to_its_last_probe_and_successes_to_none() -> None:
    metrics = observed(
        a_failure(transaction_id="tx-1", ended_at=START + 1.25),
        a_failure(transaction_id="tx-2", ended_at=START + 2.25),
        a_failure(Reason.TLS, Fault.PROVIDER, Phase.TLS, transaction_id="tx-3", ended_at=START + 3),
        a_failure(Reason.INTERNAL, Fault.EXPORTER, transaction_id="tx-4", ended_at=START + 4, stalled=True),
        a_success_of(5, 0.3),
    )
    assert failures(metrics) == {
        "connect": ("tx-2", 1.0, START + 2.25),
        "tls": ("tx-3", 1.0, START + 3),
        "internal": ("tx-4", 1.0, START + 4),
    }
    assert page(metrics, openmetrics=True).value("pingone_flow_probes_total", **CONNECT) == 2


def test_one_reason_of_two_faults_leads_to_the_probe_of_each() -> None:
    metrics = observed(
        *(
            a_failure(Reason.TLS, fault, Phase.TLS, transaction_id=f"tx-{fault}")
            for fault in (Fault.PROVIDER, Fault.NETWORK)
        )
    )
    assert {
        fault: found.transaction_id for fault, found in exemplars(metrics, "probes_total", "fault").items()
    } == {
        "provider": "tx-provider",
        "network": "tx-network",
    }


def test_the_text_format_has_none() -> None:
    text = page(observed(a_success_of(1, 0.3), a_failure(transaction_id="tx-2"))).text
    assert "tx-" not in text
    assert not [line for line in text.splitlines() if not line.startswith("#") and "#" in line]


@given(sequences)
def test_exemplars_are_where_openmetrics_has_them_short_enough_and_of_the_value_they_stand_at(
    outcomes: list[Outcome],
) -> None:
    by_id = {outcome.transaction_id: outcome for outcome in outcomes}
    for sample in with_exemplars(observed(*outcomes)):
        exemplar = sample.exemplar
        assert exemplar is not None
        assert re.search("_(bucket|total)$", sample.name)
        # OpenMetrics 1.0.0, "Exemplars": names and values together at most 128 characters.
        assert sum(len(name) + len(value) for name, value in exemplar.labels.items()) <= 128
        outcome = by_id[exemplar.labels["transaction_id"]]
        if sample.name.endswith("_bucket"):
            assert outcome.success
            assert not outcome.stalled
            assert exemplar.value == outcome.duration <= float(sample.labels["le"])
        else:
            assert (sample.labels["reason"], sample.labels["fault"]) == (outcome.reason, outcome.fault)
            assert not outcome.success
