"""A value may be a misplaced secret, whatever variable it stands in: it is in no message and no repr."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.settings import ConfigurationError, describe, load
from exporter.settings.field import Surroundings
from exporter.settings.reading import read
from exporter.settings.reference import reference
from exporter.settings.validation import validate

SECRET = "q7Zk-s3cr3t-W9x"
T = "FLOW_EXPORTER_TARGETS__EMEA__"
NAMES = sorted(
    {
        line.split("`")[1].replace("<NAME>", "EMEA").replace("<KEY>", "OWNER").replace("<FIELD>", field)
        for line in reference().splitlines()
        if line.startswith("| `")
        for field in ("INTERVAL", "AUTH_URL", "CA_FILE", "LABELS__X")
    }
)
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


def told(environ: Mapping[str, str], directory: Path) -> str:
    try:
        loaded = load(environ, directory)
    except ConfigurationError as error:
        return f"{error}{error!r}{error.__context__!r}{error.__cause__!r}"
    return "" if loaded.targets else "no target"


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES + UNKNOWN), st.sampled_from(SHAPES), min_size=1, max_size=6))
def test_no_value_is_in_any_text_whatever_variable_it_stands_in(planted: Mapping[str, str]) -> None:
    environ = {name: shape.format(SECRET, SECRET, SECRET) for name, shape in planted.items()}
    assert SECRET.lower() not in told(environ, Path("/nonexistent")).lower()


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES + UNKNOWN), st.sampled_from(SHAPES), min_size=1, max_size=4))
def test_no_value_of_the_file_is_in_any_text(planted: Mapping[str, str]) -> None:
    lines = "".join(f"{name}={shape.format(SECRET, SECRET, SECRET)}\n" for name, shape in planted.items())
    with TemporaryDirectory() as directory:
        (Path(directory) / ".env").write_bytes(lines.encode(errors="replace"))
        assert SECRET.lower() not in told({}, Path(directory)).lower()


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
    assert (
        SECRET.lower()
        not in told({"FLOW_EXPORTER_TARGETS": json.dumps(document)}, Path("/nonexistent")).lower()
    )


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.text(st.characters(), max_size=8), min_size=1, max_size=8))
def test_any_value_is_taken_or_told_but_never_a_bug(environ: Mapping[str, str]) -> None:
    told(environ, Path("/nonexistent"))


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
    """Return all that is ever said about a configuration, right or wrong, values of every stage included."""
    with TemporaryDirectory() as directory:
        said = [told(environ, Path(directory))]
        reading = read(sorted(environ.items()))
        validated = validate(reading.tree, Surroundings(Path(directory)))
        said += [repr(reading), repr(validated)]
        try:
            loaded = load(environ, Path(directory))
        except ConfigurationError:
            return "".join(said)
        return "".join([*said, describe(loaded), repr(loaded)])


RIGHT = {
    f"{T}SOURCE_ENVIRONMENT_ID": "94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
    f"{T}DESTINATION_ENVIRONMENT_ID": "94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
    f"{T}CLIENT_ID": "client",
}
TAKES_A_SECRET = [
    (f"{T}PROXY_URL", f"http://user:{SECRET}@proxy.example:3128"),
    (f"{T}PROXY_URL", f"http://{SECRET}:password@proxy.example:3128"),
    ("FLOW_EXPORTER_DEFAULTS__PROXY_URL", f"http://user:{SECRET}@[::1]:3128/"),
    ("FLOW_EXPORTER_EGRESS_CHECK_URL", f"https://www.example.com/?key={SECRET}"),
    (f"{T}LOGIN_HINT", f"{SECRET}@example.com"),
]


@pytest.mark.parametrize(("name", "value"), TAKES_A_SECRET)
def test_what_may_hold_a_secret_is_taken_and_shown_by_nothing(name: str, value: str) -> None:
    assert len(load({**RIGHT, name: value}, Path("/nonexistent")).targets) == 1
    assert SECRET not in shown({**RIGHT, name: value})


@given(
    PLANTED,
    st.sampled_from([f"{T}PROXY_URL", "FLOW_EXPORTER_DEFAULTS__PROXY_URL", "FLOW_EXPORTER_EGRESS_CHECK_URL"]),
)
def test_a_password_in_a_url_is_shown_by_nothing_however_the_url_is_written(value: str, name: str) -> None:
    assert SECRET.lower() not in shown({**RIGHT, name: value}).lower()


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


@pytest.mark.parametrize("wrong", [{}, {"INTERVAL": "soon", "NONSENSE": "x", "CLINT_ID": "x"}])
def test_twice_as_many_targets_are_twice_the_work(wrong: Mapping[str, str]) -> None:
    fields = {
        "SOURCE_ENVIRONMENT_ID": "94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
        "DESTINATION_ENVIRONMENT_ID": "94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
        "CLIENT_ID": "client",
        "LABELS__OWNER": "x",
        **wrong,
    }

    def work(count: int) -> int:
        environ = {
            f"FLOW_EXPORTER_TARGETS__T{n}__{name}": value
            for n in range(count)
            for name, value in fields.items()
        }
        environ["FLOW_EXPORTER_DEFAULTS__INTERVAL"] = "30s"
        return calls(lambda: told(environ, Path("/nonexistent")))

    work(1)
    assert work(80) < 2.2 * work(40)
