"""Every error is reported at once, where it is written, with what would be right."""

from __future__ import annotations

from pathlib import Path

import pytest
from settings.example import DESTINATION, EMEA, NOWHERE, SOURCE, D, P, T, errors, targets

from exporter.durations import INVALID_DURATION
from exporter.settings import ConfigurationError, InvalidSetting, load

TT = f"{P}TARGETS__"
TARGET_NAME = "invalid name; use letters and digits in groups joined by single underscores"
MISSING = {
    "SOURCE_ENVIRONMENT_ID": (
        "missing; set it to the UUID of the environment that signs users on (the identity provider)"
    ),
    "DESTINATION_ENVIRONMENT_ID": (
        "missing; set it to the UUID of the environment that users are signed on for (the relying party)"
    ),
    "CLIENT_ID": "missing; set it to the client ID of the source application",
}


def of_name(name: str, value: str = "value") -> list[str]:
    """Return the errors of one more variable in a valid configuration."""
    return errors({**EMEA, name: value})


def test_a_name_of_very_many_parts_is_unknown_and_costs_no_minutes() -> None:
    *_, line = of_name(f"{TT}EMEA__{'_' * 2_000_000}")
    assert line.endswith("_...: unknown setting")


def test_errors_are_sorted_and_each_is_reported_once() -> None:
    b, a, again = InvalidSetting("B", "x"), InvalidSetting("A", "y"), InvalidSetting("B", "x")
    error = ConfigurationError([b, a, again, InvalidSetting("A", "x")])
    assert error.errors == (InvalidSetting("A", "x"), InvalidSetting("A", "y"), InvalidSetting("B", "x"))
    assert str(error) == "A: x\nA: y\nB: x"


def test_without_targets_the_error_shows_what_to_set_for_a_first_one() -> None:
    assert errors({}) == [
        (
            "FLOW_EXPORTER_TARGETS: no targets; for a target named EXAMPLE, set "
            "FLOW_EXPORTER_TARGETS__EXAMPLE__SOURCE_ENVIRONMENT_ID, "
            "FLOW_EXPORTER_TARGETS__EXAMPLE__DESTINATION_ENVIRONMENT_ID, "
            "FLOW_EXPORTER_TARGETS__EXAMPLE__CLIENT_ID"
        )
    ]


def test_a_syntax_error_in_the_only_targets_is_not_reported_as_no_targets() -> None:
    assert errors({f"{P}TARGETS": "{"}) == [
        'FLOW_EXPORTER_TARGETS: invalid JSON (line 1, column 2); use e.g. {"emea": {"client_id": "..."}}'
    ]


def test_a_configuration_of_disabled_targets_is_an_error() -> None:
    assert errors({**EMEA, f"{D}ENABLED": "no"}) == [
        "FLOW_EXPORTER_TARGETS: every target is disabled; set ENABLED of at least one to true"
    ]


def test_more_targets_than_the_maximum_are_an_error() -> None:
    document = "{" + ",".join(f'"t{n}": {{}}' for n in range(10_001)) + "}"
    defaults = {variable.replace(T, D): value for variable, value in EMEA.items()}
    assert errors({f"{P}TARGETS": document, **defaults}) == [
        "FLOW_EXPORTER_TARGETS: must have at most 10000 entries"
    ]


def test_a_missing_setting_is_named_in_the_operators_spelling() -> None:
    environ = {f"{TT}Emea__CLIENT_ID": "x", f"{P}TARGETS": '{"APac": {"client_id": "x"}}'}
    destination, source = MISSING["DESTINATION_ENVIRONMENT_ID"], MISSING["SOURCE_ENVIRONMENT_ID"]
    assert errors(environ) == [
        f"FLOW_EXPORTER_TARGETS (APac.destination_environment_id): {destination}",
        f"FLOW_EXPORTER_TARGETS (APac.source_environment_id): {source}",
        f"FLOW_EXPORTER_TARGETS__Emea__DESTINATION_ENVIRONMENT_ID: {destination}",
        f"FLOW_EXPORTER_TARGETS__Emea__SOURCE_ENVIRONMENT_ID: {source}",
    ]


