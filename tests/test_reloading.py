"""One reload at a time, all or nothing, and whoever asked is told how it went."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from harness.variables import target_variables
from observing import logfmt
from observing.logs import written

from exporter import reloading
from exporter.reloading import MOST_MISTAKES, Apply, Pace, Reloaded, Reloader, difference
from exporter.settings import Config, ConfigurationError, InvalidSetting, load


def settings(directory: Path, *names: str, **more: str) -> Config:
    variables = {f"FLOW_EXPORTER_{name.upper()}": value for name, value in more.items()}
    for name in names or ("emea",):
        variables |= target_variables(name, "http://127.0.0.1:1")
    return load(variables, directory)


@dataclass(slots=True)
class House:
    """A reloader with one part, and what becomes of both.

    Args:
        before: the settings in force.
        files: what `load` does, in turn; the last one again and again.
    """

    before: Config
    files: list[Config | Exception]
    applied: list[Config] = field(default_factory=list)
    told: list[bool] = field(default_factory=list)
    loads: int = 0
    under_way: int = 0
    most_under_way: int = 0
    gate: threading.Event = field(default_factory=threading.Event)
    loading: threading.Event = field(default_factory=threading.Event)
    loop_waits: bool = False
    refusal: Exception | None = None
    bug: Exception | None = None

    def load(self) -> Config:
        assert threading.current_thread() is not threading.main_thread()
        self.loads += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        self.loading.set()
        if self.loop_waits:
            self.gate.wait(30.0)
        self.under_way -= 1
        found = self.files.pop(0) if len(self.files) > 1 else self.files[0]
        if isinstance(found, Exception):
            raise found
        return found

    def part(self, settings: Config) -> Apply:
        assert threading.current_thread() is not threading.main_thread()
        if self.refusal is not None:
            raise self.refusal

        async def apply() -> None:
            assert threading.current_thread() is threading.main_thread()
            await asyncio.sleep(0)
            if self.bug is not None:
                raise self.bug
            self.applied.append(settings)

        return apply

    def was_read(self, *, good: bool) -> None:
        self.told.append(good)

    def reloader(self) -> Reloader:
        return Reloader(self.before, self.load, parts=[self.part], was_read=self.was_read)


def one_reload(house: House) -> tuple[Reloaded, list[dict[str, str]], Config]:
    """Reload once; return what was answered, logged and is in force."""
    found: list[tuple[Reloaded, Config]] = []

    async def main() -> None:
        reloader = house.reloader()
        found.append((await reloader.reload("SIGHUP"), reloader.settings))

    lines = written(lambda: asyncio.run(main()))
    ((reloaded, in_force),) = found
    return reloaded, [logfmt.read(line) for line in lines], in_force


def test_what_was_read_is_put_in_force_and_told(tmp_path: Path) -> None:
    before = settings(tmp_path, "gone", "same", "other")
    after = settings(tmp_path, "same", "new", "newer")
    after = replace(after, targets=(*after.targets, replace(before.targets[1], interval=30.0)))
    house = House(before, [after])
    reloaded, lines, in_force = one_reload(house)
    assert reloaded == Reloaded(good=True, text="reloaded: 2 added, 1 removed, 1 changed, 1 unchanged")
    assert [{name: line[name] for name in line if name != "ts"} for line in lines] == [
        {
            "level": "info", "msg": "reloaded", "trigger": "SIGHUP",
            "added": "2", "removed": "1", "changed": "1", "unchanged": "1",
        }
    ]  # fmt: skip
    assert (house.applied, house.told, in_force) == ([after], [True], after)


def test_the_same_mistakes_are_logged_once_in_a_while_and_told_whoever_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever reaches the port may ask ten times a second, and there may be a hundred of them."""
    other = ConfigurationError([InvalidSetting("C", "is wrong")])
    house = House(settings(tmp_path), [refused(), refused(), other, refused(), refused(), other])
    answers: list[str] = []

    async def main() -> None:
        reloader = house.reloader()
        for seconds in (reloading.REPEAT, reloading.REPEAT, reloading.REPEAT, reloading.REPEAT, 0.0):
            monkeypatch.setattr(reloading, "REPEAT", seconds)
            answers.append((await reloader.reload("POST /-/reload")).text)

    lines = [logfmt.read(line) for line in written(lambda: asyncio.run(main()))]

    assert [line.get("location", "refused") for line in lines] == [
        *("refused", "B", "FLOW_EXPORTER_A"),
        *("refused",),
        *("refused", "C"),
        *("refused", "B", "FLOW_EXPORTER_A"),  # others had been logged since
        *("refused", "B", "FLOW_EXPORTER_A"),  # it is a while ago
    ]
    assert len(set(answers)) == 2


def refused() -> ConfigurationError:
    return ConfigurationError(
        [InvalidSetting("FLOW_EXPORTER_A", "is unknown"), InvalidSetting("B", "is wrong")]
    )


