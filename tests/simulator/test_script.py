"""A script is read with every error in its place, and played by the clock it is given."""

from __future__ import annotations

import asyncio
import socket

import pytest
from harness.simulated import Simulated
from harness.waiting import poll
from simulator.examples import ENVIRONMENT_ID, FakeClock, emea, other_id

from exporter.simulator import (
    Change,
    Script,
    Weather,
    WeatherError,
    parse_weather,
    read_script,
    simulator,
)

ENVIRONMENTS = (emea(), emea(name="us_retail", id=other_id(1)))


def read(text: str) -> Script:
    return read_script(text, ENVIRONMENTS)


def weather(kind: str, **parameters: float) -> Weather:
    return parse_weather({"weather": kind, **parameters})


def change(after: float, kind: str) -> Change:
    return Change(after=after, environment="emea", weather=weather(kind))


# Reading


def test_a_list_of_changes_is_put_in_the_order_of_time() -> None:
    script = read(
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
        (0.5, "us_retail", weather("slow", ms=800)),
        (90.0, "emea", weather("healthy")),
    ]


def test_json_is_yaml() -> None:
    text = '[{"after": "1d2h3m4s5ms", "environment": "emea", "weather": "flaky", "ratio": 0.25}]'
    assert read(text).changes[0].after == 93_784.005


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
                "line 1, change 1: a change has after, environment and weather, "
                "as in {after: 30s, environment: emea, weather: slow}\n"
                "line 2, change 2: a change has after, environment and weather, as in {"
            ),
        ),
        (
            "\n\n- {after: 30, environment: emea, weather: slow}",
            "line 3, change 1: after: invalid duration; use e.g. 500ms, 30s, 1m30s or 2h",
        ),
        (
            "- {after: 30s, environment: emea, weather: sunny}",
            'line 1, change 1: unknown weather "sunny"; use one of healthy,',
        ),
        (
            "- {after: 30s, environment: 7, weather: slow}",
            "line 1, change 1: no environment has the name or id 7",
        ),
        (
            f"- {{after: 0x{'f' * 4000}, environment: emea, weather: slow}}",
            "line 1, change 1: Exceeds the limit (4300 digits) for integer string conversion",
        ),
        (
            "- {after: 30s, environment: emea, weather: slow, sec: 1}",
            'line 1, change 1: slow has no parameter "sec"; it has ms, jitter',
        ),
        ("- {after: 30s\n- 7", "line 2: invalid YAML: "),
        ("- !!python/object:os.system {}", "line 1: invalid YAML: could not determine a constructor"),
        ("- 2026-99-99", "invalid YAML: month must be in 1..12"),
        ("[" * 1500, "invalid YAML: maximum recursion depth exceeded"),
    ],
)
def test_an_error_has_its_line(text: str, message: str) -> None:
    with pytest.raises(WeatherError) as caught:
        read(text)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["", "s", "1", "1s1m", "-1s", "1.5s", "1 s", "٣s", "true", "null"])
def test_an_invalid_duration_is_rejected(text: str) -> None:
    with pytest.raises(WeatherError, match="after: invalid duration"):
        read(f"- {{after: {text or repr('')}, environment: emea, weather: slow}}")


def test_an_environment_is_given_by_name_or_id() -> None:
    script = read(
        "- {after: 0, environment: emea, weather: slow}\n"
        f"- {{after: 1s, environment: {ENVIRONMENT_ID.upper()}, weather: slow}}"
    )
    assert [each.environment for each in script.changes] == ["emea", "emea"]


def test_a_script_must_fit_the_environments_it_is_about() -> None:
    with pytest.raises(WeatherError) as caught:
        read(
            "- {after: 0, environment: apac, weather: slow}\n"
            "- {after: 1s, environment: emea, weather: tls_expired}"
        )
    assert str(caught.value).splitlines() == [
        "line 1, change 1: no environment has the name or id apac",
        "line 2, change 2: emea is served over http; tls_expired needs an environment with https",
    ]


