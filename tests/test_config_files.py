"""The configuration is read again when its files have changed, once a change has settled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from harness.mount import Mount
from harness.variables import target_variables

from exporter.config_files import ConfigFiles, count_changes
from exporter.files import file_digests
from exporter.settings import Config, ConfigurationError, InvalidSetting, load

GOOD, OTHER, WRONG = "", "FLOW_EXPORTER_LOG__LEVEL=debug", "FLOW_EXPORTER_NO_SUCH=1"


class Files:
    """A `.env` and what reads it.

    Args:
        directory: where the `.env` is.
        settling: what happens to the file while changes settle, time after time.
    """

    def __init__(self, directory: Path, *settling: str) -> None:
        self.loads = 0
        self._directory = directory
        self._settling = list(settling)
        self.config = self.load()
        self.files = ConfigFiles(self.config, self.load, sleep=self._sleep)
        self.loads = 0

    def load(self) -> Config:
        self.loads += 1
        return load(target_variables("emea", "http://127.0.0.1:1"), self._directory)

    def write(self, text: str) -> None:
        """Write all at once."""
        new = self._directory / "new"
        new.write_text(text, encoding="utf-8")
        new.replace(self._directory / ".env")

    async def changed(self) -> bool:
        return await self.files.changed()

    async def _sleep(self, _: float) -> None:
        if self._settling:
            self.write(self._settling.pop(0))


def play(scene: Callable[[Files], Awaitable[None]], files: Files) -> None:
    asyncio.run(scene(files))  # type: ignore[arg-type]  # a coroutine


@pytest.mark.parametrize("text", [OTHER, WRONG])
def test_the_first_look_compares_with_what_was_read_at_the_start(tmp_path: Path, text: str) -> None:
    """Between reading the configuration and watching its files lies the whole start."""
    files = Files(tmp_path)
    files.write(text)
    files.files = ConfigFiles(files.config, files.load, sleep=no_wait)
    assert asyncio.run(files.changed())


def test_a_change_counts_until_it_is_read_whether_valid_or_not(tmp_path: Path) -> None:
    async def scene(files: Files) -> None:
        assert not await files.changed()
        assert not await files.changed()
        for text in (OTHER, WRONG, GOOD):
            files.write(text)
            assert await files.changed()
            assert await files.changed()
            if text == WRONG:
                with pytest.raises(ConfigurationError):
                    files.files.read()
            else:
                files.files.read()
            assert not await files.changed()
        (tmp_path / ".env").unlink()
        assert await files.changed()

    play(scene, Files(tmp_path))


def test_a_file_that_is_not_part_of_the_configuration_is_not_watched(tmp_path: Path) -> None:
    async def scene(files: Files) -> None:
        await files.changed()
        (tmp_path / "other").write_text("", encoding="utf-8")
        assert not await files.changed()

    play(scene, Files(tmp_path))


def test_a_change_counts_once_it_has_settled(tmp_path: Path) -> None:
    async def scene(files: Files) -> None:
        await files.changed()
        files.write("FLOW_EXPORTER_LOG__LEV")
        assert not await files.changed()  # it was half written, and is written on meanwhile
        assert await files.changed()

    play(scene, Files(tmp_path, OTHER))


def test_a_file_that_is_missing_for_a_moment_is_not_a_change(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(OTHER, encoding="utf-8")

    async def scene(files: Files) -> None:
        await files.changed()
        (tmp_path / ".env").unlink()
        assert not await files.changed()
        assert not await files.changed()

    play(scene, Files(tmp_path, OTHER))


def test_files_of_rejected_settings_are_watched_too(tmp_path: Path) -> None:
    class Refusing(Files):
        def load(self) -> Config:
            if self.loads:
                self.loads += 1
                raise ConfigurationError(
                    [InvalidSetting("A", "file not found")], files=file_digests([tmp_path / "named"])
                )
            return super().load()

    files = Refusing(tmp_path)
    files.loads = 1

    async def scene(_: Files) -> None:
        await files.changed()
        for name in ("named", ".env"):
            with pytest.raises(ConfigurationError):
                files.files.read()
            assert not await files.changed()
            (tmp_path / name).write_text("1", encoding="utf-8")
            assert await files.changed()

    play(scene, files)


def test_a_change_of_a_file_that_was_just_named_for_the_first_time_is_noticed(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()

    class Swapped(Files):
        def load(self) -> Config:
            config = super().load()
            (secrets / "FLOW_EXPORTER_LOG__LEVEL").write_text("debug", encoding="utf-8")
            return config

    async def scene(files: Files) -> None:
        (secrets / "FLOW_EXPORTER_LOG__LEVEL").unlink()
        files.write(f"FLOW_EXPORTER_SECRETS_DIR={secrets}")
        assert files.files.read().log.level == "info"
        assert await files.changed()
        assert files.files.read().log.level == "debug"
        assert not await files.changed()

    play(scene, Swapped(tmp_path))


def test_a_mount_that_is_swapped_in_the_middle_of_a_read_is_read_again(tmp_path: Path) -> None:
    mount, swaps = Mount(tmp_path / "mount"), ["debug", "error", "warning"]
    mount.put({"flows.yaml": "log: {level: info}\n"})
    variables = {
        "FLOW_EXPORTER_CONFIG_FILE": str(tmp_path / "mount" / "flows.yaml"),
        **target_variables("emea", "http://127.0.0.1:1"),
    }

    def read_and_swap() -> Config:
        config = load(variables, tmp_path)
        if swaps:
            mount.put({"flows.yaml": f"log: {{level: {swaps.pop(0)}}}\n"})
        return config

    async def scene() -> None:
        files = ConfigFiles(load(variables, tmp_path), read_and_swap, sleep=no_wait)
        levels = [files.read().log.level]
        while await files.changed():
            levels.append(files.read().log.level)
        assert levels == ["info", "debug", "error", "warning"]

    asyncio.run(scene())


async def no_wait(_: float) -> None:
    """Take no time."""


def test_targets_are_compared_by_name(tmp_path: Path) -> None:
    def targets(*names: str, interval: str = "60s") -> Config:
        variables: dict[str, str] = {}
        for name in names:
            variables |= target_variables(name, "http://127.0.0.1:1")
        return load(variables | {"FLOW_EXPORTER_TARGETS__OTHER__INTERVAL": interval}, tmp_path)

    before = targets("gone", "same", "other").targets
    after = targets("same", "new", "newer", "other", interval="30s").targets
    assert count_changes(before, after) == {"added": 2, "removed": 1, "changed": 1, "unchanged": 1}
    assert count_changes([], []) == {"added": 0, "removed": 0, "changed": 0, "unchanged": 0}
