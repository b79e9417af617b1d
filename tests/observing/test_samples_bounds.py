"""What holds of the samples of any outcomes at all."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from observing.examples import (
    BUCKETS,
    START,
    a_series,
)
from observing.strategies import sequences

from exporter.observing.catalogue import FLOW
from exporter.observing.samples import samples
from exporter.observing.series import CODES_FROM_THE_START, Series
from exporter.outcome import CHECKS, KNOWN_STATUSES, Outcome, Phase, SkipCause
from exporter.probing.errors import KNOWN_CODES


def counters(series: Series) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in FLOW
        if family.kind != "gauge"
        for sample in samples(series).get(family.name, ())
    }


@given(sequences)
def test_no_counter_ever_goes_down_or_away(outcomes: list[Outcome]) -> None:
    series = a_series()
    before = counters(series)
    for outcome in outcomes:
        series.observe(outcome)
        after = counters(series)
        assert all(after[key] >= value for key, value in before.items())
        before = after


@given(sequences)
def test_every_sample_is_catalogued_with_its_labels_and_there_once(
    outcomes: list[Outcome],
) -> None:
    found = samples(a_series(*outcomes))
    families = {family.name: family for family in FLOW}
    for name, of_family in found.items():
        assert {tuple(sample.labels) for sample in of_family} <= {
            families[name].labels,
            (*families[name].labels, "le"),
        }
        ids = Counter((sample.name, tuple(sample.labels.items())) for sample in of_family)
        assert set(ids.values()) == {1}


@given(sequences)
def test_how_many_samples_there_are_is_bounded_by_the_configuration(outcomes: list[Outcome]) -> None:
    series = a_series(*outcomes, expected=("A", "B"))
    series.hold_back(START)
    statuses, codes, phases = len(KNOWN_STATUSES | {"A", "B", "UNKNOWN"}), 20 + 1, len(Phase)
    most = {
        "probes_total": 23,
        "probe_duration_seconds": len(BUCKETS) + 3,
        "exporter_probes_skipped_total": len(SkipCause),
        "step_duration_seconds": 2 * phases,
        "step_last_duration_seconds": phases,
        "http_responses_total": codes,
        "statuses_total": statuses,
        "status": statuses,
        "error_codes_total": len(KNOWN_CODES) + 1,
        "contract_check": len(CHECKS),
    }
    assert len(CODES_FROM_THE_START) < codes
    for name, of_family in samples(series).items():
        assert len(of_family) <= most.get(name.removeprefix("pingone_flow_"), 1)
