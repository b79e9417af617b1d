"""FLOW_EXPORTER_SECRETS_DIR: one file per variable, as Kubernetes mounts a Secret and swaps it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from harness.mount import Mount
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.settings import ConfigurationError, load, secret_files
from exporter.settings.secret_files import read_secret_files
from exporter.settings.written import Leaf, Place

MISSING = "names a directory that does not exist; write a path that does, relative to the working directory"
P = "FLOW_EXPORTER_"
T = "FLOW_EXPORTER_TARGETS__EMEA__"
HERE = Place("FLOW_EXPORTER_SECRETS_DIR")
LEVEL = "FLOW_EXPORTER_LOG__LEVEL"
PROXY = "http://user:s3cr3t@proxy.example:3128"
EMEA = {
    f"{T}SOURCE_ENVIRONMENT_ID": "94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
    f"{T}DESTINATION_ENVIRONMENT_ID": "0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11",
    f"{T}CLIENT_ID": "client",
}


def told(directory: Path) -> list[str]:
    return [str(mistake) for mistake in read_secret_files(directory, HERE).mistakes]


def level(directory: Path) -> str:
    tree: dict[str, Any] = read_secret_files(directory, HERE).tree
    return str(tree["log"]["level"].value)


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    """Return a mount where nothing was put yet."""
    return Mount(tmp_path / "secrets")


def test_a_mounted_secret_is_read_through_its_links(mount: Mount) -> None:
    mount.put({f"{T}PROXY_URL": PROXY, "flow_exporter_log__level": "debug\n", "other": b"\xff"})
    reading = read_secret_files(mount.directory, HERE)
    assert reading.tree == {
        "targets": {"emea": {"proxy_url": Leaf(PROXY, Place(f"{T}PROXY_URL", file="secrets"))}},
        "log": {"level": Leaf("debug", Place("flow_exporter_log__level", file="secrets"))},
    }
    assert reading.mistakes == []
    assert str(reading.places["emea"]) == "FLOW_EXPORTER_TARGETS__EMEA in secrets"


def test_a_plain_directory_is_read_too(tmp_path: Path) -> None:
    (tmp_path / LEVEL).write_text("debug")
    assert level(tmp_path) == "debug"


@pytest.mark.parametrize(
    ("content", "value"), [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("\n", ""), ("", "")]
)
def test_one_line_break_at_the_end_does_not_count(content: str, value: str, tmp_path: Path) -> None:
    (tmp_path / LEVEL).write_bytes(content.encode())
    assert level(tmp_path) == value


def test_what_is_of_others_or_of_kubernetes_is_left_alone(mount: Mount) -> None:
    mount.put({"tls.key": b"\xff", "..hidden": "x", "FLOW_EXPORTER": "x", LEVEL: "debug"})
    (mount.directory / "..2026_11_25_09_00_00.0").mkdir()
    (mount.directory / "..2026_11_25_09_00_00.0" / f"{P}NONSENSE").touch()
    (mount.directory / "subdirectory").mkdir()
    (mount.directory / "subdirectory" / f"{P}NONSENSE").touch()
    assert (told(mount.directory), level(mount.directory)) == ([], "debug")


def test_an_empty_directory_is_no_mistake(tmp_path: Path) -> None:
    reading = read_secret_files(tmp_path, HERE)
    assert (reading.tree, reading.mistakes, reading.whole) == ({}, [], True)


def test_names_are_held_to_the_schema(tmp_path: Path) -> None:
    for name in (f"{P}LOG_LEVEL", f"{P}LOG__FORMAT", f"{P}log__format"):
        (tmp_path / name).write_text("s3cr3t")
    assert sorted(told(tmp_path)) == [
        f"FLOW_EXPORTER_LOG_LEVEL in {tmp_path.name}: is unknown; did you mean {LEVEL}?",
        (
            f"FLOW_EXPORTER_log__format in {tmp_path.name}: is the same as FLOW_EXPORTER_LOG__FORMAT; "
            "keep one of them"
        ),
    ]


def test_what_cannot_be_read_is_told_and_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / f"{T}SCOPE").write_bytes(b"\xe9")
    (tmp_path / f"{T}PROMPT").mkdir()
    (tmp_path / f"{T}CLIENT_ID").symlink_to("nowhere")
    (tmp_path / f"{T}REGION").write_bytes(b"x" * (secret_files.LARGEST + 1))
    os.mkfifo(tmp_path / f"{T}PKCE")
    (tmp_path / LEVEL).write_text("debug")
    where = f"in {tmp_path.name}"
    assert sorted(told(tmp_path)) == [
        f"{T}CLIENT_ID {where}: cannot be read (No such file or directory)",
        f"{T}PKCE {where}: is no file; write the value into a file of this name",
        f"{T}PROMPT {where}: is no file; write the value into a file of this name",
        f"{T}REGION {where}: has more than 1024 KiB; write less",
        f"{T}SCOPE {where}: is not encoded in UTF-8; write it in UTF-8",
    ]
    assert level(tmp_path) == "debug"
    assert not read_secret_files(tmp_path, HERE).whole


def test_all_files_together_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_files, "MOST_BYTES", secret_files.LARGEST)
    for name in ("LEVEL", "FORMAT"):
        (tmp_path / f"{P}LOG__{name}").write_bytes(b"x" * (secret_files.LARGEST // 2 + 1))
    assert told(tmp_path) == [f"{LEVEL} in {tmp_path.name}: is past 1 MiB of secret files; write fewer"]


def test_the_number_of_files_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_files, "MOST_FILES", 2)
    for name in ("other", f"{P}A", f"{P}B"):
        (tmp_path / name).touch()
    assert len(told(tmp_path)) == 2
    (tmp_path / f"{P}C").touch()
    assert told(tmp_path) == [f"{HERE}: names a directory that cannot be read (more than 2 files)"]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("missing", MISSING),
        ("file", "is no directory; write the path of one"),
        ("file/x", "is no directory; write the path of one"),
        ("loop", "names a directory that cannot be read (Too many levels of symbolic links)"),
        ("x" * 300, "names a directory that cannot be read (File name too long)"),
        ("a\nb", "holds a control character, such as a line break; write it without"),
    ],
)
def test_a_directory_that_cannot_be_read_is_told_of_the_variable_and_makes_nothing_missing(
    named: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ConfigurationError) as caught:
        load({**EMEA, f"{HERE}": named}, tmp_path)
    assert str(caught.value) == f"{HERE}: {message}"


def swapping(mount: Mount, contents: Iterator[Mapping[str, str]], patch: pytest.MonkeyPatch) -> None:
    """Let the content be swapped each time right after the names of the current one were listed."""
    listed = os.scandir

    def scandir(directory: Any) -> Any:  # noqa: ANN401  as os.scandir
        entries = listed(directory)
        if isinstance(directory, int) and (content := next(contents, None)) is not None:
            with pytest.MonkeyPatch.context() as back:  # for what the swap itself lists
                back.setattr(os, "scandir", listed)
                mount.put(content)
        return entries

    patch.setattr(os, "scandir", scandir)


def test_values_of_two_generations_are_never_mixed(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    mount.put({LEVEL: "debug", f"{P}LOG__FORMAT": "old"})
    swapping(mount, iter([{LEVEL: "info", f"{P}LOG__FORMAT": "new"}]), monkeypatch)
    reading = read_secret_files(mount.directory, HERE)
    assert {leaf.value for leaf in reading.tree["log"].values()} == {"info", "new"}
    assert reading.mistakes == []


def test_a_directory_that_changes_each_time_it_is_read_is_told(
    mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount.put({LEVEL: "0"})
    swapping(mount, ({LEVEL: str(n)} for n in range(100)), monkeypatch)
    assert told(mount.directory) == [
        f"{HERE}: names a directory that changes while it is read; wait until it does not"
    ]


def test_they_stand_between_the_environment_file_and_the_configuration_file(mount: Mount) -> None:
    directory = mount.directory.parent
    (directory / ".env").write_text(f"{T}SCOPE=dotenv\n{P}SECRETS_DIR=secrets\n")
    (directory / "flows.yaml").write_text("targets: {emea: {scope: file, prompt: file, acr_values: file}}")
    mount.put({f"{T}SCOPE": "secret", f"{T}PROMPT": "secret", f"{P}CONFIG_FILE": "flows.yaml\n"})
    loaded = load(EMEA, directory)
    (target,) = loaded.targets
    assert (target.scope, target.prompt, target.acr_values) == ("dotenv", "secret", "file")
    assert loaded.files == (directory / ".env", mount.directory, directory / "flows.yaml")


def test_it_cannot_name_itself(mount: Mount) -> None:
    mount.put({f"{HERE}": "elsewhere"})
    with pytest.raises(ConfigurationError) as caught:
        load({**EMEA, f"{HERE}": "secrets"}, mount.directory.parent)
    assert str(caught.value) == (
        f"{HERE} in secrets: cannot stand in a secret file; set FLOW_EXPORTER_SECRETS_DIR in the environment"
    )


NAMES = [f"{T}PROXY_URL", f"{T}LABELS__JOB", LEVEL, f"{P}TARGETS", f"{P}NONSENSE", f"{P}CONFIG_FILE"]
CONTENT = st.binary(max_size=20) | st.sampled_from([b"q7Zk-s3cr3t\n", b'{"a": "q7Zk-s3cr3t"}'])


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), CONTENT))
def test_any_content_is_a_value_or_a_mistake_and_is_never_shown(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    directory = tmp_path_factory.mktemp("secrets")
    for name, content in files.items():
        (directory / name).write_bytes(content)
    reading = read_secret_files(directory, HERE)
    try:
        said = repr(load({**EMEA, f"{HERE}": str(directory)}, directory))
    except ConfigurationError as error:
        said = f"{error}{error!r}{error.__context__!r}"
    assert "s3cr3t" not in f"{reading}{said}"
