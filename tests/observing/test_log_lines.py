"""How log lines look, from which level on they are written, and what they never contain."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from observing import logfmt
from observing.logs import logging_alone, written

from exporter.observing import set_log_level

SECRET = "nonce-5f2c"
own = logging.getLogger("exporter.some.package")


def only(log: Callable[[], object]) -> dict[str, str]:
    """Return the pairs of the one line that came of calling `log`."""
    (line,) = written(log)
    return logfmt.read(line)


# Lines


def test_a_line_of_logfmt_starts_with_time_level_and_message() -> None:
    (line,) = written(lambda: own.info("target up", extra={"target": "emea", "success": True}))
    assert list(logfmt.read(line)) == ["ts", "level", "msg", "target", "success"]
    assert line.endswith('level=info msg="target up" target=emea success=true')


def test_a_line_of_json_starts_with_time_level_and_message_and_keeps_types() -> None:
    (line,) = written(
        lambda: own.warning(
            "target down", extra={"success": False, "seconds": 0.5, "steps": [{"step": "authorize"}]}
        ),
        style="json",
    )
    values = json.loads(line)
    assert list(values) == ["ts", "level", "msg", "success", "seconds", "steps"]
    del values["ts"]
    assert values == {
        "level": "warning",
        "msg": "target down",
        "success": False,
        "seconds": 0.5,
        "steps": [{"step": "authorize"}],
    }


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_the_time_is_that_of_logging_not_of_writing(style: str) -> None:
    record = logging.LogRecord("exporter.x", logging.INFO, __file__, 1, "long ago", None, None)
    record.created = datetime(2020, 2, 29, 12, 0, 0, 250_000, tzinfo=UTC).timestamp()
    (line,) = written(lambda: own.handle(record), style=style)
    values = json.loads(line) if style == "json" else logfmt.read(line)
    assert values["ts"] == "2020-02-29T12:00:00.250Z"


def test_logfmt_has_the_last_step_and_its_phases() -> None:
    steps = [
        {"step": "first", "phases": {"connect": 0.5}, "http_status_code": 302},
        {
            "step": "authorize",
            "phases": {"resolve": 0.25},
            "http_status_code": 400,
            "error_codes": ["A", "B"],
        },
    ]
    line = only(lambda: own.info("x", extra={"step": "authorize", "steps": steps}))
    assert line["step"] == "authorize"
    assert line["http_status_code"] == "400"
    assert line["error_codes"] == "A,B"
    assert line["resolve_seconds"] == "0.25"
    assert "connect_seconds" not in line
    assert "steps" not in line
    assert "phases" not in line


def test_logfmt_has_checks_and_tls_as_values_that_can_be_filtered() -> None:
    step = {
        "step": "authorize",
        "phases": {},
        "checks": {"id": True, "self_link": False, "lifetime": False},
        "tls": {"version": "TLSv1.3", "not_after": "2026-12-24T00:00:00.000Z"},
    }
    line = only(lambda: own.info("x", extra={"steps": [step]}))
    assert line["checks_failed"] == "self_link,lifetime"
    assert (line["tls_version"], line["tls_not_after"]) == ("TLSv1.3", "2026-12-24T00:00:00.000Z")
    assert not {"checks", "tls"} & set(line)


def test_logfmt_of_a_probe_without_steps_has_the_other_facts() -> None:
    assert only(lambda: own.info("x", extra={"steps": [], "target": "emea"})).keys() == {
        "ts",
        "level",
        "msg",
        "target",
    }


# Forgery

FORGED = 'a\nts=1 level=error msg="forged"\r\x1b[31m\x85\u2028\x00 "b" \\n c=d'


@given(st.text(st.characters(codec=None)))
@example(FORGED)
def test_no_text_breaks_its_line_or_leaks_into_another_value(text: str) -> None:
    line = only(lambda: own.info("%s", text, extra={"value": text}))
    assert line.keys() == {"ts", "level", "msg", "value"}
    assert line["msg"] == line["value"]
    if text.isprintable():
        assert line["value"] == text


@given(st.text(st.characters(codec=None)))
def test_every_text_is_read_back_from_its_one_line_of_json(text: str) -> None:
    (line,) = written(lambda: own.info("%s", text, extra={"value": [text]}), style="json")
    assert line.isascii()
    assert line.isprintable()
    assert (json.loads(line)["msg"], json.loads(line)["value"]) == (text, [text])


@pytest.mark.parametrize(
    "value", [Path("a\r\x1b[31mb c"), {"key\x85": "a\nb"}, ("a\u2028",), UnicodeError("a\rb")]
)
def test_values_of_other_types_forge_nothing_either(value: object) -> None:
    assert only(lambda: own.info("x", extra={"value": value})).keys() == {"ts", "level", "msg", "value"}


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_an_exception_as_a_value_is_shown_by_its_type(style: str) -> None:
    (line,) = written(lambda: own.info("x", extra={"error": OSError(SECRET)}), style=style)
    assert (json.loads(line) if style == "json" else logfmt.read(line))["error"] == "OSError"


# Exceptions


def failing(cause: BaseException | None = None) -> None:
    try:
        raise ValueError(f"https://auth.pingone.eu/as/authorize?nonce={SECRET}") from cause  # noqa: TRY301  the place is what is shown
    except ValueError:
        own.exception("probe failed by our own fault")


@pytest.mark.parametrize("style", ["logfmt", "json"])
def test_an_exception_is_logged_by_type_and_location_without_its_message(style: str) -> None:
    (line,) = written(failing, style=style)
    values = json.loads(line) if style == "json" else logfmt.read(line)
    first = failing.__code__.co_firstlineno
    assert values["exception"] == f"ValueError at {__file__}:{first + 2} failing"
    assert SECRET not in line
    assert "pingone.eu" not in line


def test_the_calls_that_led_to_an_exception_are_shown_from_the_outermost_to_where_it_was_raised() -> None:
    def raising() -> None:
        raise ValueError(SECRET)

    def calling() -> None:
        try:
            raising()
        except ValueError:
            own.exception("failed")

    (line,) = written(calling)
    places = [
        f"{__file__}:{calling.__code__.co_firstlineno + 2} calling",
        f"{__file__}:{raising.__code__.co_firstlineno + 1} raising",
    ]
    assert logfmt.read(line)["exception"] == f"ValueError at {' > '.join(places)}"


def test_causes_follow_what_they_caused_without_their_messages() -> None:
    def nested() -> None:
        try:
            {"known": 1}[SECRET]
        except KeyError as error:
            failing(error)

    (line,) = written(nested)
    shown = logfmt.read(line)["exception"].split(" <- ")
    assert [text.split(" ")[0] for text in shown] == ["ValueError", "KeyError"]
    assert shown[1].endswith(" nested")
    assert SECRET not in line


def test_the_exception_being_handled_is_shown_too() -> None:
    def nested() -> None:
        try:
            raise OSError(SECRET)  # noqa: TRY301  likewise
        except OSError:
            failing()

    (line,) = written(nested)
    assert " <- OSError at " in logfmt.read(line)["exception"]
    assert SECRET not in line


def test_the_members_of_a_group_are_shown_with_their_causes() -> None:
    def several() -> list[Exception]:
        found: list[Exception] = []
        for kind in (OSError, RuntimeError):
            try:
                try:
                    raise KeyError(SECRET)  # noqa: TRY301  the place is what is shown
                except KeyError as error:
                    raise kind(SECRET) from error
            except kind as error:
                found.append(error)
        return found

    def grouped() -> None:
        try:
            raise ExceptionGroup(SECRET, several())  # noqa: TRY301  likewise
        except ExceptionGroup:
            own.exception("x")

    (line,) = written(grouped)
    shown = logfmt.read(line)["exception"].split(" <- ")
    assert [text.split(" ")[0] for text in shown] == [
        "ExceptionGroup", "OSError", "KeyError", "RuntimeError", "KeyError"
    ]  # fmt: skip
    assert all(f" at {__file__}:" in text for text in shown)
    assert SECRET not in line


def test_a_line_stays_bounded_however_many_causes_there_are() -> None:
    group = ExceptionGroup(SECRET, [ValueError(SECRET) for _ in range(1000)])
    shown = only(lambda: own.error("x", exc_info=group))["exception"].split(" <- ")
    assert shown == ["ExceptionGroup", *["ValueError"] * 19]


def test_exceptions_that_cause_each_other_are_shown_once() -> None:
    def circular() -> None:
        first, second = ValueError(SECRET), KeyError(SECRET)
        first.__cause__, second.__cause__ = second, first
        own.error("x", exc_info=first)

    assert only(circular)["exception"] == "ValueError <- KeyError"


def test_exc_info_without_an_exception_is_ignored() -> None:
    assert "exception" not in only(lambda: own.error("x", exc_info=True))


# Levels


@pytest.mark.parametrize(
    ("level", "levels"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_own_lines_are_written_from_the_level_on(level: str, levels: list[str]) -> None:
    def log() -> None:
        for each in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            own.log(each, "x")

    assert [logfmt.read(line)["level"] for line in written(log, level=level)] == levels


@pytest.mark.parametrize("library", ["httpx", "httpcore.http11", "apscheduler.scheduler", "asyncio"])
def test_lines_of_libraries_are_written_from_warning_on(
    library: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.NOTSET, logger=library)  # a schedule of another test may have set it

    def log() -> None:
        logger = logging.getLogger(library)
        logger.debug("send_request_headers %s", SECRET)
        logger.info("HTTP Request: GET https://auth.pingone.eu/?nonce=%s", SECRET)
        logger.warning("shown")

    (line,) = written(log, level="debug")
    assert logfmt.read(line)["msg"] == "shown"


def test_nothing_is_written_after_the_context() -> None:
    stream = io.StringIO()
    with logging_alone(stream):
        pass
    own.warning("too late")
    assert stream.getvalue() == ""


def test_the_level_may_change_at_any_time() -> None:
    def log() -> None:
        own = logging.getLogger("exporter.test")
        own.info("before")
        set_log_level("debug")
        own.debug("between")
        set_log_level("error")
        own.warning("after")

    assert [logfmt.read(line)["msg"] for line in written(log, level="info")] == ["before", "between"]