@pytest.mark.parametrize("by_a_part", [False, True])
def test_a_mistake_changes_nothing_and_each_is_told(tmp_path: Path, *, by_a_part: bool) -> None:
    before = settings(tmp_path)
    house = House(before, [before if by_a_part else refused()], refusal=refused() if by_a_part else None)
    reloaded, lines, in_force = one_reload(house)
    text = "refused, nothing is changed:\nB: is wrong\nFLOW_EXPORTER_A: is unknown"
    assert reloaded == Reloaded(good=False, text=text)
    assert [
        (line["level"], line["msg"], line.get("location"), line.get("mistake"), line.get("mistakes"))
        for line in lines
    ] == [
        ("error", "reload refused, nothing is changed", None, None, "2"),
        ("error", "mistake in the configuration", "B", "is wrong", None),
        ("error", "mistake in the configuration", "FLOW_EXPORTER_A", "is unknown", None),
    ]
    assert (house.applied, house.told, in_force) == ([], [False], before)


def test_of_very_many_mistakes_some_are_told_and_how_many_there_are(tmp_path: Path) -> None:
    many = ConfigurationError(
        [InvalidSetting(f"V{number:05}", "is unknown") for number in range(MOST_MISTAKES + 7)]
    )
    reloaded, lines, _ = one_reload(House(settings(tmp_path), [many]))
    assert len(lines) == 1 + MOST_MISTAKES
    assert lines[0]["mistakes"] == str(MOST_MISTAKES + 7)
    assert len(reloaded.text.splitlines()) == 2 + MOST_MISTAKES
    assert reloaded.text.endswith("\nand 7 more")


@pytest.mark.parametrize("where", ["load", "part", "apply"])
def test_a_bug_is_told_without_its_words_and_the_next_reload_is_a_fresh_one(
    tmp_path: Path, where: str
) -> None:
    before = settings(tmp_path)
    bug = ValueError("https://x/?state=planted")
    house = House(
        before,
        [bug if where == "load" else before],
        refusal=bug if where == "part" else None,
        bug=bug if where == "apply" else None,
    )
    reloaded, lines, _ = one_reload(house)
    assert reloaded == Reloaded(good=False, text="failed by the exporter's own fault; its log says where")
    assert [(line["level"], line["msg"]) for line in lines] == [("error", "reload failed by our own fault")]
    assert "planted" not in json.dumps(lines)
    assert house.told == [False]
    house.files, house.refusal, house.bug = [before], None, None
    assert one_reload(house)[0].good


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("FLOW_EXPORTER_WEB__LISTEN_ADDRESS", ":1"),
        ("FLOW_EXPORTER_WEB__HEALTH_LISTEN_ADDRESS", ":2"),
        ("FLOW_EXPORTER_DURATION_BUCKETS", "1,2"),
        ("FLOW_EXPORTER_LOG__FORMAT", "json"),
    ],
)
def test_what_takes_effect_after_a_restart_is_told_until_then(
    tmp_path: Path, variable: str, value: str
) -> None:
    before = settings(tmp_path)
    after = settings(tmp_path, **{variable.removeprefix("FLOW_EXPORTER_"): value})
    told: list[str] = []

    async def main() -> None:
        reloader = House(before, [after, after, before]).reloader()
        told.extend([(await reloader.reload("SIGHUP")).text for _ in range(3)])

    lines = [logfmt.read(line) for line in written(lambda: asyncio.run(main()))]
    unchanged = "reloaded: 0 added, 0 removed, 0 changed, 1 unchanged"
    warning = f"{unchanged}\n{variable}: the change takes effect after a restart"
    assert told == [warning, warning, unchanged]
    warnings = [line for line in lines if line["level"] == "warning"]
    assert [(line["msg"], line["variable"]) for line in warnings] == [
        ("change takes effect after a restart", variable)
    ] * 2


def while_one_is_under_way(
    house: House, scene: Callable[[Reloader, asyncio.Task[Reloaded]], Awaitable[None]]
) -> None:
    """Begin a reload, and play the scene while it reads."""
    house.loop_waits = True

    async def main() -> None:
        reloader = house.reloader()
        first = asyncio.create_task(reloader.reload("first"))
        await asyncio.to_thread(house.loading.wait, 30.0)
        house.loading.clear()
        try:
            await scene(reloader, first)
        finally:
            house.gate.set()

    asyncio.run(main())


def test_who_asks_while_one_is_under_way_gets_the_next_one_together_with_all_others(tmp_path: Path) -> None:
    """The one under way has read what was there before they asked."""
    before, later = settings(tmp_path), settings(tmp_path, "later")
    house = House(before, [before, later])

    async def scene(reloader: Reloader, first: asyncio.Task[Reloaded]) -> None:
        others = [asyncio.create_task(reloader.reload("other")) for _ in range(50)]
        reloader.ask("hangup")
        await asyncio.to_thread(lambda: None)
        assert house.loads == 1
        house.gate.set()
        assert (await first).text == "reloaded: 0 added, 0 removed, 0 changed, 1 unchanged"
        texts = {(await other).text for other in others}
        assert texts == {"reloaded: 1 added, 1 removed, 0 changed, 0 unchanged"}

    while_one_is_under_way(house, scene)
    assert house.loads == 2
    assert house.most_under_way == 1
    assert house.applied == [before, later]


