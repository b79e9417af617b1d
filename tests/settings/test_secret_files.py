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
from settings.example import EMEA, P, T, errors

from exporter.settings import Config, ConfigurationError, load

HERE = f"{P}SECRETS_DIR"
PROMPT = f"{T}PROMPT"
LEVEL = f"{P}LOG__LEVEL"
PROXY = "http://user:s3cr3t@proxy.example:3128"
KIB = 1024


def loaded(directory: Path) -> Config:
    """Load the example with secret files in a directory."""
    return load({**EMEA, HERE: str(directory)}, directory.parent)


def reported(directory: Path) -> list[str]:
    return errors({**EMEA, HERE: str(directory)}, directory.parent)


@pytest.fixture
def mount(tmp_path: Path) -> Mount:
    """Return a mount where nothing was put yet."""
    return Mount(tmp_path / "secrets")


def test_a_mounted_secret_is_read_through_its_links(mount: Mount) -> None:
    mount.put({f"{T}PROXY_URL": PROXY, "flow_exporter_log__level": "debug\n", "other": b"\xff"})
    config = loaded(mount.directory)
    assert (config.targets[0].proxy_url, config.log.level) == (PROXY, "debug")


def test_a_target_in_secret_files_alone_is_named_where_it_is(mount: Mount) -> None:
    mount.put({"FLOW_EXPORTER_TARGETS__APAC__PROXY_URL": PROXY})
    assert [line.partition(": ")[0] for line in reported(mount.directory)] == [
        f"FLOW_EXPORTER_TARGETS__APAC__{name} in secrets"
        for name in ("CLIENT_ID", "DESTINATION_ENVIRONMENT_ID", "SOURCE_ENVIRONMENT_ID")
    ]


@pytest.mark.parametrize("content", ["x", "x\n", "x\r\n"])
def test_one_trailing_line_break_is_removed(content: str, tmp_path: Path) -> None:
    (tmp_path / f"{T}REDIRECT_URI").write_bytes(f"urn:{content}".encode())
    assert loaded(tmp_path).targets[0].redirect_uri == "urn:x"


def test_a_second_line_break_is_part_of_the_value(tmp_path: Path) -> None:
    (tmp_path / f"{T}REDIRECT_URI").write_bytes(b"urn:x\n\n")
    assert reported(tmp_path) == [
        f"{T}REDIRECT_URI in {tmp_path.name}: contains a control character, such as a line break"
    ]


def test_files_of_others_and_of_kubernetes_are_ignored(mount: Mount) -> None:
    mount.put({"tls.key": b"\xff", "..hidden": "x", "FLOW_EXPORTER": "x", LEVEL: "debug"})
    (mount.directory / "..2026_11_25_09_00_00.0").mkdir()
    (mount.directory / "..2026_11_25_09_00_00.0" / f"{P}NONSENSE").touch()
    (mount.directory / "subdirectory").mkdir()
    (mount.directory / "subdirectory" / f"{P}NONSENSE").touch()
    assert loaded(mount.directory).log.level == "debug"


def test_an_empty_directory_is_not_an_error(tmp_path: Path) -> None:
    assert loaded(tmp_path).targets


def test_names_are_checked(tmp_path: Path) -> None:
    for name in (f"{P}LOG_LEVEL", f"{P}LOG__FORMAT", f"{P}log__format"):
        (tmp_path / name).write_text("json")
    assert reported(tmp_path) == [
        f"FLOW_EXPORTER_LOG_LEVEL in {tmp_path.name}: unknown setting; did you mean {LEVEL}?",
        (
            f"FLOW_EXPORTER_log__format in {tmp_path.name}: same setting as FLOW_EXPORTER_LOG__FORMAT; "
            "keep one of them"
        ),
    ]


def test_a_file_that_cannot_be_read_is_reported_and_hides_nothing(tmp_path: Path) -> None:
    (tmp_path / f"{T}SCOPE").write_bytes(b"\xe9")
    (tmp_path / PROMPT).mkdir()
    (tmp_path / f"{T}CLIENT_ID").symlink_to("nowhere")
    (tmp_path / f"{T}REGION").write_bytes(b"x" * (1024 * KIB + 1))
    os.mkfifo(tmp_path / f"{T}PKCE")
    (tmp_path / LEVEL).write_text("loud")
    where = f"in {tmp_path.name}"
    assert reported(tmp_path) == [
        f"{LEVEL} {where}: expected debug, info, warning or error",
        f"{T}CLIENT_ID {where}: file not found: {tmp_path}/{T}CLIENT_ID",
        f"{T}PKCE {where}: not a regular file: {tmp_path}/{T}PKCE",
        f"{PROMPT} {where}: not a regular file: {tmp_path}/{PROMPT}",
        f"{T}REGION {where}: file larger than 1024 KiB: {tmp_path}/{T}REGION",
        f"{T}SCOPE {where}: not encoded in UTF-8",
    ]