# Playing


def test_a_script_without_changes_ends_also_if_it_repeats() -> None:
    async def scenario() -> None:
        async with simulator([emea()], script=Script(changes=(), repeat=1)):
            await asyncio.sleep(0)  # it would hold the event loop

    asyncio.run(scenario())


class SteppedClock(FakeClock):
    """A clock with sleeps that end when the test lets them, some of them too early."""

    def __init__(self) -> None:
        super().__init__(now=0.0)
        self.asleep = asyncio.Event()
        self.steps = asyncio.Semaphore(0)
        self.share = 1.0

    async def let_pass(self, seconds: float) -> None:
        self.asleep.set()
        await self.steps.acquire()
        self.slept.append(seconds)
        self.now += seconds * self.share

    async def step(self) -> None:
        """Let one sleep end, and return when the next one begins."""
        await self.asleep.wait()
        self.asleep.clear()
        self.steps.release()
        await self.asleep.wait()


def test_changes_are_made_when_they_are_due_by_the_given_clock_over_and_over() -> None:
    async def scenario() -> list[tuple[float, str]]:
        clock = SteppedClock()
        script = Script(changes=(change(0, "reset"), change(30, "maintenance")), repeat=60)
        seen = []
        async with simulator([emea()], script=script, clock=clock) as running:
            await clock.asleep.wait()
            for _ in range(4):
                seen.append((clock.now, running.environments["emea"].weather.kind))
                await clock.step()
        return seen

    assert asyncio.run(scenario()) == [
        (0.0, "reset"),
        (30.0, "maintenance"),
        (60.0, "reset"),
        (90.0, "maintenance"),
    ]


def test_a_sleep_that_ends_too_early_is_repeated() -> None:
    async def scenario() -> list[float]:
        clock = SteppedClock()
        clock.share = 0.5
        script = Script(changes=(change(8, "reset"), change(99, "healthy")))
        async with simulator([emea()], script=script, clock=clock) as running:
            for _ in range(3):
                await clock.step()
                assert running.environments["emea"].weather == weather("healthy")
        return clock.slept

    assert asyncio.run(scenario()) == [8.0, 4.0, 2.0]


def test_a_script_that_is_late_catches_up_in_order_without_drifting() -> None:
    async def scenario() -> tuple[list[float], str]:
        clock = SteppedClock()
        clock.share = 2.5  # the first sleep of 10 s ends at 25 s
        changes = (change(10, "slow"), change(20, "reset"), change(40, "healthy"))
        async with simulator([emea()], script=Script(changes=changes), clock=clock) as running:
            await clock.step()
            return clock.slept, running.environments["emea"].weather.kind

    assert asyncio.run(scenario()) == ([10.0], "reset")


def test_a_script_that_has_ended_lets_the_simulator_run() -> None:
    script = Script(changes=(change(0, "error_json"),))
    with Simulated([emea()], script=script) as simulated:
        kind = poll(
            lambda: simulated.environment("emea").weather.kind,
            lambda kind: kind == "error_json",
            what="the change",
        )
        assert kind == "error_json"


def test_a_change_that_fails_for_a_taken_port_is_logged_and_the_script_continues(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        clock = SteppedClock()
        changes = (change(0, "refused"), change(1, "healthy"), change(2, "flow_failed"), change(3, "reset"))
        async with simulator([emea()], script=Script(changes=changes), clock=clock) as running:
            environment = running.environments["emea"]
            await clock.asleep.wait()
            with socket.socket() as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                other.bind(("127.0.0.1", environment.port))
                other.listen()
                await clock.step()
            await clock.step()
            assert environment.weather == weather("flow_failed")

    asyncio.run(scenario())
    (message,) = [record.getMessage() for record in caplog.records]
    assert message.startswith("simulator: emea: healthy: [Errno 98] ")