def test_who_asked_and_went_away_takes_it_from_nobody(tmp_path: Path) -> None:
    house = House(settings(tmp_path), [settings(tmp_path)])

    async def scene(reloader: Reloader, first: asyncio.Task[Reloaded]) -> None:
        second = asyncio.create_task(reloader.reload("second"))
        third = asyncio.create_task(reloader.reload("third"))
        await asyncio.sleep(0)
        first.cancel()
        second.cancel()
        house.gate.set()
        assert (await third).good

    while_one_is_under_way(house, scene)
    assert len(house.applied) == 2


def test_once_it_is_stopped_nothing_is_put_in_force_any_more(tmp_path: Path) -> None:
    house = House(settings(tmp_path), [settings(tmp_path)])

    async def scene(reloader: Reloader, first: asyncio.Task[Reloaded]) -> None:
        waiting = asyncio.create_task(reloader.reload("second"))
        await asyncio.sleep(0)
        stopping = asyncio.create_task(reloader.stop())
        await asyncio.sleep(0)
        house.gate.set()
        await stopping
        for task in (first, waiting):
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await reloader.reload("late") == Reloaded(
            good=False, text="stopping: nothing is reloaded any more"
        )
        reloader.ask("late")
        await reloader.stop()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    while_one_is_under_way(house, scene)
    assert house.applied == []
    assert house.loads == 1


def test_settings_are_read_again_behind_the_first_look_at_a_file_that_nobody_knew_of(tmp_path: Path) -> None:
    """It may have changed in between, which no later look would show."""
    before = settings(tmp_path)
    named = replace(settings(tmp_path, "first"), files=(*before.files, tmp_path / "new"))
    again = replace(settings(tmp_path, "second"), files=named.files)
    house = House(before, [named, again])

    async def main() -> None:
        reloader = house.reloader()
        assert (await reloader.reload("SIGHUP")).good
        assert house.loads == 2
        assert (await reloader.reload("SIGHUP")).good
        assert house.loads == 3
        assert reloader.knows(await asyncio.to_thread(reloader.look))

    asyncio.run(main())
    assert house.applied == [again, again]


@pytest.mark.parametrize(("found", "outdated"), [("same", False), ("other", True), ("wrong", True)])
def test_settings_are_outdated_if_others_would_be_read_now(
    tmp_path: Path, found: str, *, outdated: bool
) -> None:
    now: dict[str, Config | Exception] = {
        "same": settings(tmp_path),
        "other": settings(tmp_path, "other"),
        "wrong": refused(),
    }
    house = House(settings(tmp_path), [now[found]])

    async def main() -> bool:
        return await asyncio.to_thread(house.reloader().is_outdated)

    assert asyncio.run(main()) is outdated
    assert house.told == []


def test_the_loop_gets_its_turns_while_settings_are_read_and_then_all_is_as_it_was(tmp_path: Path) -> None:
    house = House(settings(tmp_path), [settings(tmp_path)])
    usual = sys.getswitchinterval()

    async def scene(_: Reloader, first: asyncio.Task[Reloaded]) -> None:
        assert sys.getswitchinterval() < usual / 2
        house.gate.set()
        await first

    while_one_is_under_way(house, scene)
    assert sys.getswitchinterval() == usual


def test_targets_are_told_apart_by_their_names() -> None:
    assert difference([], []) == {"added": 0, "removed": 0, "changed": 0, "unchanged": 0}


def test_after_a_reload_the_loop_is_left_alone_for_four_times_as_long_and_whoever_asks_meanwhile_shares_one(
    tmp_path: Path,
) -> None:
    """Or asking without end would take the CPU from the probes, and show in their times."""
    now, rests = 100.0, []
    house = House(settings(tmp_path), [settings(tmp_path)])
    takes = iter([0.1, 3.0, 0.0])

    async def sleep(seconds: float) -> None:
        nonlocal now
        rests.append(round(seconds, 6))
        for _ in range(3):  # others have their turns meanwhile
            await asyncio.sleep(0)
        now += seconds

    def load() -> Config:
        nonlocal now
        now += next(takes)
        return house.load()

    async def main() -> None:
        reloader = Reloader(
            house.before,
            load,
            parts=[house.part],
            was_read=house.was_read,
            pace=Pace(clock=lambda: now, sleep=sleep),
        )
        await reloader.reload("first")
        await asyncio.gather(*(reloader.reload("again") for _ in range(5)))
        await reloader.reload("last")

    asyncio.run(main())
    assert rests == [0.4, 2.0]
    assert house.loads == 3
