"""What a webhook receives when something is wrong, from real servers and the chart's rules."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from e2e.drill.stage import ABSENT, HERE, THERE, Drill, expected, play

if TYPE_CHECKING:
    from e2e.drill.webhook import Alert

# All acts are played within the first test.
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

EMPTY_PIECES = re.compile(
    r"<no value>|<error|%!|\bNaN\b|[+-]Inf\b|''|  |[,;:(] ?[.,;)]|\b(with|fault|step|phase|of) ?[.,;]"
)


@pytest.fixture(scope="module")
def drill(tmp_path_factory: pytest.TempPathFactory) -> Drill:
    directory: Path = tmp_path_factory.mktemp("drill")
    return play(directory)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tale:
    """What an alert says.

    Args:
        alert: its name.
        target: whom it is about; an alert about a host is about this target's.
        job: the exporter.
        severity: a page is critical, a ticket warning.
        labels: those further ones that say what it is about, `HOST`, `HERE` and `THERE` filled in.
        says: the description without the command, as a pattern.
        shows: what the command must show.
        exit_code: with which it ends; one that probes what is down ends with 1.
    """

    alert: str
    target: str = ""
    job: str = "here"
    severity: str = "critical"
    labels: tuple[str, ...] = ()
    says: str
    shows: str
    exit_code: int = 0

    def key(self, drill: Drill) -> Alert:
        """Which of the drill's alerts it is."""
        if "target" in self.labels:
            return self.alert, self.target
        if "auth_host" in self.labels:
            return self.alert, drill.hosts[self.target]
        return self.alert, drill.there if "instance" in self.labels else self.job

    def all_labels(self, drill: Drill) -> Mapping[str, str]:
        """All labels with which it arrives."""
        values = {
            "target": self.target,
            "journey": "authorize",
            "auth_host": drill.hosts.get(self.target, ""),
            "owner": "identity",
            "instance": drill.there,
        }
        own = {label: values[label] for label in self.labels}
        return {"alertname": self.alert, "severity": self.severity, "job": self.job, **own}


ABOUT_TARGET = ("target", "journey", "auth_host", "owner")
ABOUT_HOST = ("auth_host", "owner")
FAILED = (
    r" failed \d+ times in a row; last failure: %s, fault %s, "
    r"step authorize \(source\), phase %s; last success: [\d-]{10} [\d:]{8} UTC"
)
TALES = [
    Tale(
        alert="PingOneAuthHostOutage",
        target="emea_workforce",
        labels=("auth_host",),
        says=r"100% of the targets on 127\.0\.0\.1:\d+ failed; 2 with server_error, fault provider, "
        r"phase transfer; last success of any of them: [\d-]{10} [\d:]{8} UTC",
        shows="emea_workforce_2",
        exit_code=1,
    ),
    Tale(
        alert="PingOneFederationDown",
        target="us_retail",
        labels=ABOUT_TARGET,
        says="us_retail" + FAILED % ("oauth_error", "configuration", "transfer"),
        shows="reason          oauth_error\n",
        exit_code=1,
    ),
    Tale(
        alert="PingOneFederationDown",
        target="sg_contractors",
        labels=ABOUT_TARGET,
        says="sg_contractors" + FAILED % ("unexpected_status", "configuration", "transfer"),
        shows="reason          unexpected_status\n",
        exit_code=1,
    ),
    Tale(
        alert="PingOneFederationDown",
        target="au_suppliers",
        labels=ABOUT_TARGET,
        says="au_suppliers" + FAILED % ("tls", "provider", "tls"),
        shows="reason          tls\n",
        exit_code=1,
    ),
    Tale(
        alert="PingOneCertificateExpiresNow",
        target="au_suppliers",
        labels=ABOUT_HOST,
        says=r"The certificate of 127\.0\.0\.1:\d+ has expired; it is used by au_suppliers",
        shows="au_suppliers",
    ),
    Tale(
        alert="PingOneCertificateExpiresSoon",
        target="au_suppliers",
        severity="warning",
        labels=ABOUT_HOST,
        says=r"The certificate of 127\.0\.0\.1:\d+ has expired; it is used by au_suppliers",
        shows="au_suppliers",
    ),
    Tale(
        alert="PingOneCertificateExpiresSoon",
        target="renewed",
        severity="warning",
        labels=ABOUT_HOST,
        says=r"The certificate of 127\.0\.0\.1:\d+ expires in 9d 23h \d+m \d+s; it is used by renewed",
        shows="renewed",
    ),
    Tale(
        alert="PingOneRateLimited",
        target="ca_customers",
        severity="warning",
        labels=ABOUT_TARGET,
        says=r"\d+ probes of ca_customers were rate-limited in the last 30 minutes"
        r"(; it is paused for another [\d.]+[mu]?s)?; it is probed every 2s",
        shows='reason="rate_limited"',
    ),
    Tale(
        alert="PingOneEgressDown",
        job="there",
        labels=("instance",),
        says=r"The connectivity check of 127\.0\.0\.1:\d+ gets no response, so failed probes say nothing "
        "about PingOne",
        shows="pingone_flow_exporter_egress_up 0",
    ),
    Tale(
        alert="PingOneConfigReloadFailed",
        job="there",
        severity="warning",
        labels=("instance",),
        says=r"127\.0\.0\.1:\d+ keeps running the configuration it loaded (\d+m )?[\d.]+s ago; "
        "the new one is invalid",
        shows="scoop",
        exit_code=2,
    ),
    Tale(
        alert=ABSENT[0],
        job="there",
        says="No instance of there is being scraped",
        shows="latam_franchise",
    ),
]
EACH = pytest.mark.parametrize(
    "tale", TALES, ids=[f"{tale.alert} {tale.target or tale.job}" for tale in TALES]
)


