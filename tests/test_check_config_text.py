"""How check-config shows targets and the exporter; it never shows a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from settings.example import DESTINATION, EMEA, NOWHERE, SOURCE, P, T

from exporter.check_config import check_config
from exporter.settings import Config, load

PLAIN = f"""\
target emea
  authorize URL           https://auth.pingone.com/{SOURCE}/as/authorize
  source environment      {SOURCE}
  destination environment {DESTINATION}
  client ID               client
  redirect URI            https://auth.pingone.com/{DESTINATION}/rp/callback/openid_connect
  scope                   openid
  PKCE                    no
  expected statuses       USERNAME_PASSWORD_REQUIRED
  journey authorize       every 1m, timeout 10s, latency objective 2s
  trusted authorities     the system's
  IP family               any
  proxy                   none

exporter
  targets                 1
  listen addresses        :9988
  concurrent probes       at most 100
  shutdown grace          15s
  duration buckets        0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30
  egress check            none
  log                     logfmt, from level info"""


def describe(config: Config) -> str:
    """Return the text behind the tables, without its last line."""
    *blocks, _ = check_config(config).text.split("\n\n")
    first = next(n for n, block in enumerate(blocks) if block.startswith(("target emea\n", "exporter\n")))
    return "\n\n".join(blocks[first:])


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Return the path of a PEM file with one authority."""
    path = tmp_path / "authority.pem"
    trustme.CA().cert_pem.write_to_path(str(path))
    return path


def test_a_target_is_shown_as_it_is_resolved() -> None:
    assert describe(load(EMEA, NOWHERE)) == PLAIN


def test_optional_settings_are_shown_if_they_are_set(certificate: Path) -> None:
    extra = {
        "PROMPT": "login",
        "ACR_VALUES": "Single_Factor",
        "MAX_AGE": "300",
        "PKCE": "true",
        "EXPECTED_STATUSES": "OTP_REQUIRED,DAVINCI",
        "LABELS__TIER": "gold",
        "LABELS__OWNER": "identity team",
        "CA_FILE": str(certificate),
        "IP_FAMILY": "6",
        "PROXY_URL": "http://proxy.example.com:3128/",
    }
    disabled = {name.replace("EMEA", "APAC"): value for name, value in EMEA.items()}
    environ = {
        **EMEA,
        **{f"{T}{name}": value for name, value in extra.items()},
        **disabled,
        "FLOW_EXPORTER_TARGETS__APAC__ENABLED": "false",
        "FLOW_EXPORTER_WEB__LISTEN_ADDRESS": "[::1]:1,localhost:2",
        "FLOW_EXPORTER_EGRESS_CHECK_URL": "https://www.example.com/generate_204",
        "FLOW_EXPORTER_STATUS_PAGE__URL": "https://status.example.com/summary.json?a=planted",
        "FLOW_EXPORTER_STATUS_PAGE__COMPONENTS": "k3tm8hjrxdt1,Europe / SSO",
    }
    lines = describe(load(environ, certificate.parent)).split("\n")
    assert {
        "  prompt                  login",
        "  ACR values              Single_Factor",
        "  max age                 300 seconds",
        "  PKCE                    yes",
        "  expected statuses       OTP_REQUIRED, DAVINCI",
        "  labels                  owner=identity team, tier=gold",
        f"  trusted authorities     {certificate}",
        "  IP family               IPv6 only",
        "  proxy                   proxy.example.com:3128",
        "  egress check            https://www.example.com/generate_204",
        "  status page             https://status.example.com/summary.json?(set), every 2m",
        "  status components       k3tm8hjrxdt1, Europe / SSO",
        "  disabled targets        apac",
        "  listen addresses        [::1]:1, localhost:2",
    } <= set(lines)


def test_a_shard_is_shown_with_its_share() -> None:
    environ = {
        name.replace("EMEA", target): value for target in ("A", "T1", "EMEA") for name, value in EMEA.items()
    }
    shard = {"FLOW_EXPORTER_SHARD__INDEX": "exporter-2", "FLOW_EXPORTER_SHARD__COUNT": "3"}
    text = describe(load({**environ, **shard}, NOWHERE))
    assert text.startswith("target emea\n")
    assert "target a\n" not in text
    row = "  shard                   index 2 of 3, with 1 of 3 targets\n"
    assert f"  targets                 1\n{row}" in text


def test_a_shard_without_a_target_shows_the_exporter() -> None:
    shard = {"FLOW_EXPORTER_SHARD__INDEX": "1", "FLOW_EXPORTER_SHARD__COUNT": "3"}
    text = describe(load({**EMEA, **shard}, NOWHERE))
    assert text.startswith("exporter\n")
    assert "  shard                   index 1 of 3, with 0 of 1 targets\n" in text


@pytest.mark.parametrize(
    ("extra", "rows"),
    [
        (
            {f"{P}WEB__EXTERNAL_URL": "https://flows.example.com/"},
            ["external URL            https://flows.example.com"],
        ),
        (
            {
                f"{P}WEB__GRAFANA_URL": "https://g.example/d/flows?var-target={target}",
                f"{P}WEB__PROMETHEUS_URL": "https://p.example/graph?g0.expr={target}",
            },
            [
                "Grafana URL             https://g.example/d/flows?var-target={target}",
                "Prometheus URL          https://p.example/graph?g0.expr={target}",
            ],
        ),
        ({f"{T}IP_FAMILY": "4"}, ["IP family               IPv4 only"]),
        (
            {f"{T}PROXY_URL": "http://u53r:s3cr3t@proxy.example.com:3128/"},
            ["proxy                   proxy.example.com:3128, with a user"],
        ),
        (
            {f"{T}PROXY_URL": "http://u53r:s3cr3t@[::1]:80/"},
            ["proxy                   [::1]:80, with a user"],
        ),
        (
            {f"{P}EGRESS_CHECK_URL": "http://a.example/b?k=s3cr3t"},
            ["egress check            http://a.example/b?(set)"],
        ),
        (
            {f"{T}LOGIN_HINT": "s3cr3t@example.com", f"{T}REDIRECT_URI": "https://a.example/cb?k=s3cr3t"},
            ["login hint              (set)", "redirect URI            https://a.example/cb?(set)"],
        ),
    ],
)
def test_a_setting_is_shown_without_what_may_be_secret(extra: dict[str, str], rows: list[str]) -> None:
    text = describe(load({**EMEA, **extra}, NOWHERE))
    assert {f"  {row}" for row in rows} <= set(text.split("\n"))
    assert "s3cr3t" not in text
    assert "u53r" not in text


def test_the_security_of_the_port_is_shown_without_a_hash(tmp_path: Path) -> None:
    stored = "$2y$10$X0h1gDsPszWURQaxFh.zoubFi6DXncSjhoQNJgRrnGs7EsimhC7zG"
    (tmp_path / "web.yml").write_text(
        "http_server_config: {headers: {X-Frame-Options: deny}}\n"
        "rate_limit: {interval: 500ms, burst: 3}\n"
        f"basic_auth_users: {{ann: {stored}, bob: {stored}}}\n"
    )
    web = {
        "FLOW_EXPORTER_WEB__CONFIG_FILE": "web.yml",
        "FLOW_EXPORTER_WEB__HEALTH_LISTEN_ADDRESS": "127.0.0.1:9989",
    }

    shown = describe(load(EMEA | web, tmp_path))

    assert (
        "  web security            no TLS, 2 users, headers X-Frame-Options, at most 2 requests per second\n"
        in shown
    )
    assert "  health addresses        127.0.0.1:9989\n" in shown
    assert stored not in shown
