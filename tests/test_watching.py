"""A change of content on disk is acted upon once, when it has settled."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
from harness.variables import target_variables

from exporter.reloading import Reloader
from exporter.settings import Config, ConfigurationError, InvalidSetting, load
from exporter.watching import watch

LOOK = 0.002
"""Seconds between two looks; no test waits for one by time."""


class Watched(Reloader):
    """Counts its looks, and what is done between two of them."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._directory = directory
        self.looks = 0
        self.loads = 0
        self.told: list[bool] = []
        self._looked = threading.Condition()
        super().__init__(
            load(environ, directory),
            self._read_anew,
            parts=[],
            was_read=lambda *, good: self.told.append(good),
        )
        self.looks = 0

    def _read_anew(self) -> Config:
        self.loads += 1
        return load(self._environ, self._directory)

    def is_outdated(self) -> bool:
        return False  # nor is it, and what is read for it is not counted

    def look(self) -> Mapping[Path, bytes]:
        seen = super().look()
        with self._looked:
            self.looks += 1
            self._looked.notify_all()
        return seen

    async def further_looks(self, count: int = 6) -> None:
        """Wait for as many more as a change takes from being made to being acted upon, and some."""
        until = self.looks + count

        def wait() -> None:
            with self._looked:
                assert self._looked.wait_for(lambda: self.looks >= until, 30.0)

        await asyncio.to_thread(wait)


@asynccontextmanager
async def watching(directory: Path, *, settled: float = LOOK) -> AsyncIterator[Watched]:
    reloader = Watched(directory, target_variables("emea", "http://127.0.0.1:1"))
    task = asyncio.create_task(watch(reloader, every=LOOK, settled=settled))
    try:
        yield reloader
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await reloader.stop()


def play(directory: Path, scene: Callable[[Watched, Path], Awaitable[None]]) -> Watched:
    played: list[Watched] = []

    async def main() -> None:
        async with watching(directory) as reloader:
            await scene(reloader, directory / ".env")
            played.append(reloader)

    asyncio.run(main())
    return played[0]


def write(path: Path, text: str) -> None:
    """Write all at once."""
    new = path.with_name("new")
    new.write_text(text, encoding="utf-8")
    new.replace(path)


def remove(path: Path) -> None:
    path.unlink()


def test_as_long_as_nothing_changes_nothing_is_done(tmp_path: Path) -> None:
    async def scene(reloader: Watched, file: Path) -> None:
        write(file.with_name("other"), "")
        await reloader.further_looks()

    assert play(tmp_path, scene).loads == 0


@pytest.mark.parametrize("text", ["FLOW_EXPORTER_LOG__LEVEL=debug", "FLOW_EXPORTER_NO_SUCH=1"])
def test_a_change_is_acted_upon_once_for_good_or_ill(tmp_path: Path, text: str) -> None:
    async def scene(reloader: Watched, file: Path) -> None:
        write(file, text)
        await reloader.further_looks(12)

    played = play(tmp_path, scene)
    assert played.loads == 1
    assert played.told == ["NO_SUCH" not in text]


def test_each_change_is_acted_upon_also_the_way_back(tmp_path: Path) -> None:
    async def scene(reloader: Watched, file: Path) -> None:
        for text in ("FLOW_EXPORTER_LOG__LEVEL=debug", "FLOW_EXPORTER_NO_SUCH=1", ""):
            write(file, text)
            await reloader.further_looks(12)
        remove(file)
        await reloader.further_looks(12)

    assert play(tmp_path, scene).told == [True, False, True, True]


