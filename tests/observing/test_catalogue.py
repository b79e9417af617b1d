"""Names are public; so they are held against the conventions, and once more against a list by hand."""

from __future__ import annotations

import re

import pytest

from exporter.observing import DAEMON, FLOW, Family

ALL = (*FLOW, *DAEMON)
each = pytest.mark.parametrize("family", ALL, ids=lambda family: family.name)


def test_the_families_are_those_that_dashboards_and_alerts_depend_on() -> None:
    assert {(family.name, family.kind, *family.labels) for family in ALL} == {
        ("pingone_flow_probe_success", "gauge", "target", "journey"),
        ("pingone_flow_probes_total", "counter", "target", "journey", "reason", "fault"),
        ("pingone_flow_probe_duration_seconds", "histogram", "target", "journey"),
        ("pingone_flow_probes_slow_total", "counter", "target", "journey"),
        ("pingone_flow_probe_consecutive_failures", "gauge", "target", "journey"),
        ("pingone_flow_probe_state_change_timestamp_seconds", "gauge", "target", "journey"),
        (
            "pingone_flow_probe_last_result_info", "gauge",
            "target", "journey", "step", "phase", "reason", "fault",
        ),
        ("pingone_flow_probe_last_run_timestamp_seconds", "gauge", "target", "journey"),
        ("pingone_flow_probe_last_success_timestamp_seconds", "gauge", "target", "journey"),
        ("pingone_flow_step_duration_seconds", "summary", "target", "journey", "step", "phase"),
        ("pingone_flow_step_last_duration_seconds", "gauge", "target", "journey", "step", "phase"),
        ("pingone_flow_http_responses_total", "counter", "target", "journey", "step", "code"),
        ("pingone_flow_http_status_code", "gauge", "target", "journey", "step"),
        ("pingone_flow_statuses_total", "counter", "target", "journey", "step", "status"),
        ("pingone_flow_status", "gauge", "target", "journey", "step", "status"),
        ("pingone_flow_error_codes_total", "counter", "target", "journey", "step", "code"),
        ("pingone_flow_contract_check", "gauge", "target", "journey", "step", "check"),
        ("pingone_flow_lifetime_seconds", "gauge", "target", "journey", "step"),
        ("pingone_flow_clock_skew_seconds", "gauge", "target", "journey", "step"),
        ("pingone_flow_clock_skew_error_seconds", "gauge", "target", "journey", "step"),
        ("pingone_flow_tls_certificate_expiry_timestamp_seconds", "gauge", "target", "journey", "step"),
        ("pingone_flow_backoff_until_timestamp_seconds", "gauge", "target", "journey"),
        (
            "pingone_flow_target_info", "gauge",
            "target", "source_environment_id", "destination_environment_id", "auth_host",
        ),
        ("pingone_flow_target_interval_seconds", "gauge", "target", "journey"),
        ("pingone_flow_target_timeout_seconds", "gauge", "target", "journey"),
        ("pingone_flow_target_latency_objective_seconds", "gauge", "target", "journey"),
        ("pingone_flow_exporter_build_info", "gauge", "version", "python_version"),
        ("pingone_flow_exporter_shards", "gauge", "shard"),
        ("pingone_flow_exporter_probes_in_flight", "gauge"),
        ("pingone_flow_exporter_probes_skipped_total", "counter", "target", "journey", "cause"),
        ("pingone_flow_exporter_schedule_lag_seconds", "histogram"),
        ("pingone_flow_exporter_event_loop_lag_seconds", "histogram"),
        ("pingone_flow_exporter_probes_stalled_total", "counter"),
        ("pingone_flow_exporter_config_last_reload_successful", "gauge"),
        ("pingone_flow_exporter_config_last_reload_success_timestamp_seconds", "gauge"),
        ("pingone_flow_exporter_egress_up", "gauge"),
    }  # fmt: skip


def test_no_name_is_there_twice() -> None:
    assert len({family.name for family in ALL}) == len(ALL)


@each
def test_counters_and_only_they_end_in_total(family: Family) -> None:
    assert family.name.endswith("_total") == (family.kind == "counter")


@each
def test_the_meaning_is_one_line_that_ends_in_a_full_stop(family: Family) -> None:
    assert re.fullmatch(r"[A-Z][^\n|\\]+\.", family.help)


@each
def test_seconds_are_told_as_such(family: Family) -> None:
    assert ("second" in family.help.lower()) == family.name.endswith("_seconds")


@each
def test_label_names_are_none_that_prometheus_reserves(family: Family) -> None:
    assert not {"job", "instance", "environment", "le", "quantile"} & set(family.labels)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", label) for label in family.labels)
