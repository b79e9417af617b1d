"""FLOW_EXPORTER_CONFIG_FILE: what variables say, in YAML; every mistake with its line, and no value shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exporter.settings import Config, ConfigurationError, ListenAddress, configuration_file, load
from exporter.settings.configuration_file import read_configuration_file
from exporter.settings.written import Leaf, Place

VARIABLE = "FLOW_EXPORTER_CONFIG_FILE"
T = "FLOW_EXPORTER_TARGETS__EMEA__"
SOURCE = "94e3268d-847d-47aa-a45e-1ef8dd8f4df0"
DESTINATION = "0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11"
EMEA = f"""\
targets:
  emea:
    source_environment_id: {SOURCE}
    destination_environment_id: {DESTINATION}
    client_id: client
"""
SECRET = "q7Zk-s3cr3t-W9x"


def loaded(directory: Path, text: str, environ: Mapping[str, str] | None = None) -> Config:
    (directory / "flows.yaml").write_text(text, encoding="utf-8")
    return load({VARIABLE: "flows.yaml", **(environ or {})}, directory)


def told(directory: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(directory, text, environ)
    return str(caught.value).split("\n")


def test_a_file_alone_is_a_whole_configuration_and_is_among_the_files(tmp_path: Path) -> None:
    settings = loaded(tmp_path, EMEA)
    assert [target.name for target in settings.targets] == ["emea"]
    assert settings.files == (tmp_path / ".env", tmp_path / "flows.yaml")


def test_a_leaf_knows_its_line_and_a_target_where_it_stands(tmp_path: Path) -> None:
    (tmp_path / "flows.yaml").write_text("log: {level: info}\nTargets:\n  EMEA:\n    pkce:\n      on\n")
    reading = read_configuration_file(tmp_path / "flows.yaml", Place(VARIABLE))
    assert reading.tree == {
        "log": {"level": Leaf("info", Place("", ("log", "level"), "flows.yaml", 1))},
        "targets": {"emea": {"pkce": Leaf("on", Place("", ("Targets", "EMEA", "pkce"), "flows.yaml", 4))}},
    }
    assert reading.places == {"emea": Place("", ("Targets", "EMEA"), "flows.yaml", 3)}
    assert str(reading.places["emea"]) == "Targets.EMEA in flows.yaml line 3"


def test_what_is_written_without_quotes_means_what_it_means_in_a_variable(tmp_path: Path) -> None:
    written = {
        "CLIENT_ID": "0123",
        "INTERVAL": "1m30s",
        "TIMEOUT": "1s",
        "LABELS__TIER": "1",
        "LABELS__COUNTRY": "NO",
        "LABELS__SINCE": "2026-11-25",
        "MAX_AGE": "300",
        "PKCE": "on",
        "ENABLED": "yes",
        "IP_FAMILY": "6",
        "SCOPE": "openid   profile",
        "PROMPT": "none",
        "ACR_VALUES": "1e3",
        "REDIRECT_URI": "https://app.example.com/callback",
        "PROXY_URL": "http://user:pass@proxy.example:3128",
        "EXPECTED_STATUSES": "OTP_REQUIRED,DAVINCI",
    }
    lines = [f"{name.lower()}: {value}" for name, value in written.items() if "__" not in name]
    labels = [f"  {name[8:].lower()}: {value}" for name, value in written.items() if "__" in name]
    both = EMEA.replace("    client_id: client\n", "").splitlines()
    text = "\n".join([*both, *(f"    {line}" for line in [*lines, "labels:", *labels])])
    environ = {f"{T}SOURCE_ENVIRONMENT_ID": SOURCE, f"{T}DESTINATION_ENVIRONMENT_ID": DESTINATION}
    by_variables = load({**environ, **{f"{T}{name}": value for name, value in written.items()}}, tmp_path)
    assert loaded(tmp_path, text).targets == by_variables.targets


def test_lists_are_taken_where_commas_are(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        f"{EMEA}    expected_statuses: [OTP_REQUIRED, DAVINCI]\n"
        "duration_buckets:\n  - .1\n  - 1\n"
        "web: {listen_address: ['[::1]:1', ':2'], health_listen_address: ['127.0.0.1:3']}\n",
    )
    assert settings.targets[0].expected_statuses == ("OTP_REQUIRED", "DAVINCI")
    assert settings.duration_buckets == (0.1, 1.0)
    assert settings.web.listen_addresses == (ListenAddress("::1", 1), ListenAddress("", 2))
    assert settings.web.health_listen_addresses == (ListenAddress("127.0.0.1", 3),)


def test_nothing_is_none_for_a_setting_and_an_empty_group_for_a_group(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        "defaults:\n  prompt: login\n  labels: {tier: gold}\nweb:\nlog: ~\n"
        f"{EMEA}    prompt:\n    proxy_url: null\n    max_age: ~\n    labels: {{tier: }}\n",
    )
    (target,) = settings.targets
    assert (target.prompt, target.proxy_url, target.max_age, target.labels) == (None, None, None, ())


def test_a_target_may_be_all_defaults(tmp_path: Path) -> None:
    text = EMEA.replace("targets:\n  emea:", "defaults:").replace("    ", "  ") + "targets:\n  a:\n  b: {}\n"
    assert [target.name for target in loaded(tmp_path, text).targets] == ["a", "b"]


def test_braces_and_dollars_are_no_references(tmp_path: Path) -> None:
    settings = loaded(tmp_path, f"{EMEA}    acr_values: ${{HOME}}\n", {"HOME": "/root"})
    assert settings.targets[0].acr_values == "${HOME}"


def test_environment_and_environment_file_win_leaf_by_leaf(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{T}SCOPE=openid email\n{T}INTERVAL=20s\n")
    text = f"{EMEA}    scope: openid\n    interval: 30s\n    labels: {{owner: file, tier: file}}\n"
    (target,) = loaded(tmp_path, text, {f"{T}INTERVAL": "10s", f"{T}LABELS__TIER": "variable"}).targets
    assert (target.interval, target.scope, target.client_id) == (10.0, "openid email", "client")
    assert target.labels == (("owner", "file"), ("tier", "variable"))


def test_the_environment_file_may_name_it_and_an_empty_variable_names_none(tmp_path: Path) -> None:
    (tmp_path / "flows.yaml").write_text(EMEA)
    (tmp_path / ".env").write_text(f"{VARIABLE}=flows.yaml\n")
    assert load({}, tmp_path).targets[0].name == "emea"
    with pytest.raises(ConfigurationError, match="there is no target"):
        load({VARIABLE: ""}, tmp_path)


def test_paths_in_it_start_at_the_working_directory(tmp_path: Path, certificate: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "flows.yaml").write_text(f"{EMEA}    ca_file: {certificate.name}\n")
    settings = load({VARIABLE: "etc/flows.yaml"}, tmp_path)
    assert settings.targets[0].ca_file == certificate
    assert settings.files == (tmp_path / ".env", tmp_path / "etc" / "flows.yaml", certificate)


IN = "in flows.yaml line"


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (
            "    interval: soon",
            (f"targets.emea.interval {IN} 6: invalid duration; use e.g. 500ms, 30s, 1m30s or 2h"),
        ),
        (
            "    intervall: 1s",
            (f"targets.emea.intervall {IN} 6: is unknown; did you mean targets.emea.interval?"),
        ),
        (
            "    clientId: x",
            (f"targets.emea.clientId {IN} 6: is unknown; did you mean targets.emea.client_id?"),
        ),
        ("    label: {tier: x}", f"targets.emea.label {IN} 6: is unknown; did you mean targets.emea.labels?"),
        (
            "    labels: {job: x}",
            (
                f"targets.emea.labels.job {IN} 6: "
                "is a label that Prometheus or the exporter sets itself; choose another name"
            ),
        ),
        ("    Client_ID: x", f"targets.emea.Client_ID {IN} 6: is the same as client_id; keep one of them"),
        (
            "    client_id: x",
            (f"targets.emea.client_id {IN} 6: is set twice, first in line 5; keep one of them"),
        ),
        (
            "    timeout: 2m",
            (
                f"targets.emea.timeout {IN} 6: "
                "must be shorter than the interval, which is 1m where none is set"
            ),
        ),
        (
            "    interval: 1s\n    timeout: 2s",
            (
                f"targets.emea.timeout {IN} 7: "
                f"must be shorter than the interval, which targets.emea.interval {IN} 6 sets"
            ),
        ),
        (
            "    region: EU\n    auth_url: https://a.example",
            (
                f"targets.emea.region {IN} 6: "
                f"cannot stand beside targets.emea.auth_url {IN} 7; keep one of them"
            ),
        ),
        (
            "    scope: {a: b}",
            (f"targets.emea.scope {IN} 6: is one setting, not a group; write a value, not a mapping"),
        ),
        (
            "    client_id2: [1, {a: b}]\n    prompt: [1, {a: b}]",
            (
                f"targets.emea.prompt {IN} 7: "
                "is no text of at most 1024 characters; write one, or nothing to send none"
            ),
        ),
        ("    labels: [a]", f"targets.emea.labels {IN} 6: is a group, not one setting; write a mapping"),
        ("  EMEA: {}", f"targets.EMEA {IN} 6: is the same as emea; keep one of them"),
        (
            "  a.b: {}",
            (
                f"targets.a.b {IN} 6: "
                "has no right target name; write letters and digits, in groups joined by one "
                "underscore, at most 63 characters"
            ),
        ),
        ("log: {level: loud}", f"log.level {IN} 6: is no log level; write debug, info, warning or error"),
        ("log_level: info", f"log_level {IN} 6: is unknown; did you mean log.level?"),
        (
            "FLOW_EXPORTER_LOG__LEVEL: info",
            (f"FLOW_EXPORTER_LOG__LEVEL {IN} 6: is unknown; did you mean log.level?"),
        ),
        ("interval: 1s", f"interval {IN} 6: is unknown; did you mean defaults.interval?"),
        ("defualts: {}", f"defualts {IN} 6: is unknown; did you mean defaults?"),
        ("1: {}", f"1 {IN} 6: is unknown"),
        ("? {}\n: x", "flows.yaml line 6: has a list or mapping as a key; write a text"),
        (
            "shard: {index: 3, count: 2}",
            (
                f"shard.index {IN} 6: "
                f"must be less than the number of shards, which shard.count {IN} 6 sets; the first one "
                "is 0"
            ),
        ),
        (
            "config_file: x",
            (
                f"config_file {IN} 6: "
                "cannot stand in a configuration file; set FLOW_EXPORTER_CONFIG_FILE in the "
                "environment"
            ),
        ),
        (
            "SECRETS_DIR: x",
            (
                f"SECRETS_DIR {IN} 6: "
                "cannot stand in a configuration file; set FLOW_EXPORTER_SECRETS_DIR in the "
                "environment"
            ),
        ),
    ],
)
def test_a_mistake_is_told_with_its_path_and_line(added: str, message: str, tmp_path: Path) -> None:
    assert message in told(tmp_path, EMEA + added)


def test_what_is_missing_is_told_at_the_target(tmp_path: Path) -> None:
    assert told(tmp_path, "\ntargets:\n  emea:\n    client_id: x\n    region: EU\n") == [
        (
            f"targets.emea.destination_environment_id {IN} 3: is missing; "
            "set it to the UUID of the environment that users are signed on for (the relying party)"
        ),
        (
            f"targets.emea.source_environment_id {IN} 3: is missing; "
            "set it to the UUID of the environment that signs users on (the identity provider)"
        ),
    ]


def test_a_mistake_in_it_is_told_beside_those_of_variables(tmp_path: Path) -> None:
    text = f"{EMEA}    pkce: maybe\nnonsense: 1\n"
    assert told(tmp_path, text, {"FLOW_EXPORTER_LOG__LEVEL": "loud", f"{T}NONSENSE": "1"}) == [
        "FLOW_EXPORTER_LOG__LEVEL: is no log level; write debug, info, warning or error",
        f"{T}NONSENSE: is unknown",
        f"nonsense {IN} 7: is unknown",
        f"targets.emea.pkce {IN} 6: is neither true nor false; write true or false",
    ]


def test_a_file_that_cannot_be_read_makes_nothing_else_missing(tmp_path: Path) -> None:
    (line,) = told(tmp_path, f"{EMEA}    x: [", {f"{T}PROMPT": "login"})
    assert line.startswith("flows.yaml line 6: is no YAML from here on; ")


def test_an_empty_file_is_a_mistake_for_it_may_be_half_written(tmp_path: Path) -> None:
    assert told(tmp_path, "") == ["flows.yaml line 1: holds no settings; write some, or {} for none"]


@pytest.mark.parametrize(
    ("named", "message"),
    [
        (
            "missing.yaml",
            "names a file that does not exist; write a path that does, relative to the working directory",
        ),
        (".", "is no file; write the path of one"),
        ("/dev/null", "is no file; write the path of one"),
        ("latin", "names a file that is not encoded in UTF-8; write it in UTF-8"),
        ("large", "names a file of more than 8192 KiB; write a smaller one"),
        ("loop", "names a file that cannot be read (Too many levels of symbolic links)"),
        ("x" * 300, "names a file that cannot be read (File name too long)"),
        ("a\nb", "holds a control character, such as a line break; write it without"),
        ("\udc80", "is not encoded in UTF-8; write it in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_of_the_variable_that_names_it(
    named: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "latin").write_bytes(b"a: \xe9")
    (tmp_path / "large").write_bytes(b"#" * (configuration_file.LARGEST + 1))
    (tmp_path / "loop").symlink_to("loop")
    environ = {f"{T}SOURCE_ENVIRONMENT_ID": SOURCE, f"{T}DESTINATION_ENVIRONMENT_ID": DESTINATION}
    with pytest.raises(ConfigurationError) as caught:
        load({**environ, f"{T}CLIENT_ID": "client", VARIABLE: named}, tmp_path)
    assert str(caught.value) == f"{VARIABLE}: {message}"


def test_a_missing_file_is_among_the_files_of_the_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({VARIABLE: "flows.yaml"}, tmp_path)
    assert caught.value.files == (tmp_path / ".env", tmp_path / "flows.yaml")


def test_ten_thousand_targets_fit(tmp_path: Path) -> None:
    target = "".join(
        f"    {name}: {value}\n"
        for name, value in {
            "source_environment_id": SOURCE,
            "destination_environment_id": DESTINATION,
            "client_id": SOURCE,
            "redirect_uri": "https://app.example.com/callback/openid",
            "expected_statuses": "USERNAME_PASSWORD_REQUIRED",
            "labels": "{owner: identity-team, tier: gold}",
            **dict.fromkeys(("interval", "timeout", "latency_objective"), "1m30s"),
            **dict.fromkeys(("region", "destination_region"), "EU"),
            "pkce": "true",
        }.items()
    )
    text = "targets:\n" + "".join(f"  target_{n}:\n{target}" for n in range(10_000))
    assert len(text) < configuration_file.LARGEST
    (tmp_path / "flows.yaml").write_text(text)
    reading = read_configuration_file(tmp_path / "flows.yaml", Place(VARIABLE))
    assert (len(reading.places), reading.mistakes) == (10_000, [])


def everything_said(raw: bytes) -> str:
    """Return all that is ever said about a file, of every stage."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "flows.yaml"
        path.write_bytes(raw)
        reading = read_configuration_file(path, Place(VARIABLE))
        said = repr(reading)
        try:
            load({VARIABLE: "flows.yaml"}, Path(directory))
        except ConfigurationError as error:
            said += f"{error}{error!r}{error.__context__!r}{error.__cause__!r}"
    return said