def test_a_file_that_cannot_be_read_makes_nothing_missing(tmp_path: Path) -> None:
    (tmp_path / f"{T}CLIENT_ID").write_bytes(b"\xe9")
    (tmp_path / f"{T}PROMPT").write_bytes(b"login")
    assert errors({HERE: str(tmp_path)}, tmp_path) == [
        f"{T}CLIENT_ID in {tmp_path.name}: not encoded in UTF-8"
    ]


def test_all_files_together_are_bounded(tmp_path: Path) -> None:
    for number in range(17):
        (tmp_path / f"{P}A{number:02}").write_bytes(b"x" * (1024 * KIB))
    lines = reported(tmp_path)
    assert f"{P}A16 in {tmp_path.name}: secret files larger than 16384 KiB together: {tmp_path}" in lines
    assert sum("larger than" in line for line in lines) == 1


def test_the_number_of_files_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.settings.variables.MAX_SECRET_FILES", 2)
    for name in ("other", f"{P}A", f"{P}B", f"{P}C"):
        (tmp_path / name).touch()
    assert reported(tmp_path) == [f"{HERE}: cannot read {tmp_path}: more than 2 files"]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("missing", "directory not found: {}/missing"),
        ("file", "cannot read {}/file: Not a directory"),
        ("file/x", "cannot read {}/file/x: Not a directory"),
        ("loop", "cannot read {}/loop: Too many levels of symbolic links"),
        ("a\nb", "contains a control character, such as a line break"),
    ],
)
def test_a_directory_that_cannot_be_read_is_reported_at_its_variable(
    named: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "loop").symlink_to("loop")
    assert errors({**EMEA, HERE: named}, tmp_path) == [f"{HERE}: {message.format(tmp_path)}"]


def swapping(mount: Mount, contents: Iterator[Mapping[str, str]], patch: pytest.MonkeyPatch) -> None:
    """Let the content be swapped each time right after the names of the current one were listed."""
    listed = os.scandir

    def scandir(directory: Any) -> Any:  # noqa: ANN401  as os.scandir
        entries = listed(directory)
        if Path(directory).parent == mount.directory and (content := next(contents, None)) is not None:
            with pytest.MonkeyPatch.context() as back:  # for what the swap itself lists
                back.setattr(os, "scandir", listed)
                mount.put(content)
        return entries

    patch.setattr(os, "scandir", scandir)


def test_values_of_two_versions_are_never_mixed(mount: Mount, monkeypatch: pytest.MonkeyPatch) -> None:
    mount.put({LEVEL: "debug", f"{P}LOG__FORMAT": "logfmt"})
    swapping(mount, iter([{LEVEL: "info", f"{P}LOG__FORMAT": "json"}]), monkeypatch)
    log = loaded(mount.directory).log
    assert (log.level, log.format) == ("info", "json")


def test_a_directory_that_changes_each_time_it_is_read_is_an_error(
    mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    mount.put({LEVEL: "0"})
    swapping(mount, ({LEVEL: str(n)} for n in range(100)), monkeypatch)
    assert reported(mount.directory) == [f"{HERE}: directory changes while it is read: {mount.directory}"]


def test_they_rank_between_the_environment_file_and_the_configuration_file(mount: Mount) -> None:
    directory = mount.directory.parent
    (directory / ".env").write_text(f"{T}SCOPE=dotenv\n{P}SECRETS_DIR=secrets\n")
    (directory / "flows.yaml").write_text("targets: {emea: {scope: file, prompt: file, acr_values: file}}")
    mount.put({f"{T}SCOPE": "secret", PROMPT: "secret", f"{P}CONFIG_FILE": "flows.yaml\n"})
    config = load(EMEA, directory)
    (target,) = config.targets
    assert (target.scope, target.prompt, target.acr_values) == ("dotenv", "secret", "file")
    assert set(config.files) == {directory / ".env", mount.directory, directory / "flows.yaml"}


def test_a_secret_file_cannot_name_the_directory(mount: Mount) -> None:
    mount.put({HERE: "elsewhere"})
    assert reported(mount.directory) == [
        f"{HERE} in secrets: not allowed in a secret file; set FLOW_EXPORTER_SECRETS_DIR in the environment"
    ]


NAMES = [f"{T}PROXY_URL", f"{T}LABELS__JOB", LEVEL, f"{P}TARGETS", f"{P}NONSENSE", f"{P}WEB"]
CONTENT = st.binary(max_size=20) | st.sampled_from([b"q7Zk-s3cr3t\n", b'{"a": "q7Zk-s3cr3t"}'])


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), CONTENT))
def test_any_content_is_a_value_or_an_error_and_is_never_shown(
    tmp_path_factory: pytest.TempPathFactory, files: dict[str, bytes]
) -> None:
    directory = tmp_path_factory.mktemp("secrets")
    for name, content in files.items():
        (directory / name).write_bytes(content)
    try:
        shown = repr(loaded(directory))
    except ConfigurationError as error:
        shown = f"{error}{error!r}{error.__context__!r}"
    assert "s3cr3t" not in shown