def test_a_missing_setting_of_a_lower_case_target_is_named_in_lower_case(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"flow_exporter_targets__x__source_environment_id={SOURCE}\n")
    assert errors({f"{D}DESTINATION_ENVIRONMENT_ID": DESTINATION}, tmp_path) == [
        f"flow_exporter_targets__x__client_id in .env: {MISSING['CLIENT_ID']}"
    ]


def test_an_empty_json_target_misses_every_required_setting() -> None:
    assert [line.split(":")[0] for line in errors({f"{P}TARGETS": '{"a": {}}'})] == [
        "FLOW_EXPORTER_TARGETS (a.client_id)",
        "FLOW_EXPORTER_TARGETS (a.destination_environment_id)",
        "FLOW_EXPORTER_TARGETS (a.source_environment_id)",
    ]


def test_an_invalid_required_value_is_not_also_missing() -> None:
    assert of_name(f"{T}CLIENT_ID", "two words") == [
        f"{T}CLIENT_ID: invalid client ID; use 1 to 256 printable ASCII characters without spaces"
    ]


def test_a_missing_configuration_file_hides_no_missing_setting(tmp_path: Path) -> None:
    assert errors({f"{T}CLIENT_ID": "x", f"{P}CONFIG_FILE": "x.yml"}, tmp_path) == [
        f"FLOW_EXPORTER_CONFIG_FILE: file not found: {tmp_path}/x.yml",
        *(f"{T}{name}: {MISSING[name]}" for name in ("DESTINATION_ENVIRONMENT_ID", "SOURCE_ENVIRONMENT_ID")),
    ]
    assert len(errors({f"{P}CONFIG_FILE": "x.yml"}, tmp_path)) == 2


def test_an_invalid_interval_hides_no_invalid_timeout() -> None:
    assert errors({**EMEA, f"{T}INTERVAL": "soon", f"{T}TIMEOUT": "never", f"{T}REGION": "MOON"}) == [
        f"{T}INTERVAL: {INVALID_DURATION}",
        f"{T}REGION: unknown region; use NA, CA, EU, AU, SG or AP",
        f"{T}TIMEOUT: {INVALID_DURATION}",
    ]


def test_an_error_in_the_defaults_is_reported_once_for_all_targets() -> None:
    assert errors({**targets("A", "B", "C"), f"{D}interval": "soon", f"{D}TIMEOUT": "2h"}) == [
        f"FLOW_EXPORTER_DEFAULTS__interval: {INVALID_DURATION}"
    ]


