"""Every kind of weather has its signs, and they are such as an exporter can report."""

from __future__ import annotations

import pytest

from exporter.outcome import Phase
from exporter.reasons import FAULTS, Reason
from exporter.simulator import Kind
from exporter.simulator.signs import SIGNS


@pytest.mark.parametrize("kind", Kind)
def test_the_signs_of_a_kind_are_pairs_that_occur(kind: Kind) -> None:
    assert SIGNS[kind]
    for sign in SIGNS[kind]:
        assert sign.fault in FAULTS[sign.reason]


@pytest.mark.parametrize("kind", Kind)
def test_only_what_ends_in_transfer_has_a_code(kind: Kind) -> None:
    for sign in SIGNS[kind]:
        assert (sign.code is not None) is (sign.phase is Phase.TRANSFER)


def test_weather_that_does_no_harm_is_ok() -> None:
    harmless = {kind for kind, signs in SIGNS.items() if {sign.reason for sign in signs} == {Reason.OK}}
    assert harmless == {Kind.HEALTHY, Kind.SLOW, Kind.CLOCK_SKEWED}
