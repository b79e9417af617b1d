"""FLOW_EXPORTER_CONFIG_FILE: what variables set, in YAML; every error with its line, and no value shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from settings.example import DESTINATION, SOURCE, T, errors
from settings.example import EMEA as VARIABLES

from exporter.settings import Config, ConfigurationError, ListenAddress, load

VARIABLE = "FLOW_EXPORTER_CONFIG_FILE"
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


def reported(directory: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    (directory / "flows.yaml").write_text(text, encoding="utf-8")
    return errors({VARIABLE: "flows.yaml", **(environ or {})}, directory)


def test_a_file_alone_is_a_whole_configuration_and_is_among_the_files(tmp_path: Path) -> None:
    config = loaded(tmp_path, EMEA)
    assert [target.name for target in config.targets] == ["emea"]
    assert set(config.files) == {tmp_path / ".env", tmp_path / "flows.yaml"}


def test_a_value_without_quotes_means_the_same_as_in_a_variable(tmp_path: Path) -> None:
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
        "PROXY_URL": "http://proxy.example:3128",
        "EXPECTED_STATUSES": "OTP_REQUIRED,DAVINCI",
    }
    lines = [f"{name.lower()}: {value}" for name, value in written.items() if "__" not in name]
    labels = [f"  {name[8:].lower()}: {value}" for name, value in written.items() if "__" in name]
    both = EMEA.replace("    client_id: client\n", "").splitlines()
    text = "\n".join([*both, *(f"    {line}" for line in [*lines, "labels:", *labels])])
    environ = {f"{T}SOURCE_ENVIRONMENT_ID": SOURCE, f"{T}DESTINATION_ENVIRONMENT_ID": DESTINATION}
    by_variables = load({**environ, **{f"{T}{name}": value for name, value in written.items()}}, tmp_path)
    assert loaded(tmp_path, text).targets == by_variables.targets


def test_a_list_may_replace_commas(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        f"{EMEA}    expected_statuses: [OTP_REQUIRED, DAVINCI]\n"
        "duration_buckets:\n  - .1\n  - 1\n"
        "web: {listen_address: ['[::1]:1', ':2'], health_listen_address: ['127.0.0.1:3']}\n",
    )
    assert config.targets[0].expected_statuses == ("OTP_REQUIRED", "DAVINCI")
    assert config.duration_buckets == (0.1, 1.0)
    assert config.web.listen_address == (ListenAddress("::1", 1), ListenAddress("", 2))
    assert config.web.health_listen_address == (ListenAddress("127.0.0.1", 3),)


def test_null_unsets_a_setting_and_empties_a_group(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        "defaults:\n  prompt: login\n  labels: {tier: gold}\nweb:\nlog: ~\n"
        f"{EMEA}    prompt:\n    proxy_url: null\n    max_age: ~\n    labels: {{tier: }}\n",
    )
    (target,) = config.targets
    assert (target.prompt, target.proxy_url, target.max_age, target.labels) == (None, None, None, ())


def test_a_target_may_be_all_defaults(tmp_path: Path) -> None:
    text = EMEA.replace("targets:\n  emea:", "defaults:").replace("    ", "  ") + "targets:\n  a:\n  b: {}\n"
    assert [target.name for target in loaded(tmp_path, text).targets] == ["a", "b"]


def test_references_are_not_expanded(tmp_path: Path) -> None:
    config = loaded(tmp_path, f"{EMEA}    acr_values: ${{HOME}}\n", {"HOME": "/root"})
    assert config.targets[0].acr_values == "${HOME}"


def test_the_environment_and_its_file_override_single_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{T}SCOPE=openid email\n{T}INTERVAL=20s\n")
    text = f"{EMEA}    scope: openid\n    interval: 30s\n    labels: {{owner: file, tier: file}}\n"
    (target,) = loaded(tmp_path, text, {f"{T}INTERVAL": "10s", f"{T}LABELS__TIER": "variable"}).targets
    assert (target.authorize.interval, target.scope, target.client_id) == (10.0, "openid email", "client")
    assert target.labels == (("owner", "file"), ("tier", "variable"))


def test_the_environment_file_may_name_it_and_an_empty_variable_names_none(tmp_path: Path) -> None:
    (tmp_path / "flows.yaml").write_text(EMEA)
    (tmp_path / ".env").write_text(f"{VARIABLE}=flows.yaml\n")
    assert load({}, tmp_path).targets[0].name == "emea"
    with pytest.raises(ConfigurationError, match="no targets"):
        load({VARIABLE: ""}, tmp_path)


def test_paths_in_it_start_at_the_working_directory(tmp_path: Path, certificate: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "flows.yaml").write_text(f"{EMEA}    ca_file: {certificate.name}\n")
    config = load({VARIABLE: "etc/flows.yaml"}, tmp_path)
    assert config.targets[0].ca_file == certificate
    assert set(config.files) == {tmp_path / ".env", tmp_path / "etc" / "flows.yaml", certificate}


IN = "in flows.yaml line"


@pytest.mark.parametrize(
    ("added", "message"),
    [
        (
            "    interval: soon",
            f"targets.emea.interval {IN} 6: invalid duration; use e.g. 500ms, 30s, 1m30s or 2h",
        ),
        ("    interval:\n      soon", f"targets.emea.interval {IN} 6: invalid duration"),
        (
            "    intervall: 1s",
            f"targets.emea.intervall {IN} 6: unknown setting; did you mean targets.emea.interval?",
        ),
        (
            "    clientId: x",
            f"targets.emea.clientId {IN} 6: unknown setting; did you mean targets.emea.client_id?",
        ),
        (
            "    label: {tier: x}",
            f"targets.emea.label {IN} 6: unknown setting; did you mean targets.emea.labels?",
        ),
        (
            "    labels: {job: x}",
            f"targets.emea.labels.job {IN} 6: reserved label; Prometheus or the exporter sets it",
        ),
        (
            "    Client_ID: x",
            (f"targets.emea.Client_ID {IN} 6: same setting as targets.emea.client_id; keep one of them"),
        ),
        ("    client_id: x", f"targets.emea.client_id {IN} 6: set twice, first in line 5; keep one of them"),
        ("    timeout: 2m", f"targets.emea.timeout {IN} 6: must be shorter than INTERVAL, which is 1m"),
        (
            "    region: EU\n    auth_url: https://a.example",
            f"targets.emea.region {IN} 6: REGION and AUTH_URL are mutually exclusive",
        ),
        ("    scope: {a: b}", f"targets.emea.scope {IN} 6: expected a single value"),
        ("    interval: {a: b}", f"targets.emea.interval {IN} 6: expected a single value"),
        ("    prompt: [1, 2]", f"targets.emea.prompt {IN} 6: expected a string"),
        (
            "    expected_statuses:\n      - A\n      - {a: b}",
            f"targets.emea.expected_statuses {IN} 8: expected a list of single values",
        ),
        (
            "    expected_statuses:\n      - A\n      - b",
            (
                f"targets.emea.expected_statuses {IN} 8: "
                "invalid flow status; use e.g. USERNAME_PASSWORD_REQUIRED,OTP_REQUIRED"
            ),
        ),
        ("    labels: [a]", f"targets.emea.labels {IN} 6: expected a mapping"),
        ("  EMEA: {}", f"targets.EMEA {IN} 6: same setting as targets.emea; keep one of them"),
        (
            "  a.b: {}",
            (
                f"targets.a.b {IN} 6: invalid name; use letters and digits in groups joined by single "
                "underscores"
            ),
        ),
        ("log: {level: loud}", f"log.level {IN} 6: expected debug, info, warning or error"),
        ("log: loud", f"log {IN} 6: expected a mapping"),
        ("log_level: info", f"log_level {IN} 6: unknown setting; did you mean log.level?"),
        (
            "FLOW_EXPORTER_LOG__LEVEL: info",
            f"FLOW_EXPORTER_LOG__LEVEL {IN} 6: unknown setting; did you mean log.level?",
        ),
        ("interval: 1s", f"interval {IN} 6: unknown setting; did you mean defaults.interval?"),
        ("defualts: {}", f"defualts {IN} 6: unknown setting; did you mean defaults?"),
        ("1: {}", f"1 {IN} 6: unknown setting"),
        ("? {}\n: x", "flows.yaml line 6: expected a string as key"),
        (
            "shard: {index: 3, count: 2}",
            f"shard.index {IN} 6: must be less than SHARD__COUNT, which is 2; the first index is 0",
        ),
        (
            "config_file: x",
            (
                f"config_file {IN} 6: not allowed in a configuration file; "
                "set FLOW_EXPORTER_CONFIG_FILE in the environment"
            ),
        ),
        (
            "SECRETS_DIR: x",
            (
                f"SECRETS_DIR {IN} 6: not allowed in a configuration file; "
                "set FLOW_EXPORTER_SECRETS_DIR in the environment"
            ),
        ),
    ],
)
def test_an_error_is_reported_with_its_path_and_line(added: str, message: str, tmp_path: Path) -> None:
    assert [line for line in reported(tmp_path, EMEA + added) if line.startswith(message)]


def test_what_is_missing_is_reported_at_the_target(tmp_path: Path) -> None:
    assert reported(tmp_path, "\ntargets:\n  emea:\n    client_id: x\n    region: EU\n") == [
        (
            f"targets.emea.destination_environment_id {IN} 3: missing; "
            "set it to the UUID of the environment that users are signed on for (the relying party)"
        ),
        (
            f"targets.emea.source_environment_id {IN} 3: missing; "
            "set it to the UUID of the environment that signs users on (the identity provider)"
        ),
    ]


def test_an_error_in_it_is_reported_with_those_of_variables(tmp_path: Path) -> None:
    text = f"{EMEA}    pkce: maybe\nnonsense: 1\nlog: loud\n"
    assert reported(tmp_path, text, {"FLOW_EXPORTER_LOG__LEVEL": "loud", f"{T}NONSENSE": "1"}) == [
        "FLOW_EXPORTER_LOG__LEVEL: expected debug, info, warning or error",
        f"{T}NONSENSE: unknown setting",
        f"log {IN} 8: conflicts with FLOW_EXPORTER_LOG__LEVEL; remove one of them",
        f"nonsense {IN} 7: unknown setting",
        f"targets.emea.pkce {IN} 6: expected true or false",
    ]


@pytest.mark.parametrize("character", ["00110000", "FFFFFFFF"])
@pytest.mark.parametrize("parser", ["libyaml", "Python"])
def test_a_character_that_does_not_exist_is_a_syntax_error(
    character: str, parser: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if parser == "Python":  # what PyYAML falls back to
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    (line,) = reported(tmp_path, f'defaults:\n  prompt: "\\U{character}"\n')
    assert re.match(r"flows\.yaml line \d+: YAML syntax error; ", line)


def test_a_file_with_a_syntax_error_makes_nothing_else_missing(tmp_path: Path) -> None:
    (line,) = reported(tmp_path, f"{EMEA}    x: [", {f"{T}PROMPT": "login"})
    assert line.startswith("flows.yaml line 6: YAML syntax error; ")


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("missing.yaml", "file not found: {}/missing.yaml"),
        (".", "not a regular file: {}"),
        ("/dev/null", "not a regular file: /dev/null"),
        ("latin", "file not encoded in UTF-8: {}/latin"),
        ("large", "file larger than 8192 KiB: {}/large"),
        ("loop", "cannot read {}/loop: Too many levels of symbolic links"),
        ("a\nb", "contains a control character, such as a line break"),
        ("\udc80", "not encoded in UTF-8"),
    ],
)
def test_a_file_that_cannot_be_read_is_reported_at_the_variable_that_names_it(
    named: str, message: str, tmp_path: Path
) -> None:
    (tmp_path / "latin").write_bytes(b"a: \xe9")
    (tmp_path / "large").write_bytes(b"#" * (8 * 1024 * 1024 + 1))
    (tmp_path / "loop").symlink_to("loop")
    assert errors({**VARIABLES, VARIABLE: named}, tmp_path) == [f"{VARIABLE}: {message.format(tmp_path)}"]


def test_a_missing_file_is_among_the_files_of_the_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load({VARIABLE: "flows.yaml"}, tmp_path)
    assert set(caught.value.files) == {tmp_path / ".env", tmp_path / "flows.yaml"}


def test_a_file_of_ten_thousand_targets_is_not_too_large(tmp_path: Path) -> None:
    target = "".join(
        f"    {name}: {value}\n"
        for name, value in {
            "source_environment_id": SOURCE,
            "destination_environment_id": DESTINATION,
            "client_id": SOURCE,
            "redirect_uri": "https://app.example.com/callback/openid",
            "expected_statuses": "USERNAME_PASSWORD_REQUIRED",
            "labels": "{owner: identity-team, tier: gold}",
            "interval": "1m30s",
            **dict.fromkeys(("timeout", "latency_objective"), "30s"),
            **dict.fromkeys(("region", "destination_region"), "EU"),
            "pkce": "true",
        }.items()
    )
    text = "targets:\n" + "".join(f"  target_{n}:\n{target}" for n in range(100))
    assert len(loaded(tmp_path, text + f"#{text}".replace("\n", "") * 99).targets) == 100


@pytest.mark.parametrize(
    "value", ["NO", "on", "0123", "0x1F", "1_000", "1e3", "1:30", "2026-11-25", ".inf", "=", "1m", "x#y"]
)
def test_a_scalar_is_the_text_that_is_written(value: str, tmp_path: Path) -> None:
    text = f"{EMEA}    prompt: {value}\n    labels: {{tier: {value}}}\n"
    (target,) = loaded(tmp_path, text).targets
    assert (target.prompt, target.labels) == (value, (("tier", value),))


@pytest.mark.parametrize(("value", "prompt"), [("~", None), ("NULL", None), ("", None), ("'null'", "null")])
def test_only_a_null_without_quotes_is_null(value: str, prompt: str | None, tmp_path: Path) -> None:
    text = f"defaults: {{prompt: login}}\n{EMEA}    prompt: {value}\n"
    assert loaded(tmp_path, text).targets[0].prompt == prompt


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            "    prompt: &x y",
            ["flows.yaml line 6: anchor (&) not allowed; remove it, or quote it if it is text"],
        ),
        (
            "    prompt: 1\n    expected_statuses: [*x, A]",
            ["flows.yaml line 7: alias (*) not allowed; write out its value, or quote it if it is text"],
        ),
        (
            "    <<: *x\n    pkce: maybe",
            ["flows.yaml line 6: alias (*)", f"targets.emea.pkce {IN} 7: expected true or false"],
        ),
        ("    labels: {'<<': a}", [f"targets.emea.labels.<< {IN} 6: invalid label name"]),
        (
            "    prompt: !!binary eA==",
            ["flows.yaml line 6: tag (!) not allowed; remove it, or quote it if it is text"],
        ),
        (
            "    labels: !!python/object/apply:os.abort {}",
            ["flows.yaml line 6: tag (!) not allowed; remove it, or quote it if it is text"],
        ),
        ("    *x : 1", ["flows.yaml line 6: alias (*)", "flows.yaml line 6: expected a string as key"]),
        ("    client_id: {x: [3]}", [f"targets.emea.client_id {IN} 6: set twice, first in line 5"]),
    ],
)
def test_what_only_yaml_has_is_an_error_and_hides_nothing(
    text: str, lines: list[str], tmp_path: Path
) -> None:
    found = reported(tmp_path, EMEA + text)
    assert len(found) == len(lines)
    assert all(line.startswith(start) for line, start in zip(found, lines, strict=True))


SYNTAX_ERROR = (
    "YAML syntax error; indent with spaces and quote strings that contain any of "
    ": # [ ] { } , & * ! | > % @ `"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: no settings; use {} for an empty file"),
        ("# nothing\n", "1: no settings; use {} for an empty file"),
        ("- a", "1: expected a mapping; use {} for an empty file"),
        ("\ns3cr3t", "2: expected a mapping; use {} for an empty file"),
        ("~", "1: expected a mapping; use {} for an empty file"),
        ("log: {}\n---\na: 2", "2: second document not allowed; remove the --- before it"),
        ("log:\n  ? [1]\n  : 2", "2: expected a string as key"),
        ("log: {}\n\x07", "2: contains a control character; remove it"),
        ("%YAML 1.1\n---\nlog: {}", "1: contains a directive (%); remove it"),
        ("a: b: s3cr3t", f"1: {SYNTAX_ERROR}"),
        ("a: 1\n\tb: s3cr3t", f"2: {SYNTAX_ERROR}"),
        ("a: 1\nb: @s3cr3t", f"2: {SYNTAX_ERROR}"),
        ('a: "\\s3cr3t"', f"1: {SYNTAX_ERROR}"),
        ("a: [::1]:9988", f"1: {SYNTAX_ERROR}"),
        ("a: 1\nb: 's3cr3t\nc: 2\n", f"2: {SYNTAX_ERROR}"),
    ],
)
def test_what_ends_the_reading_is_reported_with_its_line_and_not_shown(
    text: str, message: str, tmp_path: Path
) -> None:
    lines = [line for line in reported(tmp_path, text, VARIABLES) if "unknown setting" not in line]
    assert [line.removeprefix("log in ") for line in lines] == [f"flows.yaml line {message}"]


@pytest.mark.parametrize("text", ["a: " + "[" * 100_000, "a:\n " + "- " * 100_000, "a: " + "{a: " * 100_000])
def test_deep_nesting_ends_at_the_twentieth_level(text: str, tmp_path: Path) -> None:
    assert any(line.endswith(": nested deeper than 20 levels") for line in reported(tmp_path, text))


def test_a_file_of_errors_is_read_up_to_the_hundredth(tmp_path: Path) -> None:
    lines = reported(tmp_path, "a: 1\n" * 100_000)
    assert len(lines) == 101


def test_a_file_of_endless_nodes_is_read_up_to_a_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporter.settings.yaml_file.MAX_EVENTS", 100)  # a million take too long for a test
    lines = reported(tmp_path, "a: [" + "1," * 100 + "]\n")
    assert "flows.yaml line 1: too many keys and values" in lines


def test_a_byte_order_mark_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "flows.yaml").write_bytes(b"\xef\xbb\xbf" + f"{EMEA}    prompt: é".encode())
    assert load({VARIABLE: "flows.yaml"}, tmp_path).targets[0].prompt == "é"


PRINTABLE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).map(str.strip)


@given(st.dictionaries(st.from_regex(r"x[a-z]{1,9}", fullmatch=True), PRINTABLE, max_size=4))
def test_what_a_yaml_library_writes_is_read_back(labels: dict[str, str]) -> None:
    text = yaml.safe_dump({"targets": {"emea": {"labels": labels}}}, allow_unicode=True, default_style='"')
    with TemporaryDirectory() as directory:
        (Path(directory) / "flows.yaml").write_text(text.replace("!!map ", ""), encoding="utf-8")
        (target,) = load({VARIABLE: "flows.yaml", **VARIABLES}, Path(directory)).targets
    assert target.labels == tuple(sorted((name, value) for name, value in labels.items() if value))


def test_without_libyaml_the_parser_in_python_reports_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"{EMEA}    prompt: NO\n    labels: {{d: &e 2, f: *e}}\n    <<: 3\n    interval: [1, 'x']\n"
    by_libyaml = reported(tmp_path, text)
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert reported(tmp_path, text) == by_libyaml


def everything_shown(raw: bytes) -> str:
    """Return everything that is shown of a file."""
    with TemporaryDirectory() as directory:
        (Path(directory) / "flows.yaml").write_bytes(raw)
        try:
            return repr(load({VARIABLE: "flows.yaml"}, Path(directory)))
        except ConfigurationError as error:
            return f"{error}{error!r}{error.__context__!r}{error.__cause__!r}"


SIGNS = st.text(st.sampled_from("ab:-?[]{},&*!|>%@`'\"#~<\\ \n\t\0\x85\u2028\ufeffé"), max_size=40)


@pytest.mark.parametrize("libyaml", [True, False])
@settings(deadline=None)
@given(raw=st.binary(max_size=64) | (st.text() | SIGNS).map(str.encode))
@example(raw=b"\xff\xfea\0")
def test_any_bytes_are_settings_or_errors_but_never_a_bug(raw: bytes, *, libyaml: bool) -> None:
    with pytest.MonkeyPatch.context() as patch:
        if not libyaml:
            patch.delattr(yaml, "CSafeLoader")
        assert everything_shown(raw)


SHAPES = ["{}", "*{}", "!{} x", "&{} x", '"\\{}"', "'{}", "@{}", "%{}", "[{}", "a: {}: b", "|{}", ">\n  {}"]
LEAVES = st.sampled_from([*(shape.format(SECRET) for shape in SHAPES), "~", "1", "on"])
KEYS = st.sampled_from([
    "targets", "emea", "defaults", "labels", "scope", "region", "log", "level", "x", "<<", "web", "interval",
    "proxy_url", "config_file", "duration_buckets", "listen_address", "shard", "count",
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
    assert SECRET.lower() not in everything_shown(written(value, "").encode()).lower()
