"""The whole way, from an environment to every mistake at once, word for word."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.durations import INVALID_DURATION
from exporter.settings import ConfigurationError, load, loading

T = "FLOW_EXPORTER_TARGETS__"
D = "FLOW_EXPORTER_DEFAULTS__"
SOURCE = "94e3268d-847d-47aa-a45e-1ef8dd8f4df0"
DESTINATION = "0b3f8a3c-2f0f-4a55-9f43-3c4d6f6d3b11"
EMEA = {
    f"{T}EMEA__SOURCE_ENVIRONMENT_ID": SOURCE,
    f"{T}EMEA__DESTINATION_ENVIRONMENT_ID": DESTINATION,
    f"{T}EMEA__CLIENT_ID": "client",
}
NOWHERE = Path("/nonexistent")
SERVICE_LINK = (
    "is unknown; it looks like a Kubernetes service link, so set enableServiceLinks: false for the pod"
)


def mistakes(environ: Mapping[str, str], directory: Path = NOWHERE) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(environ, directory)
    return str(caught.value).split("\n")


def test_no_target_shows_what_to_set_for_a_first_one() -> None:
    assert mistakes({}) == [
        (
            "FLOW_EXPORTER_TARGETS: there is no target; for a first one, of any name, set "
            "FLOW_EXPORTER_TARGETS__EXAMPLE__SOURCE_ENVIRONMENT_ID, "
            "FLOW_EXPORTER_TARGETS__EXAMPLE__DESTINATION_ENVIRONMENT_ID and "
            "FLOW_EXPORTER_TARGETS__EXAMPLE__CLIENT_ID"
        )
    ]


def test_a_typo_in_the_only_target_is_not_told_as_no_target() -> None:
    assert mistakes({"FLOW_EXPORTER_TARGETS": "{"}) == [
        (
            "FLOW_EXPORTER_TARGETS: is no JSON (line 1, column 2); "
            'write for example {"emea": {"client_id": "..."}}'
        )
    ]


def test_nothing_but_disabled_targets_is_a_mistake() -> None:
    assert mistakes({**EMEA, f"{D}ENABLED": "no"}) == [
        "FLOW_EXPORTER_TARGETS: has no target that is enabled; set ENABLED of at least one to true"
    ]


def test_more_targets_than_one_exporter_takes_are_a_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MOST_TARGETS", 1)
    assert mistakes({**EMEA, f"{T}B__CLIENT_ID": "b"}) == [
        "FLOW_EXPORTER_TARGETS: has more than 1 targets; share them among several exporters"
    ]


def test_a_missing_field_is_named_in_the_operators_spelling() -> None:
    assert mistakes(
        {f"{T}Emea__CLIENT_ID": "x", "FLOW_EXPORTER_TARGETS": '{"APac": {"client_id": "x"}}'}
    ) == [
        (
            "FLOW_EXPORTER_TARGETS (APac.destination_environment_id): is missing; "
            "set it to the UUID of the environment that users are signed on for (the relying party)"
        ),
        (
            "FLOW_EXPORTER_TARGETS (APac.source_environment_id): is missing; "
            "set it to the UUID of the environment that signs users on (the identity provider)"
        ),
        (
            "FLOW_EXPORTER_TARGETS__Emea__DESTINATION_ENVIRONMENT_ID: is missing; "
            "set it to the UUID of the environment that users are signed on for (the relying party)"
        ),
        (
            "FLOW_EXPORTER_TARGETS__Emea__SOURCE_ENVIRONMENT_ID: is missing; "
            "set it to the UUID of the environment that signs users on (the identity provider)"
        ),
    ]


def test_a_target_written_in_lower_case_is_answered_in_lower_case(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"flow_exporter_targets__x__source_environment_id={SOURCE}\n")
    assert mistakes({f"{D}DESTINATION_ENVIRONMENT_ID": DESTINATION}, tmp_path) == [
        (
            "flow_exporter_targets__x__client_id in .env: is missing; "
            "set it to the client id of the source application"
        )
    ]


def test_an_empty_json_target_is_told_all_that_is_missing() -> None:
    assert [line.split(":")[0] for line in mistakes({"FLOW_EXPORTER_TARGETS": '{"a": {}}'})] == [
        "FLOW_EXPORTER_TARGETS (a.client_id)",
        "FLOW_EXPORTER_TARGETS (a.destination_environment_id)",
        "FLOW_EXPORTER_TARGETS (a.source_environment_id)",
    ]


def test_white_space_around_a_redirect_uri_is_a_mistake_for_it_is_sent_byte_for_byte() -> None:
    assert mistakes({**EMEA, f"{T}EMEA__REDIRECT_URI": " https://a.example/cb"}) == [
        f"{T}EMEA__REDIRECT_URI: is no absolute URI; write for example https://app.example.com/callback"
    ]


def test_wrong_ways_into_the_network_are_told_where_they_are_written() -> None:
    environ = {
        **EMEA,
        "FLOW_EXPORTER_TARGETS": '{"emea": {"proxy_url": 3128}}',
        f"{D}PROXY_URL": "socks5://user:password@proxy.example:1080",
        f"{T}EMEA__IP_FAMILY": "IPv4",
        "FLOW_EXPORTER_EGRESS_CHECK_URL": "www.example.com",
    }
    assert mistakes(environ) == [
        (
            "FLOW_EXPORTER_DEFAULTS__PROXY_URL: is an https or socks proxy, which is not supported; "
            "write an http one, for example http://proxy.example.com:3128 "
            "(https targets are reached through it, too)"
        ),
        "FLOW_EXPORTER_EGRESS_CHECK_URL: is no http or https URL; write for example https://www.example.com/",
        (
            "FLOW_EXPORTER_TARGETS (emea.proxy_url): is no proxy URL; "
            "write for example http://proxy.example.com:3128"
        ),
        "FLOW_EXPORTER_TARGETS__EMEA__IP_FAMILY: is no IP family; write any, 4 or 6",
    ]


def test_a_wrong_required_value_is_not_missing_as_well() -> None:
    assert mistakes({**EMEA, f"{T}EMEA__CLIENT_ID": "two words"}) == [
        (
            "FLOW_EXPORTER_TARGETS__EMEA__CLIENT_ID: is no client id; "
            "write 1 to 256 printable ASCII characters without spaces"
        )
    ]


def test_a_mistake_in_the_defaults_is_told_once_for_all_targets() -> None:
    environ = {name.replace("EMEA", target): value for target in "ABC" for name, value in EMEA.items()}
    assert mistakes({**environ, f"{D}interval": "soon", f"{D}TIMEOUT": "2h"}) == [
        "FLOW_EXPORTER_DEFAULTS__interval: invalid duration; use e.g. 500ms, 30s, 1m30s or 2h",
    ]


def test_mistakes_of_all_kinds_and_sources_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{T}EMEA__TIMEOUT=never\nFLOW_EXPORTER_NONSENSE=1\n")
    environ = {
        **EMEA,
        "FLOW_EXPORTER_TARGETS": '{"emea": {"interval": 30, "labels": {"le": "x"}}}',
        "FLOW_EXPORTER_LOG_LEVEL": "debug",
        "FLOW_EXPORTER_LOG__FORMAT": "xml",
        f"{T}EMEA__AUTH_URL": "https://a.example",
        f"{T}EMEA__REGION": "EU",
    }
    assert mistakes(environ, tmp_path) == [
        "FLOW_EXPORTER_LOG_LEVEL: is unknown; did you mean FLOW_EXPORTER_LOG__LEVEL?",
        "FLOW_EXPORTER_LOG__FORMAT: is no log format; write logfmt or json",
        "FLOW_EXPORTER_NONSENSE in .env: is unknown",
        "FLOW_EXPORTER_TARGETS (emea.interval): invalid duration; use e.g. 500ms, 30s, 1m30s or 2h",
        (
            "FLOW_EXPORTER_TARGETS (emea.labels.le): is a label that Prometheus or the exporter sets itself; "
            "choose another name"
        ),
        (
            "FLOW_EXPORTER_TARGETS__EMEA__REGION: cannot stand beside FLOW_EXPORTER_TARGETS__EMEA__AUTH_URL; "
            "keep one of them"
        ),
        f"FLOW_EXPORTER_TARGETS__EMEA__TIMEOUT in .env: {INVALID_DURATION}",
    ]


def test_the_order_of_the_environment_changes_nothing() -> None:
    environ = {**EMEA, f"{T}Emea__SCOPE": "openid", f"{T}emea__CLIENT_ID": "x", f"{T}EMEA__REGION": "XX"}
    assert mistakes(environ) == mistakes(dict(reversed(environ.items())))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FLOW_EXPORTER_SERVICE_HOST", "10.0.0.1"),
        ("FLOW_EXPORTER_SERVICE_PORT", "9988"),
        ("FLOW_EXPORTER_SERVICE_PORT_HTTP_METRICS", "9988"),
        ("FLOW_EXPORTER_PORT", "tcp://10.0.0.1:9988"),
        ("FLOW_EXPORTER_PORT_9988_TCP", "tcp://10.0.0.1:9988"),
        ("FLOW_EXPORTER_PORT_9988_TCP_ADDR", "10.0.0.1"),
        ("FLOW_EXPORTER_CANARY_PORT", "udp://10.0.0.1:53"),
    ],
)
def test_a_kubernetes_service_link_is_recognised(name: str, value: str) -> None:
    assert mistakes({**EMEA, name: value}) == [f"{name}: {SERVICE_LINK}"]


def test_a_port_that_no_service_link_would_hold_is_just_unknown() -> None:
    assert mistakes({**EMEA, "FLOW_EXPORTER_PORT": "9988"}) == ["FLOW_EXPORTER_PORT: is unknown"]


def test_an_auth_url_that_holds_the_sources_id_is_a_mistake() -> None:
    assert mistakes({**EMEA, f"{T}EMEA__AUTH_URL": f"https://auth.pingone.eu/{SOURCE.upper()}"}) == [
        (
            "FLOW_EXPORTER_TARGETS__EMEA__AUTH_URL: must end before the environment's id; "
            "write for example https://auth.pingone.eu"
        )
    ]


def test_a_web_configuration_file_is_told_of_where_it_is_named_or_where_it_is_wrong(tmp_path: Path) -> None:
    named = "FLOW_EXPORTER_WEB__CONFIG_FILE"
    assert mistakes(EMEA | {named: "web.yml"}, tmp_path) == [
        (
            f"{named}: names a file that does not exist; write a path that does, relative to the "
            "working directory"
        )
    ]
    (tmp_path / "web.yml").write_text("basic_auth: {}\n")
    assert mistakes(EMEA | {named: "web.yml", "FLOW_EXPORTER_LOG__LEVEL": "loud"}, tmp_path) == [
        "FLOW_EXPORTER_LOG__LEVEL: is no log level; write debug, info, warning or error",
        "basic_auth in web.yml line 1: is unknown; did you mean basic_auth_users?",
    ]


def test_certificates_for_which_a_configuration_is_refused_are_among_its_files(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: a.crt, key_file: a.key}\n")

    with pytest.raises(ConfigurationError) as caught:
        load(EMEA | {"FLOW_EXPORTER_WEB__CONFIG_FILE": "web.yml"}, tmp_path)

    assert {tmp_path / "web.yml", tmp_path / "a.crt", tmp_path / "a.key"} <= set(caught.value.files)


def test_a_health_port_that_is_the_web_s_own_is_a_mistake() -> None:
    web = {
        "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:9988,:9999",
        "FLOW_EXPORTER_WEB__HEALTH_LISTEN_ADDRESS": ":9999",
    }

    assert mistakes(EMEA | web) == [
        "FLOW_EXPORTER_WEB__HEALTH_LISTEN_ADDRESS: is a listen address of the web, too; write another port"
    ]
