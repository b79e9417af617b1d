"""Outcomes as bytes, and back."""

from __future__ import annotations

import gc

from hypothesis import given
from observing.examples import a_checked_step, a_step, a_success
from observing.strategies import outcomes

from exporter.observing.packing import pack, unpack
from exporter.outcome import Outcome, Phase
from exporter.reasons import Reason
from exporter.target import Journey


@given(outcomes())
def test_whatever_is_packed_is_unpacked_again(outcome: Outcome) -> None:
    assert unpack(outcome.target, outcome.journey, pack(outcome)) == outcome


def test_several_steps_and_a_retry_after_are_kept() -> None:
    outcome = a_success(steps=(a_step(), a_checked_step(step="callback")), retry_after=30.0)
    assert unpack("emea", Journey.AUTHORIZE, pack(outcome)) == outcome


def test_what_comes_back_is_of_the_closed_sets_again() -> None:
    outcome = unpack("emea", Journey.AUTHORIZE, pack(a_success()))
    assert outcome.reason is Reason.OK
    assert {type(phase) for phase in outcome.steps[0].phases} == {Phase}
    assert outcome.success


def test_what_is_packed_weighs_little_and_nothing_on_the_garbage_collector() -> None:
    packed = pack(a_success(steps=(a_checked_step(),)))
    assert len(packed) < 400
    assert not gc.is_tracked(packed)
