"""The wall clock is set: pages and API go on, and are right again with the next probe."""

from __future__ import annotations

from typing import Any

import pytest
from observing.examples import START, a_failure, a_success, a_target
from serving.examples import a_source, ask, web_app

from exporter.observing import History
from exporter.outcome import Outcome
from exporter.status import LiveFacts

HOUR, DAY = 3600.0, 86_400.0
PATHS = ("/", "/targets/emea", "/api/v1/targets", "/api/v1/targets/emea")


def ended(outcome: Outcome, at: float) -> Any:  # noqa: ANN401  fields of an outcome
    return {"started_at": at - outcome.duration, "ended_at": at}


def shown(now: float, *outcomes: Outcome) -> dict[str, str]:
    """Return what the pages show after these outcomes."""
    history = History([a_target()], LiveFacts(next_run=lambda *_: now + 10))
    for outcome in outcomes:
        history.observe(outcome)
    app = web_app(a_source(*history.statuses(), histories=history.histories("emea"), now=now))
    responses = {path: ask(app, path) for path in PATHS}
    assert {response.status_code for response in responses.values()} == {200}
    return {path: response.text for path, response in responses.items()}


@pytest.mark.parametrize("step", [HOUR, -HOUR, DAY])
def test_a_step_of_the_clock_makes_no_target_fail_and_hides_no_failure(step: float) -> None:
    good = [a_success(**ended(a_success(), START + 60 * number)) for number in range(4)]
    stepped = START + step + 250
    pages = shown(stepped, *good)
    assert " failing since" not in pages["/"]
    pages = shown(stepped + 60, *good, a_success(**ended(a_success(), stepped + 50)))
    assert "1 of 1 federations healthy." in pages["/"]
    bad = [a_failure(**ended(a_failure(), stepped + 50 + 60 * number)) for number in range(3)]
    pages = shown(stepped + 180, *good, *bad)
    assert "1 of 1 federations failing since" in pages["/"]
    assert '"in_a_row":3' in pages["/api/v1/targets"]
    pages = shown(stepped + 240, *good, *bad, a_success(**ended(a_success(), stepped + 230)))
    assert '"state":"succeeding"' in pages["/api/v1/targets"]
