"""A target's variables are those an operator would write."""

from __future__ import annotations

from harness.variables import CLIENT, DESTINATION, target_variables


def test_a_target_is_written_as_an_operator_writes_it() -> None:
    assert target_variables("acme", "http://127.0.0.1:1", source="s", interval="1s", pkce="true") == {
        "FLOW_EXPORTER_TARGETS__ACME__SOURCE_ENVIRONMENT_ID": "s",
        "FLOW_EXPORTER_TARGETS__ACME__DESTINATION_ENVIRONMENT_ID": DESTINATION,
        "FLOW_EXPORTER_TARGETS__ACME__CLIENT_ID": CLIENT,
        "FLOW_EXPORTER_TARGETS__ACME__AUTH_URL": "http://127.0.0.1:1",
        "FLOW_EXPORTER_TARGETS__ACME__INTERVAL": "1s",
        "FLOW_EXPORTER_TARGETS__ACME__PKCE": "true",
    }
