"""A script is read with every mistake in its place, and played by the clock it is given."""

from __future__ import annotations

import asyncio
import logging
from itertools import islice

import pytest
from simulator.desk import ENVIRONMENT_ID, Clock, emea

from exporter.simulator import Change, Script, ScriptError, Weather, read_script
from exporter.simulator.script import check_script, play


def change(after: float, kind: str, environment: str = "emea") -> Change:
    return Change(after=after, environment=environment, weather=Weather.of(kind))


# Reading


def test_a_list_of_changes_is_put_in_the_order_of_time() -> None:
    script = read_script(
        """
- {after: 1m30s, environment: EMEA, weather: healthy}
- after: 500ms
  environment: us_retail
  weather: slow
  ms: 800
"""
    )
    assert script.repeat is None
    assert [(each.after, each.environment, each.weather) for each in script.changes] == [
        (0.5, "us_retail", Weather.of("slow", ms=800)),
        (90.0, "emea", Weather()),
    ]


def test_a_script_with_a_period_has_its_changes_under_a_key() -> None:
    script = read_script("repeat: 2m\nchanges:\n  - {after: 0, environment: emea, weather: reset}\n")
    assert (script.repeat, script.changes[0].after) == (120.0, 0.0)


def test_json_is_yaml() -> None:
    text = '[{"after": "1d2h3m4s5ms", "environment": "emea", "weather": "flaky", "ratio": 0.25}]'
    assert read_script(text).changes[0].after == 93_784.005


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a script is a list of changes such as {after: 30s, environment: emea, weather: slow}"),
        ("[]", "a script is a list of changes such as {after: 30s, environment: emea, weather: slow}"),
        (
            "changes: 3",
            "a script is a list of changes such as {after: 30s, environment: emea, weather: slow}",
        ),
        (
            "- weather: slow\n- 7\n",
            (
                "line 1, change 1: after and environment must be there\n"
                "line 2, change 2: a change is a mapping "
                "such as {after: 30s, environment: emea, weather: slow}"
            ),
        ),
        (
            "\n\n- {after: 30, environment: emea, weather: slow}",
            "line 3, change 1: after must be a duration such as 500ms, 30s or 1m30s, not 30",
        ),
        (
            "- {after: 30s, environment: emea, weather: sunny}",
            'line 1, change 1: unknown weather "sunny"; one of healthy,',
        ),
        (
            "- {after: 30s, environment: 7, weather: slow}",
            "line 1, change 1: environment must be a name or an id, not 7",
        ),
        (
            "- {after: 30s, environment: emea, weather: slow, sec: 1}",
            'line 1, change 1: slow has no parameter "sec"; it has ms, jitter',
        ),
        (
            "- {after: 30s, environment: a, weather: slow}\n- after: 1s\n  environment: b\n  after: 2s\n",
            "line 4, change 2: after is given twice",
        ),
        (
            "repeat: 30s\nchanges:\n- {after: 30s, environment: emea, weather: slow}",
            "repeat must be longer than the last change's after",
        ),
        (
            "repeat: soon\nevery: 1s\nchanges:\n- {after: 30s, environment: emea, weather: slow}",
            (
                "unknown key 'every'; there are repeat and changes\n"
                "repeat must be a duration such as 500ms, 30s or 1m30s, not 'soon'"
            ),
        ),
        (
            "- {after: 367d, environment: emea, weather: slow}",
            "line 1, change 1: after must be at most a year",
        ),
        ("- {after: 30s\n- 7", "line 2: not YAML: "),
        ("- !!python/object:os.system {}", "line 1: not YAML: could not determine a constructor"),
        ("- 2026-99-99", "not YAML: month must be in 1..12"),
        ("[" * 1500, "not YAML: maximum recursion depth exceeded"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(ScriptError) as caught:
        read_script(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["", "s", "1", "1s1m", "-1s", "1.5s", "1 s", "٣s", "true", "null"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ScriptError, match="after must be a duration"):
        read_script(f"- {{after: {text or repr('')}, environment: emea, weather: slow}}")


def test_a_script_must_fit_the_world_it_is_about() -> None:
    fitting = Script(changes=(change(0, "slow"), change(1, "slow", ENVIRONMENT_ID)))
    check_script(fitting, [emea()])
    unfit = read_script(
        "- {after: 0, environment: apac, weather: slow}\n"
        "- {after: 1s, environment: emea, weather: tls_expired}"
    )
    with pytest.raises(ScriptError) as caught:
        check_script(unfit, [emea()])
    assert str(caught.value).splitlines() == [
        "line 1, change 1: no environment has the name or id apac",
        "line 2, change 2: emea is served over http; tls_expired needs an environment with https",
    ]


def test_a_script_made_in_code_has_no_lines_to_name() -> None:
    with pytest.raises(ScriptError, match=r"^no environment has the name or id apac$"):
        check_script(Script(changes=(change(0, "slow", "apac"),)), [emea()])


# Playing


def test_a_script_that_repeats_has_no_end() -> None:
    script = Script(changes=(change(0, "reset"), change(10, "healthy")), repeat=60)
    times = [at for at, _ in islice(script.over_time(), 5)]
    assert times == [0, 10, 60, 70, 120]


def test_a_script_without_changes_ends_even_if_it_repeats() -> None:
    assert list(Script(changes=(), repeat=1).over_time()) == []


def test_changes_are_made_when_they_are_due_by_the_given_clock() -> None:
    clock = Clock(now=1000.0)
    made: list[tuple[float, str, str]] = []

    def note(environment: str, weather: Weather) -> None:
        made.append((clock.now, environment, weather.kind))

    script = Script(
        changes=(change(0, "slow"), change(30, "reset"), change(30, "silent", "us"), change(90, "healthy"))
    )
    asyncio.run(play(script, note, clock, clock.sleep))
    assert made == [
        (1000.0, "emea", "slow"),
        (1030.0, "emea", "reset"),
        (1030.0, "us", "silent"),
        (1090.0, "emea", "healthy"),
    ]
    assert clock.slept == [30.0, 60.0]


def test_a_sleep_that_ends_too_early_is_slept_again() -> None:
    clock = Clock(now=0.0)
    made: list[float] = []

    async def nap(seconds: float) -> None:
        await clock.sleep(seconds / 2 if seconds > 1 else seconds)

    script = Script(changes=(change(8, "reset"),))
    asyncio.run(play(script, lambda _, __: made.append(clock.now), clock, nap))
    assert made == [8.0]
    assert clock.slept == [4.0, 2.0, 1.0, 1.0]


def test_a_script_that_is_late_makes_up_for_it_in_order_without_drifting() -> None:
    clock = Clock(now=0.0)
    made: list[tuple[float, str]] = []

    def note(_: str, weather: Weather) -> None:
        made.append((clock.now, weather.kind))
        clock.now += 25 if len(made) == 1 else 0  # the first change takes as long as the next two last

    script = Script(
        changes=(change(0, "slow"), change(10, "reset"), change(20, "silent"), change(40, "healthy"))
    )
    asyncio.run(play(script, note, clock, clock.sleep))
    assert made == [(0.0, "slow"), (25.0, "reset"), (25.0, "silent"), (40.0, "healthy")]


def test_a_change_that_fails_for_a_taken_port_is_logged_and_the_script_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock(now=0.0)
    made: list[str] = []

    def taken(environment: str, weather: Weather) -> None:
        if weather.kind == "refused":
            raise OSError(98, "Address already in use")
        made.append(environment)

    with caplog.at_level(logging.ERROR):
        asyncio.run(
            play(Script(changes=(change(0, "refused"), change(1, "healthy"))), taken, clock, clock.sleep)
        )
    assert made == ["emea"]
    assert [record.getMessage() for record in caplog.records] == [
        "simulator: emea: refused: [Errno 98] Address already in use"
    ]