def test_errors_of_all_kinds_and_sources_are_reported_at_once(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{T}TIMEOUT=never\nFLOW_EXPORTER_NONSENSE=1\n")
    environ = {
        **EMEA,
        f"{P}TARGETS": '{"emea": {"interval": 30, "labels": {"le": "x"}}}',
        f"{P}LOG_LEVEL": "debug",
        f"{P}LOG__FORMAT": "xml",
        f"{T}AUTH_URL": "https://a.example",
        f"{T}REGION": "EU",
    }
    assert errors(environ, tmp_path) == [
        "FLOW_EXPORTER_LOG_LEVEL: unknown setting; did you mean FLOW_EXPORTER_LOG__LEVEL?",
        "FLOW_EXPORTER_LOG__FORMAT: expected logfmt or json",
        "FLOW_EXPORTER_NONSENSE in .env: unknown setting",
        f"FLOW_EXPORTER_TARGETS (emea.interval): {INVALID_DURATION}",
        "FLOW_EXPORTER_TARGETS (emea.labels.le): reserved label; Prometheus or the exporter sets it",
        f"{T}REGION: REGION and AUTH_URL are mutually exclusive",
        f"{T}TIMEOUT in .env: {INVALID_DURATION}",
    ]


def test_the_order_of_the_environment_changes_nothing() -> None:
    environ = {**EMEA, f"{TT}Emea__SCOPE": "openid", f"{TT}emea__CLIENT_ID": "x", f"{T}REGION": "XX"}
    assert errors(environ) == errors(dict(reversed(environ.items())))


def test_two_spellings_of_one_variable_are_an_error() -> None:
    assert errors({**EMEA, f"{P}LOG__LEVEL": "info", f"{P}log__level": "info"}) == [
        "FLOW_EXPORTER_log__level: same setting as FLOW_EXPORTER_LOG__LEVEL; keep one of them"
    ]


def test_two_spellings_of_the_json_variable_are_an_error() -> None:
    assert errors({**EMEA, f"{P}TARGETS": "{}", f"{P}Targets": "{}"}) == [
        "FLOW_EXPORTER_Targets: same setting as FLOW_EXPORTER_TARGETS; keep one of them"
    ]


def test_a_target_may_be_spelled_in_several_ways() -> None:
    assert load({**EMEA, f"{TT}Emea__PKCE": "on"}, NOWHERE).targets[0].pkce
    (wrong,) = errors({**EMEA, f"{TT}Emea__CLIENT_ID": "x"})
    assert wrong.startswith(f"{TT}Emea__CLIENT_ID: same setting as {T}CLIENT_ID")


def test_the_prefix_may_be_spelled_in_several_ways() -> None:
    assert load({**EMEA, "flow_exporter_targets__EMEA__PKCE": "on"}, NOWHERE).targets[0].pkce


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        (f"{T}CLINT_ID", f"{T}CLIENT_ID"),
        (f"{T}CLIENT", f"{T}CLIENT_ID"),
        (f"{T}SOURCE_ENV_ID", f"{T}SOURCE_ENVIRONMENT_ID"),
        ("flow_exporter_defaults__intervall", "flow_exporter_defaults__interval"),
        (f"{P}TARGET__EMEA__CLIENT_ID", f"{T}CLIENT_ID"),
        (f"{P}TRAGETS__EMEA__CLEINT_ID", f"{T}CLIENT_ID"),
        (f"{P}TARGETS_EMEA_CLIENT_ID", f"{T}CLIENT_ID"),
        (f"{P}TARGETS_EMEA_DESTINATION_REGION", f"{T}DESTINATION_REGION"),
        (f"{T}LABEL__TIER", f"{T}LABELS__TIER"),
        (f"{T}LABELS_TIER", f"{T}LABELS__TIER"),
        (f"{P}LOG_LEVEL", f"{P}LOG__LEVEL"),
        (f"{P}WEB__LISTEN_ADDRESSES", f"{P}WEB__LISTEN_ADDRESS"),
        (f"{P}DEFAULT__TIMEOUT", f"{P}DEFAULTS__TIMEOUT"),
        (f"{P}TIMEOUT", f"{P}DEFAULTS__TIMEOUT"),
        (f"{P}SHUTDOWN_GRACE_", f"{P}SHUTDOWN_GRACE"),
    ],
)
def test_an_unknown_variable_comes_with_a_suggestion(name: str, meant: str) -> None:
    assert of_name(name) == [f"{name}: unknown setting; did you mean {meant}?"]


@pytest.mark.parametrize(
    "name",
    [
        P,
        f"{P}NONSENSE",
        f"{P}NONSENSE__X",
        f"{T}NONSENSE",
        f"{T}SCOPE__X",
        f"{T}LABELS__A__B",
        f"{P}TARGETS_a-b_CLIENT_ID",
        f"{P}LOG__LEVEL__",
    ],
)
def test_a_name_that_resembles_no_other_is_unknown(name: str) -> None:
    assert of_name(name) == [f"{name}: unknown setting"]


