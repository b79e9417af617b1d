"""Values -> ConfigMaps and Secrets -> the exporter's own settings: what was meant is what is watched."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from chart.rendering import CI, FULL_NAME, ONE, TARGET, render, shape, values_of
from harness.daemon import COMMAND
from harness.mount import Mount
from harness.process import clean_environment
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.destinations import Destination
from exporter.settings import Config, LinearPattern, LogSettings, load
from exporter.settings.schema import DestinationSettings
from exporter.target import (
    ClientAuth,
    DestinationApplication,
    IpFamily,
    Journey,
    JourneyTiming,
    ReadyBy,
    SourceKind,
    SyntheticUser,
    Target,
)

if TYPE_CHECKING:
    from chart.rendering import Values

HUB = ("environmentId", "clientId", "redirectUri")
AUTHORITY = trustme.CA()
SERVER = AUTHORITY.issue_cert("flows.example.com")
PEM = {
    "ca.crt": AUTHORITY.cert_pem.bytes().decode(),
    "tls.crt": SERVER.cert_chain_pems[0].bytes().decode(),
    "tls.key": SERVER.private_key_pem.bytes().decode(),
}
MUTUAL = (
    "tls_server_config:\n"
    "  cert_file: tls.crt\n"
    "  key_file: tls.key\n"
    "  client_ca_file: ca.crt\n"
    "  client_auth_type: RequireAndVerifyClientCert\n"
)
SECRETS = {
    "pingone-flow-exporter-proxy": {
        "FLOW_EXPORTER_TARGETS__EMEA__PROXY_URL": "http://user:s3cr3t@proxy.example.com:3128"
    },
    "probe-user": {"name": "probe@example.com"},
    "more-settings": {},
    "company-authorities": {"ca.crt": PEM["ca.crt"]},
    "flows-tls": PEM,
    "flows-web": {"web.yaml": MUTUAL},
}


class Pod:
    """What the exporter finds in its container: variables, and files below a directory of the test.

    Args:
        values: of the chart.
        root: stands in for the container's root.
        name: the pod's name.
    """

    def __init__(self, values: Values, root: Path, *, name: str = f"{FULL_NAME}-0") -> None:
        release = render(values)
        for directory, held in release.mounts(secrets=SECRETS).items():
            Mount(root / directory.lstrip("/")).put(held)
        environ = release.environment(pod=name, secrets=SECRETS)
        self.environ = {key: re.sub("^/etc/", f"{root}/etc/", value) for key, value in environ.items()}
        self.root = root

    def settings(self) -> Config:
        """Load them."""
        return load(self.environ, self.root)


def without_files(settings: Config) -> Config:
    """Leave out which files were read: that is the way, not what came by it."""
    web = settings.web.model_copy(update={"config_file": None})
    return replace(settings, files={}, web=web)


@pytest.mark.parametrize("path", CI, ids=lambda path: path.stem)
def test_check_config_takes_what_every_shape_of_the_chart_gives_it(path: Path, tmp_path: Path) -> None:
    pod = Pod(values_of(path), tmp_path)
    done = subprocess.run(
        [*COMMAND, "check-config"],
        cwd=tmp_path,
        env=clean_environment(tmp_path, pod.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    # A million concurrent probes, which would be 1e+06 if a template wrote the number, need many open files.
    warnings = [line for line in done.stderr.splitlines() if " open files, but the limit is " not in line]
    assert (done.returncode, warnings) == (0, [])
    block = "destination hub\n" if path.name == "destinations-values.yaml" else "target emea\n"
    assert block in done.stdout or path.name == "sharded-values.yaml"
    assert "s3cr3t" not in done.stdout


@pytest.mark.parametrize("mode", ["env", "file"])
def test_every_field_reaches_the_exporter(mode: str, tmp_path: Path) -> None:
    settings = Pod(shape("full") | {"configMode": mode}, tmp_path).settings()
    apac, emea = settings.targets
    assert apac == Target(
        name="apac_2",
        source_environment_id="14e3268d-847d-47aa-a45e-1ef8dd8f4df0",
        destination_environment_id="1b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11",
        client_id="12345",
        source_url="https://login.example.com:8443",
        destination_url="https://proxy.example.com/pingone/1b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11",
        redirect_uri="com.example.app:/callback?x=%2F",
        labels=(("owner", "identity"), ("tier", "silver")),
        authorize=JourneyTiming(interval=90.0, timeout=10.0, latency_objective=2.0),
    )
    assert emea == Target(
        name="emea",
        source_environment_id="94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
        destination_environment_id="0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11",
        client_id="8d2ab5ea-0ad6-4f0a-a2a0-6f1d8a5f9e11",
        source_url="https://auth.pingone.eu/94e3268d-847d-47aa-a45e-1ef8dd8f4df0",
        destination_url="https://auth.pingone.ca/0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11",
        journeys=(Journey.AUTHORIZE, Journey.FEDERATION, Journey.DISCOVERY),
        authorize=JourneyTiming(interval=30.0, timeout=9.5, latency_objective=0.75),
        federation=JourneyTiming(interval=600.0, timeout=25.0, latency_objective=8.0),
        discovery=JourneyTiming(interval=900.0, timeout=5.0, latency_objective=1.0),
        issuer="https://login.partner.example.com/as/",
        login_hosts=("keys.partner.example.com", "www.partner.example.com"),
        application=DestinationApplication(
            client_id="7c2ab5ea-0ad6-4f0a-a2a0-6f1d8a5f9e11",
            redirect_uri="https://probe.example.com/callback",
            scope="openid profile",
            acr_values="Federated_Sign_On",
            login_hint="probe@example.com",
            lookup_username="probe@partner.example.com",
            client_auth=ClientAuth.POST,
        ),
        provider_id="Partner PingOne",
        source_kind=SourceKind.AUTO,
        ready_by=ReadyBy.LOGIN_PAGE,
        secret_expires=1_806_451_200.0,
        redirect_uri="https://auth.pingone.ca/0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11/rp/callback/openid_connect",
        scope="openid profile",
        prompt="login",
        acr_values="Single_Factor Multi_Factor",
        login_hint="probe@example.com",
        max_age=3_000_000,
        pkce=True,
        expected_statuses=("USERNAME_PASSWORD_REQUIRED", "DAVINCI"),
        labels=(("note", 'colons: "quotes", # and {{ braces }}'), ("owner", "identity"), ("tier", "gold")),
        ip_family=IpFamily.V6,
        proxy_url="http://proxy.example.com:3128",
    )
    assert [target.name for target in settings.disabled] == ["retired"]
    assert [str(address) for address in settings.web.listen_address] == [":9100"]
    assert settings.web.external_url == "https://flows.example.com/pingone"
    assert settings.web.grafana_url == "https://grafana.example.com/d/pingone-flow-target?var-target={target}"
    assert settings.max_concurrent_probes == 1_000_000
    assert settings.shutdown_grace == 90.5
    assert settings.duration_buckets == (0.05, 0.5, 1.0, 2.5, 10.0)
    assert settings.federation_duration_buckets == (1.0, 2.5, 10.0)
    assert settings.egress_check_url == "https://www.example.com/generate_204"
    assert settings.log == LogSettings(level="debug", format="json")


@pytest.mark.parametrize("mode", ["env", "file"])
def test_every_field_of_a_destination_reaches_the_exporter(mode: str, tmp_path: Path) -> None:
    values = shape("destinations") | {"configMode": mode}
    config = Pod(values, tmp_path).settings()
    assert config.targets == ()
    (hub,) = config.destinations
    assert hub == Destination(
        name="hub",
        include=LinearPattern(r"(?i)^partner, \d+"),
        exclude=LinearPattern("[Tt]est$"),
        expect=frozenset({"Partner 1", "3f2a0000-0000-4000-8000-000000000000"}),
        max_providers=30,
        refresh_interval=150.0,
        template=replace(
            hub.template,
            name="hub",
            destination_environment_id="0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11",
            destination_url="https://auth.pingone.eu/0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11",
            application=DestinationApplication(
                client_id="12345", redirect_uri="com.example.app:/callback?x=%2F"
            ),
            journeys=(Journey.FEDERATION,),
            federation=JourneyTiming(interval=600.0, timeout=40.0, latency_objective=10.0),
            ready_by=ReadyBy.LOGIN_PAGE,
            login_hosts=("login.partner.example.com", "sso.partner.example.com"),
            labels=(
                ("note", 'colons: "quotes", # and {{ braces }}'),
                ("owner", "identity"),
                ("tier", "gold"),
            ),
            ip_family=IpFamily.V6,
            proxy_url="http://proxy.example.com:3128",
        ),
    )
    written = {snake(name) for name in values["destinations"]["hub"]}
    assert set(DestinationSettings.model_fields) - written == {"auth_url", "custom_domain", "ca_file"}


@pytest.mark.parametrize("mode", ["env", "file"])
def test_a_destination_elsewhere_and_one_removed_by_an_overlay(mode: str, tmp_path: Path) -> None:
    application = {name: shape("destinations")["destinations"]["hub"][name] for name in HUB}
    hubs = {"hub": application | {"customDomain": "id.example.com"}, "west": None}
    authorities = tmp_path / "ca.crt"
    authorities.write_text(PEM["ca.crt"], encoding="utf-8")
    east_2 = {"authUrl": "https://proxy.example.com/pingone", "caFile": str(authorities)}
    hubs["east_2"] = application | east_2
    (east, hub) = Pod(ONE | {"configMode": mode, "destinations": hubs}, tmp_path).settings().destinations
    environment = application["environmentId"].lower()
    assert (east.name, east.template.destination_url) == (
        "east_2",
        f"https://proxy.example.com/pingone/{environment}",
    )
    assert east.template.ca_file == authorities
    assert (hub.name, hub.template.destination_url) == ("hub", "https://id.example.com")


@pytest.mark.parametrize("mode", ["env", "file"])
def test_empty_values_keep_the_exporters_defaults(mode: str, tmp_path: Path) -> None:
    only = {f"FLOW_EXPORTER_TARGETS__EMEA__{snake(name).upper()}": text for name, text in TARGET.items()}
    arrived = Pod(ONE | {"configMode": mode}, tmp_path).settings()
    assert without_files(arrived) == without_files(load(only, tmp_path))


@pytest.mark.parametrize("mode", ["env", "file"])
def test_an_empty_list_of_login_hosts_is_none_whatever_the_defaults(mode: str, tmp_path: Path) -> None:
    values = {"configMode": mode, "defaults": {"loginHosts": ["a.example"]}}
    arrived = Pod(values | {"targets": {"emea": TARGET | {"loginHosts": []}}}, tmp_path).settings()
    assert [target.login_hosts for target in arrived.targets] == [()]


@pytest.mark.parametrize("mode", ["env", "file"])
def test_a_secret_reaches_its_target(mode: str, tmp_path: Path) -> None:
    values = ONE | {"existingSecret": "pingone-flow-exporter-proxy", "defaults": {"proxyUrl": "http://a:1"}}
    (target,) = Pod(values | {"configMode": mode}, tmp_path).settings().targets
    assert target.proxy_url == "http://user:s3cr3t@proxy.example.com:3128"


@pytest.mark.parametrize("mode", ["env", "file"])
def test_the_credentials_of_a_federation_come_from_a_secret(mode: str, tmp_path: Path) -> None:
    names = {"USERNAME": "probe", "PASSWORD": "s3cr3t", "DESTINATION_CLIENT_SECRET": "t0k3n"}
    values = {
        "configMode": mode,
        "targets": {
            "emea": TARGET
            | {"journey": "federation", "region": "EU"}
            | {"destinationClientId": "rp", "destinationRedirectUri": "https://rp.example.com/"}
        },
        "secretVariables": {f"FLOW_EXPORTER_TARGETS__EMEA__{name}": text for name, text in names.items()},
    }
    pod = Pod(values, tmp_path)
    (target,) = pod.settings().targets
    assert target.user == SyntheticUser(username="probe", password="s3cr3t")
    assert target.application is not None
    assert target.application.client_secret == "t0k3n"
    assert target.last_step(Journey.FEDERATION) == "token"
    assert not any(secret in text for secret in names.values() for text in pod.environ.values())


def test_an_existing_secret_takes_precedence_over_the_charts_and_the_file(tmp_path: Path) -> None:
    name = "FLOW_EXPORTER_TARGETS__EMEA__PROXY_URL"
    values = {
        "configMode": "file",
        "targets": {"emea": TARGET | {"proxyUrl": "http://file:1"}},
        "secretVariables": {name: "http://chart:1"},
    }
    (target,) = Pod(values, tmp_path / "a").settings().targets
    assert target.proxy_url == "http://chart:1"
    (target,) = (
        Pod(values | {"existingSecret": "pingone-flow-exporter-proxy"}, tmp_path / "b").settings().targets
    )
    assert target.proxy_url == SECRETS["pingone-flow-exporter-proxy"][name]


def test_the_web_port_follows_the_values(tmp_path: Path) -> None:
    config = Pod(shape("web-mutual"), tmp_path / "mutual").settings()
    file = tmp_path / "mutual/etc/pingone-flow-exporter/web/web.yaml"
    assert config.web.config_file == file
    assert config.security is not None
    assert config.security.tls is not None
    assert config.security.tls.certificate_required
    assert config.security.tls.authorities == file.with_name("ca.crt").read_bytes()
    assert list(map(str, config.web.health_listen_address or ())) == [":9989"]
    config = Pod(shape("web-tls"), tmp_path / "tls").settings()
    assert config.security is not None
    assert config.security.tls is not None
    assert config.security.users == shape("web-tls")["web"]["config"]["basic_auth_users"]
    assert config.web.health_listen_address is None


@pytest.mark.parametrize("mode", ["env", "file"])
def test_the_pods_of_a_statefulset_share_the_targets_without_gap_or_overlap(
    mode: str, tmp_path: Path
) -> None:
    values = shape("sharded") | {"configMode": mode}
    names = [f"{FULL_NAME}-{number}" for number in range(3)]
    shares = [Pod(values, tmp_path / name, name=name).settings() for name in names]
    assert [share.shard.index for share in shares] == [0, 1, 2]
    assert {share.shard.count for share in shares} == {3}
    shared = sorted(target.name for share in shares for target in share.targets)
    assert shared == ["apac", "emea", "na_workforce"]


def snake(name: str) -> str:
    return re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", name)


def is_quoted(text: str) -> bool:
    """Return whether the exporter refuses a text, because quotes that enclose it are an error as a rule."""
    return re.fullmatch(r"""(['"]).*\1""", text.strip()) is not None


printable = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"], include_characters=" "), max_size=200
).filter(lambda text: not is_quoted(text))
words = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=40).filter(
    lambda text: not is_quoted(text)
)
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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(names, fields, min_size=1, max_size=3), fields)
def test_every_text_reaches_the_exporter_byte_for_byte(
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
    with TemporaryDirectory() as directory:
        root = Path(directory)
        meant = without_files(load(expected, root))
        for mode in ("env", "file"):
            values = {"targets": targets, "defaults": defaults, "configMode": mode}
            assert without_files(Pod(values, root / mode).settings()) == meant


@pytest.mark.parametrize("mode", ["env", "file"])
def test_the_status_page_arrives_as_it_is_written(mode: str, tmp_path: Path) -> None:
    page = {
        "url": "https://status.example.com/api/v2/summary.json",
        "components": ["k3tm8hjrxdt1", "North America / SSO"],
        "interval": "5m",
    }
    pod = Pod(ONE | {"configMode": mode, "statusPage": page}, tmp_path)
    found = load(pod.environ, pod.root).status_page
    assert (found.url, list(found.components), found.interval) == (page["url"], page["components"], 300.0)
    assert load(Pod(ONE | {"configMode": mode}, tmp_path / "none").environ, tmp_path).status_page.url is None
