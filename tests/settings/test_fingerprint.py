"""A change of content is seen, and nothing else is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.mount import Mount

from exporter.settings import file_digests
from exporter.settings.file_digests import DEEPEST, LARGEST


def of(path: Path) -> bytes:
    return file_digests([path])[path]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def put_a_directory_there(path: Path) -> None:
    path.unlink()
    path.mkdir()


def put_a_pipe_there(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "other content": lambda path: write(path, "b"),
    "no content": lambda path: write(path, ""),
    "gone": lambda path: path.unlink(),
    "a directory in its place": put_a_directory_there,
    "a pipe in its place": put_a_pipe_there,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(tmp_path: Path, change: str) -> None:
    path = write(tmp_path / "file", "a")
    before = of(path)
    CHANGES[change](path)
    assert of(path) != before
    assert of(path) == of(path)


def test_a_file_that_says_the_same_is_the_same_whenever_and_by_whom_it_was_written(tmp_path: Path) -> None:
    path = write(tmp_path / "file", "a")
    before = of(path)
    path.unlink()
    write(path, "a")
    os.utime(path, (1, 1))
    assert of(path) == before


def test_what_is_not_there_is_no_mistake_and_the_same_until_it_is_there(tmp_path: Path) -> None:
    path = tmp_path / "file"
    before = of(path)
    assert of(path) == before
    write(path, "")
    assert of(path) != before


def test_of_a_directory_names_and_content_count(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    write(path / "a", "1")
    seen = [of(path)]
    write(path / "b", "1")
    seen.append(of(path))
    write(path / "b", "2")
    seen.append(of(path))
    (path / "b").rename(path / "c")
    seen.append(of(path))
    write(path / "inner" / "d", "3")
    seen.append(of(path))
    write(path / "inner" / "d", "4")
    seen.append(of(path))
    assert len(set(seen)) == len(seen)


def test_a_mount_that_is_swapped_is_the_same_unless_its_files_say_something_else(tmp_path: Path) -> None:
    mount = Mount(tmp_path / "mount")
    mount.put({"a": "1", "b": "2"})
    directory, file = mount.directory, mount.directory / "a"
    before = of(directory), of(file)
    mount.put({"a": "1", "b": "2"})
    assert (of(directory), of(file)) == before
    mount.put({"a": "1", "b": "3"})
    assert of(directory) != before[0]
    assert of(file) == before[1]
    mount.put({"a": "2", "b": "2"})
    assert of(file) != before[1]


def test_links_that_lead_round_end(tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to(tmp_path)
    write(tmp_path / "a", "1")
    before = of(tmp_path)
    write(tmp_path / "a", "2")
    assert of(tmp_path) != before


def test_a_directory_is_looked_through_to_a_bound(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(DEEPEST + 1):
        deep /= "d"
    write(deep / "a", "1")
    before = of(tmp_path)
    write(deep / "a", "2")
    assert of(tmp_path) == before


def test_of_a_file_that_is_too_large_to_be_read_size_and_time_count(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(LARGEST + 10)
    os.utime(path, (1, 1))
    before = of(path)
    os.utime(path, (2, 2))
    assert of(path) != before


def test_a_name_that_no_file_can_have_is_as_good_as_none(tmp_path: Path) -> None:
    assert of(tmp_path / "a\0b") == of(tmp_path / "c\0d")


def test_each_path_has_its_own(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a", "1"), write(tmp_path / "b", "2")
    assert file_digests([one, other]) == {one: of(one), other: of(other)}
