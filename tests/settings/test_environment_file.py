"""`.env`: read when it is there, and never silently half read."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.settings.environment_file import read_environment_file

LEVEL = "FLOW_EXPORTER_LOG__LEVEL"


def told(directory: Path, content: bytes) -> list[str]:
    (directory / ".env").write_bytes(content)
    return [str(mistake) for mistake in read_environment_file(directory, {}).mistakes]


def level(directory: Path, content: str, environ: dict[str, str] | None = None) -> object:
    (directory / ".env").write_text(content, encoding="utf-8")
    reading = read_environment_file(directory, environ or {})
    assert reading.mistakes == []
    return reading.tree["log"]["level"].value


def test_no_file_is_no_mistake(tmp_path: Path) -> None:
    reading = read_environment_file(tmp_path, {})
    assert (reading.tree, reading.mistakes) == ({}, [])


def test_a_virtual_environment_of_that_name_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert read_environment_file(tmp_path, {}).mistakes == []


def test_a_working_directory_that_is_none_is_no_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert read_environment_file(tmp_path / "file", {}).mistakes == []


@pytest.mark.parametrize(
    "content",
    [
        f"{LEVEL}=debug\n",
        f"\ufeff{LEVEL}=debug\n",
        f"export {LEVEL} = 'debug' # why\n",
        f'# about\n\nOTHER="x\n{LEVEL}=debug',
        f"{LEVEL}=${{MISSING:-debug}}\n",
        f"LEVEL=debug\n{LEVEL}=${{LEVEL}}\n",
    ],
)
def test_it_is_read_as_python_dotenv_reads_it(tmp_path: Path, content: str) -> None:
    assert level(tmp_path, content) == "debug"


def test_what_it_refers_to_is_in_the_given_environment(tmp_path: Path) -> None:
    assert level(tmp_path, f"{LEVEL}=${{LEVEL}}\n", {"LEVEL": "error"}) == "error"


def test_its_own_names_win_where_it_refers_to_one(tmp_path: Path) -> None:
    assert level(tmp_path, f"LEVEL=debug\n{LEVEL}=${{LEVEL}}\n", {"LEVEL": "error"}) == "debug"


def test_other_names_are_ignored_whatever_they_hold(tmp_path: Path) -> None:
    assert told(tmp_path, b"OTHER\nOTHER=1\nother=2\nOTHER='x\n=\n") == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", ".env: is not encoded in UTF-8; write it in UTF-8"),
        (b"\n\n" + LEVEL.encode() + b"='s3cr3t\n", ".env: line 3 cannot be read; write NAME=value"),
        (
            b"A=1\nexport " + LEVEL.lower().encode() + b'="x" y\n',
            ".env: line 2 cannot be read; write NAME=value",
        ),
        (LEVEL.encode() + b"\n", f"{LEVEL} in .env: has no value; write NAME=value"),
        (f"{LEVEL}=a\n{LEVEL}=b\n".encode(), f"{LEVEL} in .env: is set twice; keep one of them"),
        (
            b"FLOW_EXPORTER_LOG_LEVEL=a\n",
            f"FLOW_EXPORTER_LOG_LEVEL in .env: is unknown; did you mean {LEVEL}?",
        ),
    ],
)
def test_what_would_be_lost_silently_is_a_mistake(tmp_path: Path, content: bytes, message: str) -> None:
    assert told(tmp_path, content) == [message]


def test_a_file_that_cannot_be_read_is_a_mistake(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(".env")
    (mistake,) = read_environment_file(tmp_path, {}).mistakes
    assert str(mistake) == ".env: cannot be read (Too many levels of symbolic links)"
