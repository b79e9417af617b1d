"""The installed command, configured as in a pod: a configuration file, a mounted Secret, mutual TLS."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness.mount import Mount
from harness.variables import CLIENT, DESTINATION, PREFIX, SOURCE

if TYPE_CHECKING:
    from harness.certificates import Authority
    from harness.daemon import Daemon
    from harness.factory import Factory
    from harness.http_server import HttpServer

pytestmark = pytest.mark.e2e


def test_client_certificates_come_from_file_and_secret(
    tmp_path: Path,
    authority: Authority,
    http_server: Factory[..., HttpServer],
    daemon: Factory[..., Daemon],
) -> None:
    server = authority.good().tls
    server.verify_mode = ssl.CERT_REQUIRED
    server.load_verify_locations(authority.ca_file)
    provider, client = http_server(tls=server), authority.client()
    config, secrets = Mount(tmp_path / "config"), Mount(tmp_path / "secrets")
    config.put(
        {
            "flows.yaml": f"""\
defaults:
  auth_url: {provider.base_url}
  interval: 20s
  source_environment_id: {SOURCE}
  destination_environment_id: {DESTINATION}
  ca_file: {authority.ca_file}
targets:
  shown:
    client_certificate_file: {client.certificate}
    client_key_file: {client.key}
  not_shown:
    client_certificate_file:
log: {{level: error}}
"""
        }
    )
    # The harness waits for a line of level info: that it comes shows that the secret wins.
    secrets.put(
        {
            f"{PREFIX}DEFAULTS__CLIENT_ID": f"{CLIENT}\n",
            f"{PREFIX}LOG__LEVEL": "info",
            "tls.key": b"\xff",
        }
    )
    running = daemon(
        {
            f"{PREFIX}CONFIG_FILE": str(config.directory / "flows.yaml"),
            f"{PREFIX}SECRETS_DIR": str(secrets.directory),
        }
    )
    page = running.wait_until(
        lambda page: len(list(page.series("pingone_flow_probe_success"))) == 2, what="both were probed"
    )
    success = {labels["target"]: value for labels, value in page.series("pingone_flow_probe_success")}
    assert success == {"shown": 1.0, "not_shown": 0.0}
    assert f"client_id={CLIENT}&" in provider.requests[0].target
