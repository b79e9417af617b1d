"""From the environment to `Config`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from settings.example import DESTINATION, EMEA, NOWHERE, SOURCE, D, T, only_target

from exporter.files import file_digests
from exporter.settings import Config, ListenAddress, LogSettings, load
from exporter.target import (
    ClientAuth,
    DestinationApplication,
    IpFamily,
    Journey,
    JourneyTiming,
    SyntheticUser,
    Target,
)

TT = "FLOW_EXPORTER_TARGETS__"
CALLBACK = "rp/callback/openid_connect"


def test_three_variables_are_a_whole_configuration() -> None:
    assert load(EMEA, NOWHERE) == Config(
        targets=(
            Target(
                name="emea",
                source_environment_id=SOURCE,
                destination_environment_id=DESTINATION,
                client_id="client",
                source_url=f"https://auth.pingone.com/{SOURCE}",
                destination_url=f"https://auth.pingone.com/{DESTINATION}",
                redirect_uri=f"https://auth.pingone.com/{DESTINATION}/{CALLBACK}",
            ),
        ),
        disabled=(),
        max_concurrent_probes=100,
        shutdown_grace=15.0,
        duration_buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30),
        federation_duration_buckets=(0.5, 1, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60),
        files=file_digests([NOWHERE / ".env"]),
    )


def test_every_field_of_a_target_reaches_it(certificate: Path) -> None:
    fields = {
        "SOURCE_ENVIRONMENT_ID": SOURCE.upper(),
        "DESTINATION_ENVIRONMENT_ID": DESTINATION,
        "CLIENT_ID": "c!~",
        "CUSTOM_DOMAIN": "Login.Example.com",
        "DESTINATION_AUTH_URL": "http://localhost:9000/base/",
        "REDIRECT_URI": "com.example.app:/Callback?x=%2F",
        "SCOPE": " openid   profile ",
        "PROMPT": "login",
        "ACR_VALUES": "Single_Factor Multi_Factor",
        "LOGIN_HINT": "probe@example.com",
        "MAX_AGE": "0",
        "PKCE": "Yes",
        "EXPECTED_STATUSES": "OTP_REQUIRED, USERNAME_PASSWORD_REQUIRED,OTP_REQUIRED",
        "LATENCY_OBJECTIVE": "750ms",
        "LABELS__TIER": "gold",
        "LABELS__OWNER": " identity team\n",
        "JOURNEYS": "federation, Authorize,federation",
        "INTERVAL": "100ms",
        "TIMEOUT": "99ms",
        "FEDERATION_INTERVAL": "1m",
        "FEDERATION_TIMEOUT": "20s",
        "FEDERATION_LATENCY_OBJECTIVE": "7s",
        "DESTINATION_CLIENT_ID": "rp!",
        "DESTINATION_REDIRECT_URI": "https://rp.example.com/Callback",
        "DESTINATION_SCOPE": " openid   email ",
        "DESTINATION_ACR_VALUES": "Federated",
        "DESTINATION_LOGIN_HINT": "hint",
        "LOOKUP_USERNAME": "probe@partner.example.com",
        "DESTINATION_CLIENT_SECRET": " s3cr3t ",
        "DESTINATION_CLIENT_AUTH": "Post",
        "PROVIDER_ID": "Partner PingOne",
        "USERNAME": " probe ",
        "PASSWORD": " p w\n",
        "SECRET_EXPIRES": "2027-03-31",
        "CA_FILE": certificate.name,
        "IP_FAMILY": "4",
        "PROXY_URL": " HTTP://User:p%40ss@Proxy.example:80/ ",
        "ENABLED": "on",
    }
    settings = load(
        {f"flow_exporter_targets__a_1__{name}": value for name, value in fields.items()}, certificate.parent
    )
    assert settings.targets == (
        Target(
            name="a_1",
            source_environment_id=SOURCE,
            destination_environment_id=DESTINATION,
            client_id="c!~",
            source_url="https://login.example.com",
            redirect_uri="com.example.app:/Callback?x=%2F",
            scope="openid profile",
            prompt="login",
            acr_values="Single_Factor Multi_Factor",
            login_hint="probe@example.com",
            max_age=0,
            pkce=True,
            expected_statuses=("OTP_REQUIRED", "USERNAME_PASSWORD_REQUIRED"),
            labels=(("owner", "identity team"), ("tier", "gold")),
            journeys=(Journey.AUTHORIZE, Journey.FEDERATION),
            authorize=JourneyTiming(interval=0.1, timeout=0.099, latency_objective=0.75),
            federation=JourneyTiming(interval=60.0, timeout=20.0, latency_objective=7.0),
            destination_url=f"http://localhost:9000/base/{DESTINATION}",
            application=DestinationApplication(
                client_id="rp!",
                redirect_uri="https://rp.example.com/Callback",
                scope="openid email",
                acr_values="Federated",
                login_hint="hint",
                lookup_username="probe@partner.example.com",
                client_secret=" s3cr3t ",
                client_auth=ClientAuth.POST,
            ),
            provider_id="Partner PingOne",
            user=SyntheticUser(username="probe", password=" p w"),
            secret_expires=1_806_451_200.0,
            ca_file=certificate,
            ip_family=IpFamily.V4,
            proxy_url="HTTP://User:p%40ss@Proxy.example:80/",
        ),
    )


def test_every_setting_of_the_exporter_reaches_it() -> None:
    settings = load(
        {
            **EMEA,
            "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:0,[::1]:9988",
            "FLOW_EXPORTER_WEB__EXTERNAL_URL": "HTTPS://Flows.Example.com:443/pingone/",
            "FLOW_EXPORTER_MAX_CONCURRENT_PROBES": "1",
            "FLOW_EXPORTER_SHUTDOWN_GRACE": "0",
            "FLOW_EXPORTER_DURATION_BUCKETS": "1e-1, .5,1.",
            "FLOW_EXPORTER_FEDERATION_DURATION_BUCKETS": "1,2",
            "FLOW_EXPORTER_EGRESS_CHECK_URL": "https://www.example.com/generate_204?x=1",
            "FLOW_EXPORTER_LOG__LEVEL": "WARNING",
            "FLOW_EXPORTER_LOG__FORMAT": "Json",
        },
        NOWHERE,
    )
    assert settings.web.listen_address == (ListenAddress("127.0.0.1", 0), ListenAddress("::1", 9988))
    assert settings.web.external_url == "https://flows.example.com/pingone"
    assert settings.max_concurrent_probes == 1
    assert settings.shutdown_grace == 0.0
    assert settings.duration_buckets == (0.1, 0.5, 1.0)
    assert settings.federation_duration_buckets == (1.0, 2.0)
    assert settings.egress_check_url == "https://www.example.com/generate_204?x=1"
    assert settings.log == LogSettings(level="warning", format="json")


def test_the_variables_of_other_programs_are_left_alone() -> None:
    others = {
        "PATH": "/bin",
        "FLOW_EXPORTER": "x",
        "FLOWEXPORTER_X": "x",
        "XFLOW_EXPORTER_X": "x",
        "\udc80": "\udc80",
    }
    assert load({**EMEA, **others}, NOWHERE) == load(EMEA, NOWHERE)


def test_targets_are_sorted_and_disabled_ones_are_named_apart() -> None:
    environ = {
        name.replace("EMEA", target): value for target in ("C", "B", "A", "D") for name, value in EMEA.items()
    }
    settings = load({**environ, f"{TT}D__ENABLED": "0", f"{TT}B__ENABLED": "False"}, NOWHERE)
    assert [target.name for target in settings.targets] == ["a", "c"]
    assert [target.name for target in settings.disabled] == ["b", "d"]


def test_json_is_the_same_as_single_variables_and_may_hold_numbers_booleans_and_lists() -> None:
    document = {
        "emea": {
            "Source_Environment_Id": SOURCE,
            "destination_environment_id": DESTINATION,
            "client_id": "client",
            "max_age": 300,
            "pkce": True,
            "prompt": None,
            "expected_statuses": ["OTP_REQUIRED", "DAVINCI"],
            "labels": {"Tier": "gold"},
            "interval": "30s",
            "ip_family": 6,
            "proxy_url": None,
        }
    }
    single = {
        f"{T}MAX_AGE": "300",
        f"{T}PKCE": "true",
        f"{T}PROMPT": "",
        f"{T}EXPECTED_STATUSES": "OTP_REQUIRED,DAVINCI",
        f"{T}LABELS__TIER": "gold",
        f"{T}INTERVAL": "30s",
        f"{T}IP_FAMILY": "6",
        f"{T}PROXY_URL": "",
    }
    pretty = json.dumps(document, indent="\t")
    assert load({"FLOW_EXPORTER_TARGETS": pretty}, NOWHERE) == load({**EMEA, **single}, NOWHERE)


def test_single_variables_win_over_json_in_one_source_key_by_key() -> None:
    document = {"emea": {"client_id": "json", "interval": "20s", "labels": {"owner": "a", "tier": "json"}}}
    target = only_target({"FLOW_EXPORTER_TARGETS": json.dumps(document), f"{T}LABELS__TIER": "single"})
    assert (target.client_id, target.authorize.interval) == ("client", 20.0)
    assert target.labels == (("owner", "a"), ("tier", "single"))


def test_the_environment_wins_over_the_file_even_with_json_over_single_variables(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(
        f"{TT}emea__INTERVAL=20s\n{TT}emea__SCOPE='openid email'\n{TT}emea__LABELS__TIER=file\n"
    )
    document = {"EMEA": {"interval": "30s", "labels": {"owner": "a"}}}
    target = only_target({"FLOW_EXPORTER_TARGETS": json.dumps(document)}, tmp_path)
    assert (target.authorize.interval, target.scope) == (30.0, "openid email")
    assert target.labels == (("owner", "a"), ("tier", "file"))


def test_a_wrong_value_in_the_file_that_the_environment_overrides_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{T}INTERVAL=soon\n")
    assert only_target({f"{T}INTERVAL": "30s"}, tmp_path).authorize.interval == 30.0


def test_defaults_fill_what_a_target_leaves_out_and_labels_merge_key_by_key() -> None:
    target = only_target(
        {
            f"{D}CLIENT_ID": "default",
            f"{D}SCOPE": "openid email",
            f"{D}PROMPT": "login",
            f"{D}MAX_AGE": "60",
            f"{D}LABELS__OWNER": "a",
            f"{D}LABELS__TIER": "b",
            f"{D}LABELS__REGION": "c",
            f"{T}PROMPT": "",
            f"{T}MAX_AGE": "",
            f"{T}LABELS__TIER": "own",
            f"{T}LABELS__REGION": "",
        }
    )
    assert (target.client_id, target.scope) == ("client", "openid email")
    assert (target.prompt, target.max_age) == (None, None)
    assert target.labels == (("owner", "a"), ("tier", "own"))


def test_an_ip_family_and_a_proxy_may_be_defaults_and_an_empty_proxy_is_none_even_over_a_default() -> None:
    defaults = {f"{D}PROXY_URL": "http://proxy.example:3128", f"{D}IP_FAMILY": "6"}
    assert only_target(defaults).proxy_url == "http://proxy.example:3128"
    assert only_target(defaults).ip_family is IpFamily.V6
    own = {f"{T}PROXY_URL": " ", f"{T}IP_FAMILY": "ANY"}
    assert only_target({**defaults, **own}).proxy_url is None
    assert only_target({**defaults, **own}).ip_family is IpFamily.ANY


def test_the_egress_check_takes_the_way_out_that_the_defaults_give() -> None:
    config = load(
        {
            **EMEA,
            "FLOW_EXPORTER_EGRESS_CHECK_URL": "https://www.example.com/?token=planted",
            "FLOW_EXPORTER_DEFAULTS__PROXY_URL": "http://user:planted@proxy.example:3128",
            "FLOW_EXPORTER_DEFAULTS__IP_FAMILY": "4",
        },
        NOWHERE,
    )
    assert config.route.proxy_url == "http://user:planted@proxy.example:3128"
    assert config.route.ip_family is IpFamily.V4
    assert "planted" not in repr(config)


def test_an_empty_external_url_is_none() -> None:
    assert load({**EMEA, "FLOW_EXPORTER_WEB__EXTERNAL_URL": ""}, NOWHERE).web.external_url is None


def test_an_empty_egress_check_is_none() -> None:
    assert load({**EMEA, "FLOW_EXPORTER_EGRESS_CHECK_URL": ""}, NOWHERE).egress_check_url is None


def test_a_proxy_for_all_other_programs_is_not_taken() -> None:
    ambient = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "https_proxy"), "http://a.example:1")
    assert only_target(ambient).proxy_url is None


def test_even_what_is_required_may_be_a_default() -> None:
    settings = load(
        {
            f"{D}SOURCE_ENVIRONMENT_ID": SOURCE,
            f"{D}CLIENT_ID": "client",
            f"{D}ENABLED": "false",
            f"{TT}A__DESTINATION_ENVIRONMENT_ID": DESTINATION,
            f"{TT}A__ENABLED": "true",
            f"{TT}B__DESTINATION_ENVIRONMENT_ID": DESTINATION,
        },
        NOWHERE,
    )
    assert [target.name for target in settings.targets] == ["a"]
    assert [target.name for target in settings.disabled] == ["b"]


@pytest.mark.parametrize(
    ("interval", "timeout"), [("60s", 10.0), ("20s", 10.0), ("19s", 9.5), ("100ms", 0.05)]
)
def test_the_timeout_is_ten_seconds_or_half_the_interval(interval: str, timeout: float) -> None:
    assert only_target({f"{T}INTERVAL": interval}).authorize.timeout == timeout


@pytest.mark.parametrize(
    ("count", "fields", "slots"),
    [
        (1, {}, 100),
        (100, {"INTERVAL": "30s", "TIMEOUT": "20s"}, 100),
        (101, {"INTERVAL": "30s", "TIMEOUT": "20s"}, 101),
        (1000, {"INTERVAL": "1s", "TIMEOUT": "100ms"}, 150),
        (1000, {"INTERVAL": "1s", "TIMEOUT": "101ms"}, 152),
        (1200, {"INTERVAL": "1s", "TIMEOUT": "70ms"}, 126),
    ],
)
def test_there_are_slots_for_an_outage_of_everything(
    count: int, fields: Mapping[str, str], slots: int
) -> None:
    environ = {name.replace("EMEA", f"T{i}"): value for i in range(count) for name, value in EMEA.items()}
    environ |= {f"{D}{name}": value for name, value in fields.items()}
    assert load(environ, NOWHERE).max_concurrent_probes == slots
