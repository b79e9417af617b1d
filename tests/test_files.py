"""Files that the operator names are read within bounds, and a change of their content is noticed."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from harness.mount import Mount
from hypothesis import given
from hypothesis import strategies as st

from exporter import files
from exporter.files import (
    call_with_timeout,
    describe_os_error,
    file_digests,
    printable,
    read_bounded,
)


def test_a_file_is_read_whole_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1024)
    (tmp_path / "link").symlink_to("file")
    assert read_bounded(tmp_path / "link", 1024) == b"x" * 1024


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: None, "file not found: {}"),
        (lambda path: path.mkdir(), "not a regular file: {}"),
        (os.mkfifo, "not a regular file: {}"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file: {}"),
        (lambda path: path.symlink_to("file"), "cannot read {}: Too many levels of symbolic links"),
        (lambda path: path.write_bytes(b"x" * 1025), "file larger than 1 KiB: {}"),
    ],
)
def test_an_unreadable_file_is_described_with_its_path(
    make: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    make(tmp_path / "file")
    with pytest.raises(OSError) as caught:  # noqa: PT011  the description is checked
        read_bounded(tmp_path / "file", 1024)
    assert describe_os_error(caught.value, tmp_path / "file", 1024) == message.format(tmp_path / "file")


def test_a_read_leaves_nothing_open_whatever_is_there(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_bytes(b"x" * 1025)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for name in ("directory", "file", "absent"):
        with pytest.raises(OSError):  # noqa: PT011  any
            read_bounded(tmp_path / name, 1024)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_file_below_a_file_and_an_overlong_name_are_described_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, reason in [(tmp_path / "file" / "x", "Not a directory"), (tmp_path / ("x" * 300), "too long")]:
        with pytest.raises(OSError) as caught:  # noqa: PT011  the description is checked
            read_bounded(path, 1)
        assert re.fullmatch(f"cannot read .*{reason}", describe_os_error(caught.value, path, 1))


def test_a_read_that_hangs_is_given_up_and_does_not_hold_the_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "READ_TIMEOUT_SECONDS", 0.01)
    monkeypatch.setattr(files, "_STALLED_READ_TIMEOUT_SECONDS", 0.01)
    release, hanging = threading.Event(), []

    def hang() -> None:
        hanging.append(threading.current_thread())
        release.wait()

    for _ in range(20):
        with pytest.raises(TimeoutError):
            call_with_timeout(hang)
    release.set()
    assert 1 <= len(hanging) < 20
    assert all(thread.daemon for thread in hanging)
    for thread in hanging:
        thread.join()
    assert call_with_timeout(lambda: "done") == "done"


@given(st.text(st.characters()))
def test_any_name_is_shown_in_printable_ascii_of_bounded_length(name: str) -> None:
    shown = printable(name)
    assert shown.isascii()
    assert shown == "" or shown.isprintable()
    assert len(shown) <= 203


def test_a_name_of_the_maximum_length_is_shown_whole() -> None:
    assert printable("X" * 200) == "X" * 200
    assert printable("X" * 201) == "X" * 200 + "..."


def digest_of(path: Path) -> bytes:
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
def test_a_change_changes_the_digest(tmp_path: Path, change: str) -> None:
    path = write(tmp_path / "file", "a")
    before = digest_of(path)
    CHANGES[change](path)
    assert digest_of(path) != before
    assert digest_of(path) == digest_of(path)


def test_the_same_content_has_the_same_digest_whenever_it_was_written(tmp_path: Path) -> None:
    path = write(tmp_path / "file", "a")
    before = digest_of(path)
    path.unlink()
    write(path, "a")
    os.utime(path, (1, 1))
    assert digest_of(path) == before


def test_a_missing_file_has_one_digest_until_it_exists(tmp_path: Path) -> None:
    path = tmp_path / "file"
    before = digest_of(path)
    assert digest_of(path) == before
    write(path, "")
    assert digest_of(path) != before


def test_the_digest_of_a_directory_covers_names_and_content(tmp_path: Path) -> None:
    path = tmp_path / "secrets"
    write(path / "a", "1")
    seen = [digest_of(path)]
    write(path / "b", "1")
    seen.append(digest_of(path))
    write(path / "b", "2")
    seen.append(digest_of(path))
    (path / "b").rename(path / "c")
    seen.append(digest_of(path))
    write(path / "inner" / "d", "3")
    seen.append(digest_of(path))
    assert len(set(seen)) == len(seen)


def test_the_digest_of_a_swapped_mount_changes_only_with_its_content(tmp_path: Path) -> None:
    mount = Mount(tmp_path / "mount")
    mount.put({"a": "1", "b": "2"})
    directory, file = mount.directory, mount.directory / "a"
    before = digest_of(directory), digest_of(file)
    mount.put({"a": "1", "b": "2"})
    assert (digest_of(directory), digest_of(file)) == before
    mount.put({"a": "1", "b": "3"})
    assert digest_of(directory) != before[0]
    assert digest_of(file) == before[1]
    mount.put({"a": "2", "b": "2"})
    assert digest_of(file) != before[1]


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "round").symlink_to(tmp_path)
    write(tmp_path / "a", "1")
    before = digest_of(tmp_path)
    write(tmp_path / "a", "2")
    assert digest_of(tmp_path) != before


def test_directories_in_a_directory_are_not_read(tmp_path: Path) -> None:
    write(tmp_path / "inner" / "a", "1")
    before = digest_of(tmp_path)
    write(tmp_path / "inner" / "a", "2")
    assert digest_of(tmp_path) == before


def test_an_impossible_name_has_the_digest_of_an_unreadable_file(tmp_path: Path) -> None:
    assert digest_of(tmp_path / "a\0b") == digest_of(tmp_path / "c\0d")


def test_each_path_has_its_own_digest(tmp_path: Path) -> None:
    one, other = write(tmp_path / "a", "1"), write(tmp_path / "b", "2")
    assert file_digests([one, other]) == {one: digest_of(one), other: digest_of(other)}
