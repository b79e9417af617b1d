"""A secret in each setting that may hold one: no command prints it, and the daemon shows it nowhere."""

from __future__ import annotations

from pathlib import Path

import bcrypt
import httpx
import pytest
from harness.daemon import Daemon, run_command
from harness.variables import DESTINATION, target_variables

pytestmark = pytest.mark.e2e

UNUSED_URL = "http://127.0.0.1:9"
PROXY = "http://planted-user:planted-password@127.0.0.1:9"
SETTINGS = {
    **target_variables(
        "emea",
        UNUSED_URL,
        journeys="authorize,federation,discovery",
        interval="1d",
        federation_interval="1d",
        timeout="1s",
        login_hint="planted-hint@example.com",
        redirect_uri="https://rp.example/cb?tenant=planted-tenant",
        username="planted-account",
        password="planted-account-password",
        destination_client_id="application",
        destination_client_secret="planted-client-secret",
        destination_redirect_uri="https://rp.example/cb?tenant=planted-tenant",
    ),
    **target_variables("apac", UNUSED_URL, interval="1d", timeout="1s", proxy_url=PROXY),
    "FLOW_EXPORTER_DEFAULTS__PROXY_URL": PROXY.replace("planted", "planted-default"),
    "FLOW_EXPORTER_EGRESS_CHECK_URL": f"{UNUSED_URL}?key=planted-key",
    "FLOW_EXPORTER_STATUS_PAGE__URL": f"{UNUSED_URL}/summary.json?key=planted-key",
    "FLOW_EXPORTER_DESTINATIONS__HUB__ENVIRONMENT_ID": DESTINATION,
    "FLOW_EXPORTER_DESTINATIONS__HUB__CLIENT_ID": "hub-application",
    "FLOW_EXPORTER_DESTINATIONS__HUB__REDIRECT_URI": "https://rp.example/cb?tenant=planted-tenant",
    "FLOW_EXPORTER_DESTINATIONS__HUB__AUTH_URL": UNUSED_URL,
    "FLOW_EXPORTER_DESTINATIONS__HUB__PROXY_URL": PROXY.replace("planted", "planted-hub"),
}
HASH = bcrypt.hashpw(b"planted-login", bcrypt.gensalt(4)).decode()
SALT = HASH[7:]
PATHS = (
    "/",
    "/metrics",
    "/targets/emea",
    "/targets/apac",
    "/api/v1/targets",
    "/api/v1/targets/emea",
    "/none",
)


def test_no_command_prints_a_secret(tmp_path: Path) -> None:
    quiet = {**SETTINGS, "FLOW_EXPORTER_LOG__LEVEL": "debug"}
    for command, status in (
        (["check-config"], 0),
        (["check-config", "--json"], 0),
        (["check-config", "--full"], 0),
        (["check-config", "--list-providers"], 1),
        (["probe", "--json"], 1),
        (["probe", "--destination", "hub"], 1),
    ):
        done = run_command(*command, cwd=tmp_path, env=quiet)
        assert done.returncode == status, (command, done.stderr)
        assert "planted" not in done.stdout + done.stderr, command


def test_the_daemon_shows_none_while_it_fails_reloads_and_refuses(tmp_path: Path) -> None:
    web, file = tmp_path / "web.yml", tmp_path / "config.yml"
    web.write_text(f"basic_auth_users:\n  scraper: {HASH}\n")
    file.write_text("log: {level: debug}\n")
    files = {"FLOW_EXPORTER_WEB__CONFIG_FILE": str(web), "FLOW_EXPORTER_CONFIG_FILE": str(file)}
    with Daemon({**SETTINGS, **files}, directory=tmp_path / "home", logs=tmp_path / "logs") as daemon:
        login = ("scraper", "planted-login")
        with httpx.Client(base_url=daemon.url, auth=login, trust_env=False, timeout=60) as client:
            shown = [client.get(path).text for path in PATHS]
            shown += [client.get("/", auth=("scraper", "planted-guess")).text]
            for broken in (
                "log: {level: planted-level}",
                "targets: {emea: {password: planted}}",
                "planted: [",
            ):
                file.write_text(f"{broken}\n")
                refused = client.post("/-/reload")
                assert refused.status_code == 500
                shown += [refused.text]
            shown += [client.get(path).text for path in PATHS]
        assert daemon.stop() == 0
        shown += [daemon.log(), daemon.stdout.read_text(encoding="utf-8")]
    assert "federation" in "".join(shown)
    for text in shown:
        assert "planted" not in text
        assert SALT not in text