@settings(deadline=None)
@given(st.binary(max_size=64) | st.text().map(str.encode))
@example(b"\xff\xfea\0")
def test_any_bytes_are_settings_or_mistakes_but_never_a_bug(raw: bytes) -> None:
    assert everything_said(raw)


SHAPES = ["{}", "*{}", "!{} x", "&{} x", '"\\{}"', "'{}", "@{}", "%{}", "[{}", "a: {}: b", "|{}", ">\n  {}"]
LEAVES = st.sampled_from([*(shape.format(SECRET) for shape in SHAPES), "~", "1", "on"])
KEYS = st.sampled_from([
    "targets", "emea", "defaults", "labels", "scope", "region", "log", "level", "x", "<<", "web", "interval",
    "proxy_url", "ca_file", "config_file", "duration_buckets", "listen_address", "shard", "count",
])  # fmt: skip


def written(value: object, indent: str) -> str:
    if isinstance(value, dict):
        return "".join(f"\n{indent}{key}: {written(inner, indent + '  ')}" for key, inner in value.items())
    if isinstance(value, list):
        return "".join(f"\n{indent}- {written(inner, indent + '  ')}" for inner in value)
    return str(value)


@settings(deadline=None)
@given(
    st.recursive(
        LEAVES,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
        max_leaves=12,
    )
)
def test_no_value_is_in_any_text_however_the_file_is_written(value: object) -> None:
    assert SECRET.lower() not in everything_said(written(value, "").encode()).lower()
