"""What the pages show is joined of the schedule's plans and history's memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from observing.examples import START, a_failure, a_success, a_target
from scheduling.stage import Stage, perform

from exporter import __version__
from exporter.observing import History
from exporter.outcome import Outcome
from exporter.reasons import Fault, Reason
from exporter.serving import StatusSource
from exporter.target import Journey
from exporter.views import status_source

if TYPE_CHECKING:
    from scheduling.virtual_time import VirtualTime


QUOTA = a_failure(Reason.RATE_LIMITED, Fault.QUOTA)
TARGETS = [a_target(), a_target(name="apac")]


def looked(look: Callable[[StatusSource], None], *outcomes: Outcome, forget: bool = False) -> None:
    """Look at views of two targets, after these outcomes, while their schedule runs."""

    async def scene(stage: Stage, _: VirtualTime) -> None:
        history = History()
        for outcome in outcomes:
            history.observe(outcome)
        if forget:
            history.forget("emea", Journey.AUTHORIZE)
        schedule = stage.schedule(TARGETS)
        schedule.start()
        await asyncio.sleep(0)
        look(status_source(schedule, history, lambda: "https://exporter.example", egress=lambda: None))
        await schedule.stop(grace=1e6)

    perform(scene)


def test_all_that_is_scheduled_is_shown_with_what_is_remembered_of_it() -> None:
    failure = a_failure()

    def look(shown: StatusSource) -> None:
        emea, apac = shown.statuses()
        assert (emea.target, emea.journey) == (TARGETS[0], Journey.AUTHORIZE)
        assert (emea.failing, emea.since, emea.consecutive) == (True, START + 0.3, 1)
        assert (emea.last, emea.decisive) == (QUOTA, failure)
        assert emea.points == ((0.3, "network"), (0.3, "quota"))
        assert (apac.target.name, apac.last, apac.failing) == ("apac", None, None)
        assert None not in {emea.next_run, apac.next_run}

    looked(look, failure, QUOTA)


def test_the_past_of_a_target_is_told_newest_first_and_so_far_as_it_is_shown() -> None:
    failures = [a_failure(ended_at=START + second) for second in range(60)]
    success = a_success(ended_at=START + 99)

    def look(shown: StatusSource) -> None:
        (past,) = shown.history("emea")
        assert past.recent == (success, *reversed(failures))[:50]
        assert past.failures == tuple(reversed(failures))[:50]
        assert past.status.last == success
        (other,) = shown.history("apac")
        assert (other.recent, other.failures) == ((), ())

    looked(look, *failures, success)


def test_of_an_unknown_target_there_is_no_past() -> None:
    def look(shown: StatusSource) -> None:
        assert shown.history("nobody") == ()

    looked(look)


def test_what_history_knows_nothing_of_is_shown_as_not_probed_yet() -> None:
    def look(shown: StatusSource) -> None:
        (emea, _), (past,) = shown.statuses(), shown.history("emea")
        assert (emea.last, emea.failing) == (None, None)
        assert emea.next_run is not None
        assert past.recent == ()

    looked(look, a_failure(), forget=True)


def test_version_and_external_url_are_handed_on() -> None:
    def look(shown: StatusSource) -> None:
        assert (shown.version, shown.external_url()) == (__version__, "https://exporter.example")

    looked(look)


def test_each_page_has_slices_of_its_own() -> None:
    def look(shown: StatusSource) -> None:
        assert shown.start_work() != shown.start_work()

    looked(look)