@pytest.mark.parametrize(
    ("target", "text"),
    [*((name, TARGET_NAME) for name in ("", "A-B", "_A")), ("X" * 64, "must have at most 63 characters")],
)
def test_an_invalid_target_name_is_reported_once_and_misses_nothing(target: str, text: str) -> None:
    assert errors({**EMEA, f"{TT}{target}__SCOPE": "openid", f"{TT}{target}__PKCE": "on"}) == [
        f"{TT}{target}: {text}"
    ]


def test_a_label_name_is_checked_in_targets_and_defaults() -> None:
    reserved = "reserved label; Prometheus or the exporter sets it"
    assert errors({**EMEA, f"{T}LABELS__JOB": "x", f"{D}LABELS__Target": "x"}) == [
        f"{D}LABELS__Target: {reserved}",
        f"{T}LABELS__JOB: {reserved}",
    ]


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        (f"{P}WEB", f"use e.g. {P}WEB__LISTEN_ADDRESS"),
        (f"{P}DEFAULTS", f"use e.g. {P}DEFAULTS__SOURCE_ENVIRONMENT_ID"),
        (f"{TT}APAC", f"use e.g. {TT}APAC__SOURCE_ENVIRONMENT_ID"),
        (f"{T}LABELS", f"use e.g. {T}LABELS__OWNER"),
        (f"{TT}APAC_CLIENT_ID", f"did you mean {TT}APAC__CLIENT_ID?"),
    ],
)
def test_a_group_is_not_a_setting(name: str, advice: str) -> None:
    assert of_name(name) == [f"{name}: not a single setting; {advice}"]


@pytest.mark.parametrize("field", ["REGION", "INTERVAL"])
def test_the_target_that_a_misspelled_name_may_mean_is_shown(field: str) -> None:
    found = of_name(f"{TT}EMAE__{field}", {"REGION": "EU", "INTERVAL": "30s"}[field])
    meant = ", or correct the name if you mean emea"
    assert found == sorted(f"{TT}EMAE__{name}: {message}{meant}" for name, message in MISSING.items())


def test_a_target_that_has_an_id_or_another_name_is_not_a_misspelled_one() -> None:
    assert of_name(f"{TT}EMAE__CLIENT_ID") == sorted(
        f"{TT}EMAE__{name}: {MISSING[name]}"
        for name in ("SOURCE_ENVIRONMENT_ID", "DESTINATION_ENVIRONMENT_ID")
    )
    assert of_name(f"{TT}WEST__REGION", "EU") == sorted(
        f"{TT}WEST__{name}: {message}" for name, message in MISSING.items()
    )


def test_a_group_that_another_variable_sets_a_member_of_conflicts_with_it(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{P}LOG=loud\n{T}INTERVAL__X=1\n")
    assert errors({**EMEA, f"{P}LOG__LEVEL": "info", f"{T}INTERVAL": "30s"}, tmp_path) == [
        f"FLOW_EXPORTER_LOG in .env: conflicts with {P}LOG__LEVEL; remove one of them",
        f"{T}INTERVAL: conflicts with {T}INTERVAL__X in .env; remove one of them",
        f"{T}INTERVAL__X in .env: unknown setting",
    ]


@pytest.mark.parametrize("name", [f"{T}P{{}}CE", f"{P}DURATION_BUC{{}}ETS"])
def test_a_name_beyond_ascii_is_shown_escaped_and_is_a_different_name(name: str) -> None:
    expected = f"{name.format(chr(92) + 'u212a')}: unknown setting; did you mean {name.format('K')}?"
    assert of_name(name.format("\u212a")) == [expected]


def test_a_name_of_any_bytes_and_length_is_shown_safely() -> None:
    (line,) = of_name(f"{P}\udc80\x1b[2J{'x' * 100_000}")
    assert line.startswith(f"{P}\\udc80\\x1b[2Jxxx")
    assert line.endswith("xxx...: unknown setting")
    assert len(line) < 240


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (f"{P}SERVICE_HOST", "10.0.0.1"),
        (f"{P}SERVICE_PORT", "9988"),
        (f"{P}SERVICE_PORT_HTTP_METRICS", "9988"),
        (f"{P}PORT", "tcp://10.0.0.1:9988"),
        (f"{P}PORT_9988_TCP", "tcp://10.0.0.1:9988"),
        (f"{P}PORT_9988_TCP_ADDR", "10.0.0.1"),
        (f"{P}CANARY_PORT", "udp://10.0.0.1:53"),
    ],
)
def test_a_kubernetes_service_link_is_recognized(name: str, value: str) -> None:
    assert of_name(name, value) == [
        (
            f"{name}: unknown setting; it looks like a Kubernetes service link; "
            "set enableServiceLinks: false for the pod"
        )
    ]


