"""The drill: foul weather over a simulated PingOne, and what reaches a webhook by the chart's own rules.

    simulate <── exporters "here" and "there" <── Prometheus ──> Alertmanager ──> webhook
                                                  with the chart's rules, hurried

Time passes thirty times faster: targets are probed every 2 s instead of every minute, scraped every second
instead of every 30 s, and the rules' times are divided likewise. Only the exporter's own check of its egress
keeps its 15 s, so that its failure is awaited before "there" fails. Everything is done once, in three acts
(foul, fair, killed); the tests look at the notifications.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import httpx
from chart.rendering import ONE, render
from e2e.drill.hurry import hurried
from e2e.drill.webhook import Webhook
from e2e.showing import PRINTED, Shown, get, sourced
from harness.alertmanager import Alertmanager
from harness.certificates import LOCAL_NAMES, Authority
from harness.daemon import COMMAND, Daemon
from harness.http_messages import Answer
from harness.http_server import HttpServer
from harness.process import clean_environment
from harness.prometheus import Prometheus, need_tool
from harness.variables import PREFIX, target_variables
from harness.waiting import PATIENCE

if TYPE_CHECKING:
    from e2e.drill.webhook import Alert, Notification

TIMES = 30.0
"""How much faster time passes."""

NARROWER = {"PingOneRateLimited": 120.0}
"""It looks back half an hour: as a minute, it would resolve only a minute after the last refusal."""

RULES = {
    "alerts": {
        # An hour and a quarter of it are nothing beside a certificate's days, but two minutes of a drill.
        "PingOneCertificateExpiresSoon": {"for": "5m"},
        "PingOneCertificateExpiresNow": {"for": "5m"},
        # A busy machine misses several scrapes.
        "PingOneEgressDown": {"keepFiringFor": "5m"},
        "PingOneConfigReloadFailed": {"keepFiringFor": "5m"},
        # Where there is no history, any outage is more than a day's and three days' budget.
        "PingOneErrorBudgetBurnSlow": {"enabled": False},
        # Correct on a busy machine, and about that.
        "PingOneScheduleLagging": {"enabled": False},
        "PingOneProbesSkipped": {"enabled": False},
        "PingOneProbesStalled": {"enabled": False},
    }
}
PACE = {
    f"{PREFIX}DEFAULTS__INTERVAL": "2s",
    f"{PREFIX}DEFAULTS__TIMEOUT": "1900ms",  # longer than any machine needs
    f"{PREFIX}DEFAULTS__LABELS__OWNER": "identity",
}
UNHURRIED = {f"{PREFIX}DEFAULTS__INTERVAL": "60s", f"{PREFIX}DEFAULTS__TIMEOUT": "30s"}
GOOD_SETTINGS = "defaults: {scope: openid}\n"
BAD_SETTINGS = "defaults: {scoop: openid}\n"
HERE = ("emea_workforce", "us_retail", "apac_partners", "ca_customers", "au_suppliers", "sg_contractors")
THERE = "latam_franchise"
FOUL: Mapping[str, Mapping[str, Any]] = {
    "emea_workforce": {"weather": "error_html"},
    "us_retail": {"weather": "client_deleted"},
    "ca_customers": {"weather": "rate_limited", "retry_after": 1},
    "au_suppliers": {"weather": "tls_expired"},
    "sg_contractors": {"weather": "policy_changed"},
}

T = TypeVar("T")

_COMMAND = re.compile(r"\. To investigate, run(?: with the exporter's environment)?: (?P<command>.*)$")


class Enter(Protocol):
    """Starts what ends with the play."""

    def __call__(self, one: AbstractContextManager[T], /) -> T:
        """Start it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What came of an alert's links, and of the command at its description's end, while it fired.

    Args:
        command: the command.
        exit_code: with which it ended.
        output: what it printed.
        page: what was found at `exporter_url`.
    """

    command: str
    exit_code: int
    output: str
    page: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """The notifications, and what the commands found.

    Args:
        here: the address of the exporter that watches what fails.
        there: that of the one that is cut off and given wrong settings, and then killed.
        hosts: target -> auth host.
        notifications: all notifications, in order.
        looks: what came of the commands, by alert.
        runbooks: what was found at their `runbook_url`, by alert name.
    """

    here: str
    there: str
    hosts: Mapping[str, str]
    notifications: tuple[Notification, ...]
    looks: Mapping[Alert, Look]
    runbooks: Mapping[str, str]

    def of(self, alert: Alert) -> tuple[Notification, Notification]:
        """Return how an alert began and how it ended; it must have done both once."""
        began, ended = (notification for notification in self.notifications if notification.alert == alert)
        assert (began.status, ended.status) == ("firing", "resolved")
        return began, ended

    @property
    def alerts(self) -> set[Alert]:
        """All alerts that arrived."""
        return {notification.alert for notification in self.notifications}


def play(directory: Path) -> Drill:
    """Start everything, play all acts, end everything."""
    with ExitStack() as stack:
        return _Stage(directory, stack.enter_context).play()


class _Stage:
    def __init__(self, directory: Path, enter: Enter) -> None:
        self._directory = directory
        self._enter = enter
        self._looks: dict[Alert, Look] = {}

    def play(self) -> Drill:
        self._start()
        self._foul()
        self._fair()
        self._killed()
        return Drill(
            here=self.here.address,
            there=self.there.address,
            hosts=self.hosts,
            notifications=self.webhook.notifications,
            looks=self._looks,
            runbooks={
                notification.labels["alertname"]: get(notification.annotations["runbook_url"])
                for notification in self.webhook.notifications
            },
        )

    # --- before the curtain

    def _start(self) -> None:
        enter, directory = self._enter, self._directory
        self.webhook = enter(Webhook())
        self.canary = enter(HttpServer(Answer(headers=(("Content-Length", "0"),))))
        authority = Authority(directory)
        self.valid = enter(HttpServer(tls=authority.good().tls))
        self.expiring = enter(HttpServer(tls=authority.issue(*LOCAL_NAMES, ends_in=timedelta(days=10)).tls))
        self.expiring.stop()
        self.expiring.port = self.valid.port
        simulator = enter(
            Shown(
                "simulate",
                *("--weather", "us_retail=healthy"),
                *("--weather", "apac_partners=healthy"),
                directory=directory / "simulator",
            )
        )
        printed = simulator.wait_for_output(PRINTED)
        (self.weather,) = PRINTED.findall(printed)
        variables = sourced(printed, directory)
        renewed = target_variables("renewed", self.valid.base_url, ca_file=str(authority.ca_file))
        self.settings = directory / "settings.yaml"
        self.settings.write_text(GOOD_SETTINGS, encoding="utf-8")
        here = {**_of(variables, *HERE), **_again(variables, "emea_workforce"), **renewed}
        there = {
            **_of(variables, THERE),
            **_again(variables, THERE),
            f"{PREFIX}EGRESS_CHECK_URL": self.canary.base_url,
            f"{PREFIX}CONFIG_FILE": str(self.settings),
        }
        self.here, self.there = (
            enter(Daemon(PACE | own, directory=directory / name, logs=directory / f"{name}-logs"))
            for name, own in (("here", here), ("there", there))
        )
        self.hosts = {
            labels["target"]: labels["auth_host"]
            for daemon in (self.here, self.there)
            for labels, _ in daemon.metrics().series("pingone_flow_target_info")
        }
        alertmanager = enter(Alertmanager(self.webhook.base_url, directory=directory / "alertmanager"))
        self.prometheus = enter(
            Prometheus(directory=directory / "prometheus", configuration=self._configuration(alertmanager))
        )
        succeeded = "count(target:pingone_flow_probe_last_success_timestamp_seconds:max1d)"
        self._see(f"{succeeded} == {len(self.hosts)}")
        self._see("pingone_flow_exporter_egress_up == 1")

    def _configuration(self, alertmanager: Alertmanager) -> dict[str, Any]:
        rules = {
            **RULES,
            "runbookUrl": f"{self.here.url}/runbooks",
            "dashboardUrl": "https://grafana.example.com",
        }
        values = {"rules": rules, "externalUrl": self.here.url}
        groups = render(ONE | values).one("PrometheusRule")["spec"]["groups"]
        file = self._directory / "rules.yaml"
        file.write_text(json.dumps({"groups": hurried(groups, times=TIMES, narrower=NARROWER)}))
        return {
            "rule_files": [str(file)],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [alertmanager.address]}]}]},
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [daemon.address]}]}
                for job, daemon in (("here", self.here), ("there", self.there))
            ],
        }

    # --- the acts

    def _foul(self) -> None:
        self.settings.write_text(BAD_SETTINGS, encoding="utf-8")
        self.there.signal(signal.SIGHUP)
        self.canary.stop()
        self.valid.stop()
        self.expiring.start()
        for environment, weather in FOUL.items():
            self._put(environment, weather)
        self._see('pingone_flow_exporter_egress_up{job="there"} == 0')
        self._put(THERE, {"weather": "refused"})
        # Long enough for a page, were it not for the egress: `for` is 2 s, an evaluation each second.
        self._see('min_over_time(pingone_flow_probe_consecutive_failures{job="there"}[6s]) >= 3')
        self._hear("firing", *expected(self.there.address, self.hosts))

    def _fair(self) -> None:
        self.settings.write_text(GOOD_SETTINGS, encoding="utf-8")
        self.there.signal(signal.SIGHUP)
        self.expiring.stop()
        self.valid.start()
        self.canary.start()
        for environment in (*FOUL, THERE):
            self._put(environment, {"weather": "healthy"})
        self._hear("resolved", *expected(self.there.address, self.hosts))

    def _killed(self) -> None:
        self.there.kill()
        self._hear("firing", ABSENT)
        self.there.environment[f"{PREFIX}WEB__LISTEN_ADDRESS"] = self.there.address
        self.there.start()
        self._hear("resolved", ABSENT)

    # --- what the acts are made of

    def _put(self, environment: str, weather: Mapping[str, Any]) -> None:
        with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
            response = client.put(f"{self.weather}/{environment}", json=weather)
        assert response.is_success, response.text

    def _see(self, promql: str) -> None:
        self.prometheus.wait_for(promql, bool)

    def _hear(self, status: str, *alerts: Alert) -> None:
        self.webhook.wait_for(status, *alerts)
        if status == "firing":
            self._looks |= dict(self._look_closer(alerts))

    def _look_closer(self, alerts: tuple[Alert, ...]) -> Iterator[tuple[Alert, Look]]:
        need_tool("curl")
        for notification in self.webhook.notifications:
            if notification.alert not in alerts:
                continue
            daemon = self.there if notification.labels["job"] == "there" else self.here
            (command,) = _COMMAND.findall(notification.annotations["description"])
            environment = clean_environment(daemon.directory, daemon.environment)
            path = f"{Path(COMMAND[0]).parent}{os.pathsep}{environment['PATH']}"
            done = subprocess.run(
                ["sh", "-c", command],
                cwd=daemon.directory,
                env=environment | UNHURRIED | {"PATH": path},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                encoding="utf-8",
                timeout=PATIENCE,
                check=False,
            )
            url = notification.annotations.get("exporter_url")
            page = get(url) if url else ""
            yield (
                notification.alert,
                Look(command=command, exit_code=done.returncode, output=done.stdout, page=page),
            )


ABSENT: Alert = ("PingOneExporterAbsent", "there")


def expected(there: str, hosts: Mapping[str, str]) -> set[Alert]:
    """Return the alerts of the first act, all of them."""
    return {
        ("PingOneAuthHostOutage", hosts["emea_workforce"]),
        ("PingOneFederationDown", "us_retail"),
        ("PingOneFederationDown", "sg_contractors"),
        ("PingOneFederationDown", "au_suppliers"),
        ("PingOneCertificateExpiresNow", hosts["au_suppliers"]),
        ("PingOneCertificateExpiresSoon", hosts["au_suppliers"]),
        ("PingOneCertificateExpiresSoon", hosts["renewed"]),
        ("PingOneRateLimited", "ca_customers"),
        ("PingOneEgressDown", there),
        ("PingOneConfigReloadFailed", there),
    }


def _of(variables: Mapping[str, str], *targets: str) -> dict[str, str]:
    prefixes = tuple(f"{PREFIX}TARGETS__{target.upper()}__" for target in targets)
    return {name: value for name, value in variables.items() if name.startswith(prefixes)}


def _again(variables: Mapping[str, str], target: str) -> dict[str, str]:
    """Return a second target of the same environment, and so of the same host."""
    own = _of(variables, target)
    return {name.replace(target.upper(), f"{target.upper()}_2"): value for name, value in own.items()}
