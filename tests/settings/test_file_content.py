"""Files that an operator names: read whole, within bounds, and never waited for."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.settings.file_content import content


def test_a_file_is_read_whole_up_to_its_bound(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 1024)
    (tmp_path / "link").symlink_to("file")
    assert content(tmp_path / "link", 1024) == b"x" * 1024


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda _: None,
            "names a file that does not exist; write a path that does, relative to the working directory",
        ),
        (lambda path: path.mkdir(), "is no file; write the path of one"),
        (os.mkfifo, "is no file; write the path of one"),
        (
            lambda path: path.symlink_to("file"),
            "names a file that cannot be read (Too many levels of symbolic links)",
        ),
        (lambda path: path.write_bytes(b"x" * 1025), "names a file of more than 1 KiB; write a smaller one"),
        (lambda path: path.symlink_to("/dev/zero"), "is no file; write the path of one"),
    ],
)
def test_what_cannot_be_read_is_told(make: Callable[[Path], object], message: str, tmp_path: Path) -> None:
    make(tmp_path / "file")
    with pytest.raises(ValueError, match="file") as caught:
        content(tmp_path / "file", 1024)
    assert str(caught.value) == message


def test_a_file_beneath_a_file_and_an_over_long_name_are_told_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path, reason in [(tmp_path / "file" / "x", "Not a directory"), (tmp_path / ("x" * 300), "too long")]:
        with pytest.raises(ValueError, match=f"names a file that cannot be read .*{reason}"):
            content(path, 1)
