"""A bug is counted each time, and logged with its traceback once an hour."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from observing import logfmt
from observing.logs import written

from exporter.internal_errors import MAX_REMEMBERED, REPEAT_SECONDS, InternalErrors, Part

SECRET = "nonce=3f9a"


def first() -> None:
    raise ValueError(SECRET)


def second() -> None:
    raise ValueError(SECRET)


def other() -> None:
    raise KeyError(SECRET)


class Reporting:
    """Reports bugs at times of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.errors = InternalErrors(lambda: self.now)

    def __call__(self, part: Part, bug: Callable[[], None], target: str = "emea") -> None:
        try:
            bug()
        except Exception as error:  # noqa: BLE001  as those who report do
            self.errors.report(part, "observer failed", error, target=target)


def test_a_bug_is_one_line_with_its_traceback_and_without_its_text() -> None:
    report = Reporting()
    (line,) = written(lambda: report(Part.OBSERVER, first))
    logged = logfmt.read(line)
    del logged["ts"]
    assert logged.pop("exception").endswith(f"> {__file__}:{first.__code__.co_firstlineno + 1} first")
    assert logged == {
        "level": "error",
        "msg": "observer failed: a bug in the exporter",
        "part": "observer",
        "target": "emea",
    }
    assert SECRET not in line


def test_each_bug_is_counted_and_logged_once_by_part_kind_and_place() -> None:
    report = Reporting()

    def many() -> None:
        for number in range(10):
            for bug in (first, second, other):
                report(Part.OBSERVER, bug, target=f"t{number}")
            report(Part.PROBE, first)

    lines = written(many)
    assert [logfmt.read(line)["exception"].split()[-1] for line in lines] == [
        "first", "second", "other", "first"
    ]  # fmt: skip
    assert report.errors.counts == dict.fromkeys(Part, 0) | {Part.OBSERVER: 30, Part.PROBE: 10}


def test_a_bug_that_goes_on_is_logged_again_after_an_hour_with_how_often_it_showed() -> None:
    report = Reporting()

    def for_hours() -> None:
        for at in (0.0, 1.0, REPEAT_SECONDS - 1.0, REPEAT_SECONDS, 3 * REPEAT_SECONDS):
            report.now = at
            report(Part.JOB, first)

    assert [logfmt.read(line).get("repeated") for line in written(for_hours)] == [None, "2", None]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("can't start new thread")], ids=repr)
def test_what_we_lack_is_not_called_a_bug(error: Exception) -> None:
    errors = InternalErrors()
    (line,) = written(lambda: errors.report(Part.JOB, "periodic job failed", error))
    assert logfmt.read(line)["msg"] == "periodic job failed: resource exhausted"
    assert errors.counts[Part.JOB] == 1


def test_an_exception_that_was_never_raised_is_a_bug_as_well() -> None:
    errors = InternalErrors()
    (line,) = written(lambda: errors.report(Part.PROBE, "no answer", RuntimeError(SECRET)))
    assert logfmt.read(line)["exception"] == "RuntimeError"


def test_what_is_remembered_is_bounded() -> None:
    errors = InternalErrors(lambda: 0.0)

    def very_many() -> None:
        for number in range(MAX_REMEMBERED + 1):
            errors.report(Part.PROBE, "failed", type(f"Error{number}", (Exception,), {})())
        errors.report(Part.PROBE, "failed", type("Error0", (Exception,), {})())

    assert len(written(very_many)) == MAX_REMEMBERED + 2
