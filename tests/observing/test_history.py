"""What is remembered of outcomes for people."""

from __future__ import annotations

from observing.examples import a_failure, a_success

from exporter.observing import History
from exporter.target import Journey


def test_before_the_first_outcome_there_is_none() -> None:
    assert History().last("emea", Journey.AUTHORIZE) is None


def test_the_last_outcome_takes_the_place_of_the_one_before() -> None:
    history, last = History(), a_failure()
    history.observe(a_success())
    history.observe(last)
    assert history.last("emea", Journey.AUTHORIZE) is last


def test_targets_are_remembered_apart() -> None:
    history, emea, apac = History(), a_success(), a_failure(target="apac")
    history.observe(emea)
    history.observe(apac)
    assert history.last("emea", Journey.AUTHORIZE) is emea
    assert history.last("apac", Journey.AUTHORIZE) is apac


def test_a_target_that_is_forgotten_is_as_if_it_had_never_been() -> None:
    history = History()
    history.observe(a_success())
    history.observe(a_failure(target="apac"))
    history.forget("emea", Journey.AUTHORIZE)
    history.forget("emea", Journey.AUTHORIZE)
    assert history.last("emea", Journey.AUTHORIZE) is None
    assert history.last("apac", Journey.AUTHORIZE) is not None