def test_a_file_that_was_named_by_refused_settings_is_watched_too(tmp_path: Path) -> None:
    named = tmp_path / "named"

    class Refusing(Watched):
        def _read_anew(self) -> Config:
            self.loads += 1
            raise ConfigurationError([InvalidSetting("A", "names no file")], files=[named])

    async def main() -> None:
        reloader = Refusing(tmp_path, target_variables("emea", "http://127.0.0.1:1"))
        task = asyncio.create_task(watch(reloader, every=LOOK, settled=LOOK))
        write(tmp_path / ".env", "A=1")
        await reloader.further_looks(12)
        assert reloader.loads == 1
        write(named, "1")
        await reloader.further_looks(12)
        assert reloader.loads == 2
        write(tmp_path / ".env", "A=2")  # the good ones' files still are
        await reloader.further_looks(12)
        assert reloader.loads == 3
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_what_changed_while_it_was_starting_is_noticed(tmp_path: Path) -> None:
    """Before the first look, and so no change to any look after it."""

    async def main() -> str:
        environ = target_variables("emea", "http://127.0.0.1:1")
        settings = load(environ, tmp_path)
        write(tmp_path / ".env", "FLOW_EXPORTER_LOG__LEVEL=debug")
        reloader = Reloader(settings, lambda: load(environ, tmp_path), parts=[], was_read=noted.set)
        task = asyncio.create_task(watch(reloader, every=LOOK, settled=LOOK))
        await asyncio.wait_for(noted.wait(), 30.0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return reloader.settings.log.level

    class Noted(asyncio.Event):
        def set(self, *, good: bool = True) -> None:
            assert good
            super().set()

    noted = Noted()
    assert asyncio.run(main()) == "debug"


def test_what_another_reload_has_read_already_is_not_read_again(tmp_path: Path) -> None:
    async def scene(reloader: Watched, file: Path) -> None:
        write(file, "FLOW_EXPORTER_LOG__LEVEL=debug")
        await reloader.reload("SIGHUP")
        seen = reloader.loads
        await reloader.further_looks(12)
        assert reloader.loads <= seen + 1  # the watch may have seen the change first
        seen = reloader.loads
        await reloader.further_looks(12)
        assert reloader.loads == seen

    play(tmp_path, scene)


class Flickering:
    """Stands in for a reloader whose files say something else at each look.

    Args:
        looks: what they say, look by look; the last one again and again.
    """

    def __init__(self, *looks: str) -> None:
        self._looks = list(looks)
        self.reloads = 0
        self.over = asyncio.Event()

    def look(self) -> str:
        if len(self._looks) == 1:
            self.over.set()
            return self._looks[0]
        return self._looks.pop(0)

    def is_outdated(self) -> bool:
        return False

    def knows(self, seen: str) -> bool:
        return seen == "known"

    async def reload(self, _: str) -> None:
        self.reloads += 1


@pytest.mark.parametrize(
    ("looks", "reloads"),
    [
        pytest.param(("known", "gone", "known"), 0, id="gone for a moment"),
        pytest.param(("half", "whole", "known"), 0, id="half written, then whole, then taken back"),
        pytest.param(("half", "more", "other", "other", "known"), 1, id="written bit by bit"),
        pytest.param(("new", "new", "known"), 1, id="settled at once"),
    ],
)
def test_a_change_must_have_settled(looks: tuple[str, ...], reloads: int) -> None:
    async def main() -> int:
        flickering = Flickering(*looks)
        task = asyncio.create_task(watch(flickering, every=LOOK, settled=LOOK))  # type: ignore[arg-type]  # stands in
        await asyncio.wait_for(flickering.over.wait(), 30.0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        return flickering.reloads

    assert asyncio.run(main()) == reloads


def test_a_bug_is_logged_and_the_watch_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Flickering):
        def look(self) -> str:
            if len(self._looks) > 1:
                super().look()
                raise ZeroDivisionError
            return super().look()

    async def main() -> None:
        failing = Failing("a", "b", "known")
        task = asyncio.create_task(watch(failing, every=LOOK, settled=LOOK))  # type: ignore[arg-type]  # stands in
        await asyncio.wait_for(failing.over.wait(), 30.0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert [record.message for record in caplog.records] == [
        "cannot look for changes on disk by our own fault"
    ] * 2