def test_exactly_these_alerts_arrive(drill: Drill) -> None:
    assert drill.alerts == {*expected(drill.there, drill.hosts), ABSENT}
    assert drill.alerts == {tale.key(drill) for tale in TALES}


@EACH
def test_it_arrives_once_and_is_resolved_once_with_all_of_its_labels(drill: Drill, tale: Tale) -> None:
    for notification in drill.of(tale.key(drill)):
        assert notification.labels == tale.all_labels(drill)


@EACH
def test_its_description_is_filled_in_and_ends_with_a_command(drill: Drill, tale: Tale) -> None:
    began, ended = drill.of(tale.key(drill))
    command = drill.looks[tale.key(drill)].command

    text = began.annotations["description"]
    assert re.fullmatch(tale.says + r"\. To investigate, run( with the exporter's environment)?: (.*)", text)
    assert text.endswith(f": {command}")
    for notification in (began, ended):
        for name, annotation in notification.annotations.items():
            assert annotation.strip(), name
            assert not EMPTY_PIECES.search(annotation.removesuffix(command)), annotation


@EACH
def test_the_command_shows_what_the_alert_is_about(drill: Drill, tale: Tale) -> None:
    look = drill.looks[tale.key(drill)]

    assert tale.shows in look.output, look
    assert look.exit_code == tale.exit_code


@EACH
def test_its_runbook_url_works(drill: Drill, tale: Tale) -> None:
    began, _ = drill.of(tale.key(drill))

    assert began.annotations["runbook_url"] == f"http://{drill.here}/runbooks/{tale.alert}"
    assert f"<h1>{tale.alert}</h1>" in drill.runbooks[tale.alert]


@EACH
def test_its_exporter_url_leads_to_what_the_alert_is_about(drill: Drill, tale: Tale) -> None:
    """One click from the alert to the host and its last error."""
    began, _ = drill.of(tale.key(drill))
    page = drill.looks[tale.key(drill)].page

    assert began.annotations["dashboard_url"].startswith("https://grafana.example.com/d/pingone-flow-")
    if tale.target:
        assert tale.target in page
        assert drill.hosts[tale.target] in page
    if "target" in tale.labels:
        assert began.annotations["exporter_url"] == f"http://{drill.here}/targets/{tale.target}"


def test_an_exporter_without_network_access_blames_no_provider(drill: Drill) -> None:
    alerts = {n.labels["alertname"] for n in drill.notifications if n.labels["job"] == "there"}

    assert alerts == {"PingOneEgressDown", "PingOneConfigReloadFailed", ABSENT[0]}


def test_no_alert_is_about_a_healthy_federation(drill: Drill) -> None:
    well = set(HERE) - {tale.target for tale in TALES}

    assert well == {"apac_partners"}
    assert not any("apac_partners" in f"{n.labels}{n.annotations}" for n in drill.notifications)
    assert THERE in drill.hosts
