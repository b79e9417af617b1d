"""No setting adds a header, or a second request, to what the exporter sends."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from settings.example import EMEA, NOWHERE, P, T, errors
from settings.test_secrecy import EVERY_NAME

from exporter.probing.journeys import JOURNEYS
from exporter.settings import FLAGS, Config, ConfigurationError, load

BREAKS = ("\r\n", "\n", "\r", "\0", "\v", "\x7f", "\x85")
ON_THE_WIRE = re.compile(r"[\x21-\x7e]+(?: [\x21-\x7e]+)*")
CONTROL = "contains a control character"


JSON = f"{P}TARGETS"


@pytest.mark.parametrize("name", [name for name in EVERY_NAME if name != JSON])
def test_no_variable_may_contain_a_line_break_or_another_control_character(name: str) -> None:
    for line_break in BREAKS:
        value = f"{EMEA.get(name, 'a')}{line_break}X-Planted: b"
        assert CONTROL in "".join(errors({**EMEA, name: value})), repr(line_break)


@pytest.mark.parametrize("flag", FLAGS)
def test_no_flag_may_either(flag: str) -> None:
    for line_break in BREAKS:
        with pytest.raises(ConfigurationError, match=f"^{flag}: {CONTROL}"):
            load(EMEA, NOWHERE, {flag: f"a{line_break}X-Planted: b"})


def test_no_secret_file_no_configuration_file_and_no_json_may_either(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    for name in ("CLIENT_ID", "SCOPE", "LOGIN_HINT", "PASSWORD", "PROXY_URL", "DESTINATION_CLIENT_SECRET"):
        others = {key: value for key, value in EMEA.items() if key != f"{T}{name}"}
        secret = tmp_path / f"{T}{name}"
        for line_break in BREAKS:
            value = f"a{line_break}X-Planted: b"
            secret.write_bytes(f"{value}\n".encode())
            assert CONTROL in "".join(errors({**others, f"{P}SECRETS_DIR": str(tmp_path)}))
            secret.unlink()
            targets = {"emea": {name.lower(): value}}
            file.write_text(json.dumps({"targets": targets}))
            for source in ({f"{P}CONFIG_FILE": str(file)}, {JSON: json.dumps(targets)}):
                assert CONTROL in "".join(errors({**others, **source}))


VALUES = st.one_of(
    st.text(st.characters(), max_size=12),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(["a", "https://a.example/", "http://u:p@a.example:3128", "a.example", "openid "]),
        st.sampled_from(
            ["%0d%0aX-Planted: b", "\u560d\u560aX:b", "\u2028X:b", " HTTP/1.1", "?a b", "#é", "ü"]
        ),
        st.sampled_from(["", "/", "@b.example", ":80"]),
    ),
)


def requested(config: Config) -> list[str]:
    """Return every part of the requests that the settings alone determine."""
    steps = [
        next(JOURNEYS[journey](target, iter("abcdefgh").__next__))
        for target in config.targets
        for journey in target.journeys
    ]
    urls = [step.request.url for step in steps]
    headers = [value for step in steps for _, value in step.request.headers]
    checks = [url for url in (config.status_page.url, config.egress_check_url) if url]
    return [*urls, *headers, *checks]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(EVERY_NAME), VALUES, min_size=1, max_size=4))
def test_what_is_accepted_is_sent_as_printable_ascii_in_one_line(values: dict[str, str]) -> None:
    journeys = {f"{T}JOURNEYS": "authorize,federation,discovery"}
    try:
        config = load({**EMEA, **journeys, **values}, NOWHERE)
    except ConfigurationError:
        return
    for part in requested(config):
        assert ON_THE_WIRE.fullmatch(part), part
