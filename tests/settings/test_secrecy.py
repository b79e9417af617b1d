"""A value may be a misplaced secret, whatever its variable: it is in no message and no repr."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from settings.example import EMEA, NOWHERE, T, targets
from settings_reference import reference

from exporter.settings import ConfigurationError, load

SECRET = "q7Zk-s3cr3t-W9x"
PATHS = ("CONFIG_FILE", "SECRETS_DIR", "CA_FILE", "CLIENT_CERTIFICATE_FILE", "CLIENT_KEY_FILE")
"""Errors about files show their path, unless it looks like a URL or a PEM block."""
EVERY_NAME = sorted(
    {
        line.split("`")[1].replace("<NAME>", "EMEA").replace("<KEY>", "OWNER").replace("<FIELD>", field)
        for line in reference().splitlines()
        if line.startswith("| `FLOW_EXPORTER_")
        for field in ("INTERVAL", "AUTH_URL", "LABELS__X")
    }
)
NAMES = [name for name in EVERY_NAME if not name.endswith(PATHS)]
UNKNOWN = [
    "FLOW_EXPORTER_TARGETS__EMEA", "FLOW_EXPORTER_WEB", "FLOW_EXPORTER_PORT", "FLOW_EXPORTER_NONSENSE",
    "FLOW_EXPORTER_TARGETS__a-b__SCOPE", f"{T}CLINT_ID", f"{T}LABELS", f"{T}LABELS__JOB",
]  # fmt: skip
SHAPES = [
    "{}",
    "https://user:{}@a.example/",
    "http://user:{}@proxy.example:3128",
    "http://{}@{}:3128/{}",
    "socks5://user:{}@proxy.example:1080",
    "https://a.example/?x={}",
    "https://{}.example/",
    "http://{}:x",
    "{}s",
    "tcp://{}",
    '{{"emea": {{"client_id": {}}}}}',
    '{{"emea": {{"region": "{}"}}}}',
    '{{"emea": "{}"}}',
    "{}\n{}",
    "[{}",
    "FAILED,{}",
    "1,{}",
    "[{}]:1",
    "{}\udc80",
    "\x00{}",
    " {}",
    "/nonexistent/{}",
    "${{{}}}",
]


def reported(environ: Mapping[str, str], directory: Path) -> str:
    try:
        loaded = load(environ, directory)
    except ConfigurationError as error:
        return f"{error}{error!r}{error.__context__!r}{error.__cause__!r}"
    return "" if loaded.targets else "no target"


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES + UNKNOWN), st.sampled_from(SHAPES), min_size=1, max_size=6))
def test_no_value_is_in_any_text_whatever_its_variable(planted: Mapping[str, str]) -> None:
    environ = {name: shape.format(SECRET, SECRET, SECRET) for name, shape in planted.items()}
    assert SECRET.lower() not in reported(environ, NOWHERE).lower()


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES + UNKNOWN), st.sampled_from(SHAPES), min_size=1, max_size=4))
def test_no_value_of_the_file_is_in_any_text(planted: Mapping[str, str]) -> None:
    lines = "".join(f"{name}={shape.format(SECRET, SECRET, SECRET)}\n" for name, shape in planted.items())
    with TemporaryDirectory() as directory:
        (Path(directory) / ".env").write_bytes(lines.encode(errors="replace"))
        assert SECRET.lower() not in reported({}, Path(directory)).lower()


@settings(deadline=None)
@given(
    st.recursive(
        st.sampled_from([SECRET, 1, 1.5, True, None]),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["emea", "EMEA", "a-b", "labels", "scope", "region", "x"]), inner
            )
        ),
    )
)
def test_no_value_inside_json_is_in_any_text_and_no_shape_of_it_is_a_bug(document: object) -> None:
    assert SECRET.lower() not in reported({"FLOW_EXPORTER_TARGETS": json.dumps(document)}, NOWHERE).lower()


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.text(st.characters(), max_size=8), min_size=1, max_size=8))
def test_any_value_is_accepted_or_reported_but_never_a_bug(environ: Mapping[str, str]) -> None:
    reported(environ, NOWHERE)


AROUND = st.text(st.sampled_from("a1%@:/?#[]\\\\ +é"), max_size=5)
PLANTED = st.builds(
    "{}{}{}{}{}{}{}".format,
    st.sampled_from(["http://", "HTTP://", "https://", "socks5://", "http:", ""]),
    st.sampled_from(["user:", "us%3Aer:", "user", ":", "user:80/", "user:80?", "user:80#"]),
    AROUND,
    st.just(SECRET),
    AROUND,
    st.sampled_from(["@", "%40@"]),
    st.sampled_from(["proxy.example:3128", "[::1]:80/", "proxy.example", "", "proxy.example:80/x?y#z"]),
)


def shown(environ: Mapping[str, str]) -> str:
    """Return everything that is shown of a configuration, valid or not."""
    said = reported(environ, NOWHERE)
    try:
        return said + repr(load(environ, NOWHERE))
    except ConfigurationError:
        return said


MAY_BE_SECRET = [
    (f"{T}PROXY_URL", f"http://user:{SECRET}@proxy.example:3128"),
    (f"{T}PROXY_URL", f"http://{SECRET}:password@proxy.example:3128"),
    ("FLOW_EXPORTER_DEFAULTS__PROXY_URL", f"http://user:{SECRET}@[::1]:3128/"),
    ("FLOW_EXPORTER_EGRESS_CHECK_URL", f"https://www.example.com/?key={SECRET}"),
    ("FLOW_EXPORTER_STATUS_PAGE__URL", f"https://status.example.com/{SECRET}/summary.json?key={SECRET}"),
    (f"{T}LOGIN_HINT", f"{SECRET}@example.com"),
    (f"{T}DESTINATION_CLIENT_SECRET", SECRET),
]


@pytest.mark.parametrize(("name", "value"), MAY_BE_SECRET)
def test_a_value_that_may_be_a_secret_is_accepted_and_never_shown(name: str, value: str) -> None:
    assert len(load({**EMEA, name: value}, NOWHERE).targets) == 1
    assert SECRET not in shown({**EMEA, name: value})


def test_no_value_is_logged_whatever_the_environment_asks_of_pydantic(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PYDANTIC_SETTINGS_DEBUG", "1")
    caplog.set_level(logging.DEBUG)
    load({**EMEA, f"{T}LOGIN_HINT": SECRET}, NOWHERE)
    assert SECRET not in caplog.text


@given(
    PLANTED,
    st.sampled_from([f"{T}PROXY_URL", "FLOW_EXPORTER_DEFAULTS__PROXY_URL", "FLOW_EXPORTER_EGRESS_CHECK_URL"]),
)
def test_a_password_in_a_url_is_never_shown_however_the_url_is_written(value: str, name: str) -> None:
    assert SECRET.lower() not in shown({**EMEA, name: value}).lower()


def calls(run: Callable[[], object]) -> int:
    count = 0

    def profile(_frame: object, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    sys.setprofile(profile)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("invalid", [{}, {"INTERVAL": "soon", "NONSENSE": "x", "CLINT_ID": "x"}])
def test_twice_as_many_targets_are_twice_the_work(invalid: Mapping[str, str]) -> None:
    def work(count: int) -> int:
        names = [f"t{n}" for n in range(count)]
        environ = targets(*names) | {"FLOW_EXPORTER_DEFAULTS__SCOPE": "openid"}
        for name in names:
            environ |= {
                f"FLOW_EXPORTER_TARGETS__{name.upper()}__{key}": text for key, text in invalid.items()
            }
        return calls(lambda: reported(environ, NOWHERE))

    work(1)
    assert work(80) < 2.2 * work(40)
