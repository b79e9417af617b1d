"""Metric names are public: they follow the conventions, and dashboards and alerts depend on this list."""

from __future__ import annotations

import re
import sys

import pytest
from metrics_reference import FAMILIES, Family, reference
from observing.examples import BUCKETS, page

from exporter.observing import Metrics

each = pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
KEY = ("target", "journey")
STEP = (*KEY, "step")
HOSTS = ("auth_host", "destination_auth_host")
PROVIDER = ("destination", "provider", "provider_id", "kind", "expected")
ENVIRONMENTS = ("source_environment_id", "destination_environment_id")
ROW = re.compile(r"\| `(?P<name>[a-z_]+)` \| (?P<kind>[a-z]+) \| (?P<labels>[^|]+) \| (?P<help>[^|]+) \|")


def test_the_families_are_those_that_dashboards_and_alerts_depend_on() -> None:
    names = {
        ("probe_success", "gauge", *KEY),
        ("probes_total", "counter", *KEY, "reason", "fault"),
        ("probe_duration_seconds", "histogram", *KEY),
        ("probes_slow_total", "counter", *KEY),
        ("probe_consecutive_failures", "gauge", *KEY),
        ("probe_state_change_timestamp_seconds", "gauge", *KEY),
        ("probe_last_result_info", "gauge", *STEP, "phase", "reason", "fault", "side"),
        ("probe_last_run_timestamp_seconds", "gauge", *KEY),
        ("probe_last_success_timestamp_seconds", "gauge", *KEY),
        ("step_duration_seconds", "summary", *STEP, "phase"),
        ("step_last_duration_seconds", "gauge", *STEP, "phase"),
        ("http_responses_total", "counter", *STEP, "code"),
        ("http_status_code", "gauge", *STEP),
        ("statuses_total", "counter", *STEP, "status"),
        ("status", "gauge", *STEP, "status"),
        ("error_codes_total", "counter", *STEP, "code"),
        ("contract_check", "gauge", *STEP, "check"),
        ("lifetime_seconds", "gauge", *STEP),
        ("clock_skew_seconds", "gauge", *STEP),
        ("clock_skew_error_seconds", "gauge", *STEP),
        ("tls_certificate_expiry_timestamp_seconds", "gauge", *STEP),
        ("tls_chain_expiry_timestamp_seconds", "gauge", *STEP),
        ("backoff_until_timestamp_seconds", "gauge", *KEY),
        ("target_info", "gauge", "target", *ENVIRONMENTS, *HOSTS, *PROVIDER),
        ("target_last_step_info", "gauge", *STEP),
        ("sign_on_suspended", "gauge", "target"),
        ("secret_expiry_timestamp_seconds", "gauge", "target"),
        ("signing_keys", "gauge", "target"),
        ("signing_keys_hash", "gauge", "target"),
        ("metadata_hash", "gauge", "target"),
        ("signing_key_certificate_expiry_timestamp_seconds", "gauge", "target"),
        ("target_interval_seconds", "gauge", *KEY),
        ("target_timeout_seconds", "gauge", *KEY),
        ("target_latency_objective_seconds", "gauge", *KEY),
        ("exporter_build_info", "gauge", "version", "python_version"),
        ("exporter_shards", "gauge", "shard"),
        ("exporter_probes_in_flight", "gauge"),
        ("exporter_probes_skipped_total", "counter", *KEY, "cause"),
        ("exporter_schedule_lag_seconds", "histogram"),
        ("exporter_event_loop_lag_seconds", "histogram"),
        ("exporter_probes_stalled_total", "counter"),
        ("exporter_kernel_timestamps", "gauge"),
        ("exporter_loop_timed_exchanges_total", "counter"),
        ("exporter_config_last_reload_successful", "gauge"),
        ("exporter_config_last_reload_success_timestamp_seconds", "gauge"),
        ("exporter_egress_up", "gauge"),
        ("exporter_internal_errors_total", "counter", "part"),
        ("destination_providers", "gauge", "destination", "state"),
        ("destination_refresh_success", "gauge", "destination"),
        ("destination_last_refresh_success_timestamp_seconds", "gauge", "destination"),
        ("pingone_status_component", "gauge", "page", "component", "status"),
        ("pingone_status_incidents", "gauge", "page", "impact"),
        ("pingone_status_maintenances", "gauge", "page", "state"),
        ("pingone_status_page_updated_timestamp_seconds", "gauge", "page"),
        ("pingone_status_fetch_success", "gauge", "page"),
        ("pingone_status_last_success_timestamp_seconds", "gauge", "page"),
    }
    found = [(family.name.removeprefix("pingone_flow_"), family.kind, *family.labels) for family in FAMILIES]
    assert set(found) == names
    assert len(found) == len(names), "a family occurs twice"


@each
def test_a_name_and_its_help_follow_the_conventions(family: Family) -> None:
    assert family.name.startswith(("pingone_flow_", "pingone_status_"))
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert re.fullmatch(r"[A-Z][^\n|\\]+\.", family.help)
    if family.name.endswith("_timestamp_seconds"):
        assert family.help.startswith("Unix time ")
    else:
        assert ("second" in family.help.lower().replace("per second", "")) == family.name.endswith("_seconds")


@each
def test_no_label_is_one_that_prometheus_reserves(family: Family) -> None:
    assert not {"job", "instance", "environment", "le", "quantile"} & set(family.labels)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", label) for label in family.labels)


def test_each_family_is_one_row_of_the_reference() -> None:
    rows = [found for line in reference().splitlines() if (found := ROW.fullmatch(line))]
    assert {
        (row["name"], row["kind"], row["help"], tuple(re.findall(r"`(\w+)`", row["labels"]))) for row in rows
    } == {(family.name, family.kind, family.help, family.labels) for family in FAMILIES}
    assert "| `pingone_flow_exporter_probes_in_flight` | gauge | \N{EN DASH} |" in reference()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prometheus-client reads /proc")
def test_the_reference_names_the_families_of_prometheus_client() -> None:
    *_, others = reference().split("\nIn addition, ")
    ours = {family.name.removesuffix("_total") for family in FAMILIES}
    live = {
        family.name + "_total" * (family.type == "counter")
        for family in page(Metrics([], buckets=BUCKETS)).families
        if family.name not in ours
    }
    assert live == set(re.findall(r"`((?:process|python)_[a-z_]+)`", others))
