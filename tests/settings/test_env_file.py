"""`.env` is read if it exists, and never silently half read."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from settings.example import EMEA, T, errors

from exporter.settings import ConfigurationError, load

PROMPT = f"{T}PROMPT"
LEVEL = "FLOW_EXPORTER_LOG__LEVEL"
UNDEFINED = "refers to an undefined ${NAME}; define it, or enclose the value in single quotes"


def prompt(directory: Path, content: str, environ: dict[str, str] | None = None) -> str | None:
    """Return the prompt that a `.env` sets."""
    (directory / ".env").write_text(content, encoding="utf-8")
    return load({**EMEA, **(environ or {})}, directory).targets[0].prompt


def test_it_need_not_exist(tmp_path: Path) -> None:
    assert set(load(EMEA, tmp_path).files) == {tmp_path / ".env"}


def test_a_virtual_environment_of_that_name_is_ignored(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert load(EMEA, tmp_path).targets


def test_a_working_directory_that_is_a_file_is_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert load(EMEA, tmp_path / "file").targets


@pytest.mark.parametrize(
    "content",
    [
        f"{PROMPT}=login\n",
        f"\ufeff{PROMPT}=login\n",
        f"export {PROMPT} = 'login' # why\n",
        f'# about\n\nOTHER="x\n{PROMPT}=login',
        f"{PROMPT}=${{MISSING:-login}}\n",
        f"NAME=login\n{PROMPT}=${{NAME}}\n",
        f'NAME=log\n{PROMPT}="${{NAME}}in"\n',
    ],
)
def test_it_is_parsed_as_by_python_dotenv(tmp_path: Path, content: str) -> None:
    assert prompt(tmp_path, content) == "login"


def test_it_may_refer_to_the_given_environment_and_its_own_names_win(tmp_path: Path) -> None:
    assert prompt(tmp_path, f"{PROMPT}=${{NAME}}\n", {"NAME": "x"}) == "x"
    assert prompt(tmp_path, f"NAME=own\n{PROMPT}=${{NAME}}\n", {"NAME": "x"}) == "own"


@pytest.mark.parametrize("name", [PROMPT, f"export {PROMPT}", f"'{PROMPT}'", f" {PROMPT} "])
def test_single_quotes_are_literal(tmp_path: Path, name: str) -> None:
    assert prompt(tmp_path, f"{name}='Sp${{r}}ing'\n", {"r": "x"}) == "Sp${r}ing"


@pytest.mark.parametrize(
    "content",
    [
        f"{PROMPT}=Sp${{s3cr3t}}ing\n",
        f'{PROMPT}="Sp${{s3cr3t}}ing"\n',
        f"OTHER=${{s3cr3t}}\n{PROMPT}=${{OTHER}}\n",
    ],
)
def test_an_undefined_name_is_an_error_that_does_not_show_it(tmp_path: Path, content: str) -> None:
    (tmp_path / ".env").write_text(content)
    assert errors(EMEA, tmp_path) == [f"{PROMPT} in .env: {UNDEFINED}"]


def test_other_names_are_ignored_whatever_their_values(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"OTHER\nOTHER=1\nother=${x}\nOTHER='x\n=\n")
    assert load(EMEA, tmp_path).targets


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe", ".env: not encoded in UTF-8"),
        (
            b"\n\n" + LEVEL.encode() + b"='s3cr3t\n",
            ".env line 3: syntax error; use NAME=value, with both quotes or none",
        ),
        (
            b"A=1\nexport " + LEVEL.lower().encode() + b'="x" y\n',
            ".env line 2: syntax error; use NAME=value, with both quotes or none",
        ),
        (LEVEL.encode() + b"\n", ".env line 1: syntax error; use NAME=value, with both quotes or none"),
        (f"{LEVEL}=info\n{LEVEL}=debug\n".encode(), f"{LEVEL} in .env: set twice; keep one of them"),
        (
            b"FLOW_EXPORTER_LOG_LEVEL=a\n",
            f"FLOW_EXPORTER_LOG_LEVEL in .env: unknown setting; did you mean {LEVEL}?",
        ),
    ],
)
def test_what_would_be_lost_silently_is_an_error(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / ".env").write_bytes(content)
    assert errors(EMEA, tmp_path) == [message]


def listen(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


@pytest.mark.parametrize("make", [os.mkfifo, listen, lambda path: path.symlink_to("/dev/null")])
def test_anything_but_a_regular_file_is_an_error_and_never_waited_for(
    make: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    make(Path(".env"))  # type: ignore[operator]
    assert errors(EMEA, tmp_path) == [f".env: not a regular file: {tmp_path}/.env"]


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(".env")
    assert errors(EMEA, tmp_path) == [f".env: cannot read {tmp_path}/.env: Too many levels of symbolic links"]


SECRET = "q7Zk-s3cr3t"
PIECES = st.sampled_from([
    PROMPT, f"{T}CLIENT_ID", f"{T}PROXY_URL", LEVEL, "FLOW_EXPORTER_", "FLOW_EXPORTER_TARGETS", "OTHER",
    SECRET, "=", "=", "=", "'", '"', "${", "}", "$", ":-", "#", "\\", "\n", "\n", "\r", " ", "export ",
    "\0", "\u2028", "\ufeff",
    "__", "{", "[", "http://u:", "@h",
])  # fmt: skip


@given(st.lists(PIECES, max_size=25).map("".join).map(str.encode) | st.binary(max_size=60))
@example(f"{T}PROXY_URL='http://u:{SECRET}@h:x".encode())
def test_any_bytes_are_settings_or_errors_but_never_a_bug(raw: bytes) -> None:
    with TemporaryDirectory() as directory:
        (Path(directory) / ".env").write_bytes(raw)
        try:
            shown = repr(load(EMEA, Path(directory)))
        except ConfigurationError as error:
            shown = str(error)
    assert shown
    assert not [line for line in shown.splitlines() if not line.isprintable()]
