"""Files that the operator names are read whole, within bounds of size and time."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter import files
from exporter.files import FileError, call_with_timeout, printable, read_bounded


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
    with pytest.raises(FileError) as caught:
        read_bounded(tmp_path / "file", 1024)
    assert str(caught.value) == message.format(tmp_path / "file")


def test_a_file_below_a_file_and_an_overlong_name_are_described_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, reason in [(tmp_path / "file" / "x", "Not a directory"), (tmp_path / ("x" * 300), "too long")]:
        with pytest.raises(FileError, match=f"^cannot read .*{reason}$"):
            read_bounded(path, 1)


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