def test_a_port_that_no_service_link_would_have_is_just_unknown() -> None:
    assert of_name(f"{P}PORT", "9988") == [f"{P}PORT: unknown setting"]


@pytest.mark.parametrize("quote", ["'", '"'])
def test_quotes_around_a_value_of_the_environment_are_an_error(quote: str) -> None:
    message = "value is enclosed in quotes; remove them (docker --env-file keeps quotes)"
    environ = {
        **EMEA,
        f"{T}CLIENT_ID": f"{quote}client{quote}",
        f"{P}LOG__LEVEL": f" {quote}info{quote}",
        f"{T}LABELS__OWNER": f"{quote}{quote}",
        f"{T}INTERVAL": f"{quote}soon{quote}",
        "OTHER": "'x'",
    }
    assert errors(environ) == [
        f"FLOW_EXPORTER_LOG__LEVEL: {message}",
        f"{T}CLIENT_ID: {message}",
        f"{T}INTERVAL: {INVALID_DURATION}",
        f"{T}INTERVAL: {message}",
        f"{T}LABELS__OWNER: {message}",
    ]


@pytest.mark.parametrize("value", ['"', "'a", "a'b'", "'a\""])
def test_other_quotes_are_part_of_the_value(value: str) -> None:
    (target,) = load({**EMEA, f"{T}LABELS__OWNER": value}, NOWHERE).targets
    assert target.labels == (("owner", value),)


def test_a_web_configuration_file_is_reported_where_it_is_named_or_where_it_is_wrong(tmp_path: Path) -> None:
    named = {f"{P}WEB__CONFIG_FILE": "web.yml"}
    assert errors(EMEA | named, tmp_path) == [
        f"FLOW_EXPORTER_WEB__CONFIG_FILE: file not found: {tmp_path}/web.yml"
    ]
    (tmp_path / "web.yml").write_text("basic_auth: {}\n")
    assert errors(EMEA | named | {f"{P}LOG__LEVEL": "loud"}, tmp_path) == [
        "FLOW_EXPORTER_LOG__LEVEL: expected debug, info, warning or error",
        "basic_auth in web.yml line 1: unknown setting; did you mean basic_auth_users?",
    ]


def test_certificates_of_the_web_port_that_cause_an_error_are_among_its_files(tmp_path: Path) -> None:
    (tmp_path / "web.yml").write_text("tls_server_config: {cert_file: a.crt, key_file: a.key}\n")
    with pytest.raises(ConfigurationError) as caught:
        load(EMEA | {f"{P}WEB__CONFIG_FILE": "web.yml"}, tmp_path)
    assert {tmp_path / "web.yml", tmp_path / "a.crt", tmp_path / "a.key"} <= set(caught.value.files)


@pytest.mark.parametrize("health", [":9999", "127.0.0.1:9988"])
def test_the_health_port_must_differ_from_the_web_port(health: str) -> None:
    web = {
        f"{P}WEB__LISTEN_ADDRESS": "127.0.0.1:9988,:9999",
        f"{P}WEB__HEALTH_LISTEN_ADDRESS": health,
    }
    assert errors(EMEA | web) == [
        f"{P}WEB__HEALTH_LISTEN_ADDRESS: already used by WEB__LISTEN_ADDRESS; use another port"
    ]
