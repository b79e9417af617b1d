"""Values -> ConfigMap -> the exporter's own settings: what was meant is what is watched."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from chart.rendering import CI, FULL_NAME, ONE, TARGET, render, values_of
from harness.daemon import COMMAND
from harness.process import clean_environment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.settings import Log, load
from exporter.target import IpFamily, Target

if TYPE_CHECKING:
    from chart.rendering import Values

NOWHERE = Path("/nonexistent")
SECRETS = {
    "pingone-flow-exporter-proxy": {
        "FLOW_EXPORTER_TARGETS__EMEA__PROXY_URL": "http://user:s3cr3t@proxy.example.com:3128"
    },
    "probe-user": {"name": "probe@example.com"},
    "more-settings": {},
}


def variables(values: Values, *, pod: str = f"{FULL_NAME}-0") -> dict[str, str]:
    return render(values).environment(pod=pod, secrets=SECRETS)


@pytest.mark.parametrize("path", CI, ids=lambda path: path.stem)
def test_check_config_takes_what_every_shape_of_the_chart_gives_it(path: Path, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    environ = variables(values_of(path))
    mounted = {name: value.replace("/etc/authorities", str(tmp_path)) for name, value in environ.items()}
    done = subprocess.run(
        [*COMMAND, "check-config"],
        cwd=tmp_path,
        env=clean_environment(tmp_path, mounted),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "target emea\n" in done.stdout or path.name == "sharded-values.yaml"
    assert "s3cr3t" not in done.stdout


def test_every_field_arrives_as_it_was_meant() -> None:
    settings = load(variables(values_of(CI[0])), NOWHERE)
    assert CI[0].name == "full-values.yaml"
    apac, emea = settings.targets
    assert apac == Target(
        name="apac_2",
        source_environment_id="14e3268d-847d-47aa-a45e-1ef8dd8f4df0",
        destination_environment_id="1b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11",
        client_id="12345",
        source_url="https://login.example.com:8443",
        redirect_uri="com.example.app:/callback?x=%2F",
        labels=(("owner", "identity"), ("tier", "silver")),
        interval=90.0,
    )
    assert emea == Target(
        name="emea",
        source_environment_id="94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
        destination_environment_id="0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11",
        client_id="8d2ab5ea-0ad6-4f0a-a2a0-6f1d8a5f9e11",
        source_url="https://auth.pingone.eu/94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
        redirect_uri="https://auth.pingone.ca/0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11/rp/callback/openid_connect",
        scope="openid profile",
        prompt="login",
        acr_values="Single_Factor Multi_Factor",
        login_hint="probe@example.com",
        max_age=3_000_000,
        pkce=True,
        expected_statuses=("USERNAME_PASSWORD_REQUIRED", "DAVINCI"),
        latency_objective=0.75,
        labels=(("note", 'colons: "quotes", # and {{ braces }}'), ("owner", "identity"), ("tier", "gold")),
        interval=30.0,
        timeout=9.5,
        ip_family=IpFamily.V6,
        proxy_url="http://proxy.example.com:3128",
    )
    assert settings.disabled == ("retired",)
    assert [str(address) for address in settings.web.listen_addresses] == [":9100"]
    assert settings.web.external_url == "https://flows.example.com/pingone"
    assert settings.max_concurrent_probes == 1_000_000
    assert settings.shutdown_grace == 90.5
    assert settings.duration_buckets == (0.05, 0.5, 1.0, 2.5, 10.0)
    assert settings.egress_check is not None
    assert settings.egress_check.url == "https://www.example.com/generate_204"
    assert settings.log == Log(level="debug", format="json")


def test_values_that_say_nothing_leave_the_exporters_own_defaults() -> None:
    only = {f"FLOW_EXPORTER_TARGETS__EMEA__{snake(name).upper()}": text for name, text in TARGET.items()}
    assert load(variables(ONE), NOWHERE) == load(only, NOWHERE)


def test_a_secret_wins_over_values() -> None:
    values = ONE | {"existingSecret": "pingone-flow-exporter-proxy", "defaults": {"proxyUrl": "http://a:1"}}
    (target,) = load(variables(values), NOWHERE).targets
    assert target.proxy_url == "http://user:s3cr3t@proxy.example.com:3128"


def test_the_pods_of_a_statefulset_share_the_targets_without_gap_or_overlap() -> None:
    (path,) = (path for path in CI if path.name == "sharded-values.yaml")
    shares = [load(variables(values_of(path), pod=f"{FULL_NAME}-{n}"), NOWHERE) for n in range(3)]
    assert [share.shard.index for share in shares] == [0, 1, 2]
    assert {share.shard.count for share in shares} == {3}
    names = sorted(target.name for share in shares for target in share.targets)
    assert names == ["apac", "emea", "na_workforce"]


def snake(name: str) -> str:
    return re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", name)


printable = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" "), max_size=40
)
words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40)
durations = st.builds("{}{}".format, st.integers(1, 900), st.sampled_from(["s", "m"]))
fields = st.fixed_dictionaries(
    {name: st.just(text) for name, text in TARGET.items()} | {"clientId": words},
    optional={
        "region": st.sampled_from(["NA", "CA", "EU", "AU", "SG", "AP"]),
        "prompt": printable,
        "acrValues": printable,
        "loginHint": printable,
        "maxAge": st.integers(0, 999_999_999),
        "pkce": st.booleans(),
        "expectedStatuses": st.lists(
            st.from_regex("[A-EG-TV-Z][A-Z0-9_]{0,20}", fullmatch=True), min_size=1, max_size=3
        ),
        "interval": durations,
        "latencyObjective": durations,
        "labels": st.dictionaries(st.sampled_from(["owner", "tier", "a_1"]), printable),
        "ipFamily": st.sampled_from(["any", "4", "6", 4, 6]),
    },
)
names = st.from_regex(r"[a-z0-9]{1,20}(_[a-z0-9]{1,20}){0,2}", fullmatch=True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(names, fields, min_size=1, max_size=3), fields)
def test_whatever_text_is_written_arrives_byte_for_byte(
    targets: dict[str, dict[str, Any]], defaults: dict[str, Any]
) -> None:
    document = {
        name: {snake(key): value for key, value in target.items()} for name, target in targets.items()
    }
    expected = {"FLOW_EXPORTER_TARGETS": json.dumps(document)}
    for key, value in defaults.items():
        if key == "labels":
            expected |= {
                f"FLOW_EXPORTER_DEFAULTS__LABELS__{label.upper()}": text for label, text in value.items()
            }
        else:
            text = ",".join(value) if isinstance(value, list) else str(value)
            expected[f"FLOW_EXPORTER_DEFAULTS__{snake(key).upper()}"] = text
    values = {"targets": targets, "defaults": defaults}
    assert load(variables(values), NOWHERE) == load(expected, NOWHERE)
