"""Outage of a host, and exporters without network access: one page for many, and none about others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rules.pod import CUT_OFF, DELETED, FAIR, INCOMPLETE, TIMEOUT, Pod, Sky, Watched, Weather
from rules.story import Story, Text, always

from exporter.reasons import Reason
from exporter.target import Journey

DOWN = "PingOneFederationDown emea"
OUTAGE = "PingOneAuthHostOutage auth.pingone.eu"
EGRESS = "PingOneEgressDown 10.0.0.1:9988"
LATER = frozenset({"PingOneErrorBudgetBurnSlow"})
"""A ticket that follows any outage for long, where there is so little history; it has stories of its own."""


def emea(weather: Weather, **facts: object) -> Watched:
    return Watched(name="emea", weather=weather, **facts)  # type: ignore[arg-type]  # facts are those of Watched


def tell(directory: Path, *pods: Pod, firing: Mapping[float, set[str]], **facts: object) -> None:
    facts = {"without": LATER, "until": max(firing)} | facts
    Story(pods=pods, firing=firing, **facts).verify(directory)  # type: ignore[arg-type]  # facts are those of Story


# --- outage of a host


def on_one_host(*names: str, weather: Weather, apart: float = 13.0) -> list[Watched]:
    """Targets that are probed one after another within their minute."""
    return [
        Watched(name=name, weather=weather, phase=(2 + number * apart) % 60)
        for number, name in enumerate(names)
    ]


@pytest.mark.parametrize("scrape", [15.0, 30.0, 60.0])
def test_failing_targets_behind_one_host_are_one_page(scrape: float, tmp_path: Path) -> None:
    seconds = (0.5, 13.0, 29.0, 57.0)
    watched = [
        Watched(
            name=f"{name}{apart:.0f}",
            host=f"{apart:.0f}.example",
            weather={5: TIMEOUT, 20: FAIR},
            phase=2 + apart * number,
        )
        for apart in seconds
        for number, name in enumerate(("emea", "apac"))
    ]
    outages = [f"PingOneAuthHostOutage {apart:.0f}.example" for apart in seconds]

    firing = always(0, 6.5) | always(10, 25, *outages) | always(28, 40)

    ever = 'count(present_over_time(ALERTS{alertname="PingOneFederationDown",alertstate="firing"}[1h]))'

    tell(tmp_path, Pod(watched=watched), firing=firing, shown={40: (ever, None)}, scrape=scrape)


def test_the_page_of_an_outage_takes_at_most_five_minutes(
    tmp_path: Path,
) -> None:
    watched = [
        Watched(name=f"{name}{phase}", host=f"{phase}.example", weather={10: TIMEOUT}, phase=moment)
        for phase in (1, 30, 59)
        for name, moment in (("early", 1), ("late", phase))
    ]

    firing = always(15, 15, *(f"PingOneAuthHostOutage {phase}.example" for phase in (1, 30, 59)))

    tell(tmp_path, Pod(watched=watched), firing=firing, scrape=60)


def test_half_of_the_targets_are_not_an_outage(tmp_path: Path) -> None:
    pod = Pod(
        watched=[
            *on_one_host("emea", "apac", weather={5: TIMEOUT}),
            *on_one_host("amer", "anz", weather={}),
        ]
    )

    tell(tmp_path, pod, firing=always(0, 6) | always(10, 20, DOWN, "PingOneFederationDown apac"))


def test_most_of_the_targets_are_an_outage(tmp_path: Path) -> None:
    pod = Pod(watched=[*on_one_host("emea", "apac", weather={5: TIMEOUT}), *on_one_host("anz", weather={})])

    tell(tmp_path, pod, firing=always(0, 6) | always(10, 20, OUTAGE))


def test_a_single_target_is_not_an_outage(tmp_path: Path) -> None:
    other = Watched(name="other", host="auth.pingone.ca")

    tell(tmp_path, Pod(watched=[emea({5: TIMEOUT}), other]), firing=always(10, 20, DOWN))


def test_one_failing_target_on_each_of_two_hosts_is_not_an_outage(tmp_path: Path) -> None:
    other = Watched(name="other", host="auth.pingone.ca", weather={5: TIMEOUT})

    firing = always(10, 20, DOWN, "PingOneFederationDown other")

    tell(tmp_path, Pod(watched=[emea({5: TIMEOUT}), other]), firing=firing)


def test_targets_of_several_shards_make_one_outage(tmp_path: Path) -> None:
    shards = [
        Pod(watched=on_one_host(name, weather={5: TIMEOUT}), instance=f"10.0.0.{number}:9988")
        for number, name in enumerate(("emea", "apac", "anz"))
    ]

    tell(tmp_path, *shards, firing=always(0, 6) | always(10, 20, OUTAGE))


def test_a_host_that_fails_for_a_minute_does_not_page(tmp_path: Path) -> None:
    pod = Pod(watched=on_one_host("emea", "apac", weather={5: TIMEOUT, 6: FAIR}))

    tell(tmp_path, pod, firing=always(0, 15))


def test_an_exporter_restart_does_not_resolve_an_outage(tmp_path: Path) -> None:
    before = Pod(watched=on_one_host("emea", "apac", weather={5: TIMEOUT}), until=12)
    after = Pod(
        watched=on_one_host("emea", "apac", weather={0: TIMEOUT}), instance="10.0.0.2:9988", since=12.5
    )

    tell(tmp_path, before, after, firing=always(10, 25, OUTAGE))


def test_single_targets_page_if_the_outage_alert_is_disabled(tmp_path: Path) -> None:
    pod = Pod(watched=on_one_host("emea", "apac", weather={5: TIMEOUT}))

    firing = always(10, 20, DOWN, "PingOneFederationDown apac")

    tell(tmp_path, pod, firing=firing, without=LATER | {"PingOneAuthHostOutage"})


def test_without_a_host_name_single_targets_page(tmp_path: Path) -> None:
    pod = Pod(
        watched=on_one_host("emea", "apac", weather={5: TIMEOUT}), dropped=("pingone_flow_target_info",)
    )

    tell(tmp_path, pod, firing=always(10, 20, DOWN, "PingOneFederationDown apac"))


def test_the_page_of_an_outage_has_the_reasons_and_a_command(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: DELETED}), *on_one_host("amer", "apac", weather={5: TIMEOUT}, apart=20)])
    text = Text(
        alert="PingOneAuthHostOutage",
        labels={"job": "pingone-flow-exporter", "auth_host": "auth.pingone.eu"},
        description="100% of the targets on auth.pingone.eu failed"
        "; 2 with timeout, fault provider, phase processing"
        "; 1 with oauth_error, fault configuration, phase transfer"
        "; last success of any of them: 1970-01-01 00:04:22 UTC"
        ". To investigate, run with the exporter's environment: pingone-flow-exporter probe emea amer apac",
    )

    Story(pods=[pod], until=10, texts={10: text}).verify(tmp_path)


def test_the_page_of_an_outage_counts_targets_not_replicas(tmp_path: Path) -> None:
    targets = on_one_host("emea", "apac", weather={5: TIMEOUT})
    pods = [Pod(watched=targets, instance=f"10.0.0.{number}:9988") for number in (1, 2)]
    text = Text(
        alert="PingOneAuthHostOutage",
        labels={"job": "pingone-flow-exporter", "auth_host": "auth.pingone.eu"},
        description="100% of the targets on auth.pingone.eu failed"
        "; 2 with timeout, fault provider, phase processing"
        "; last success of any of them: 1970-01-01 00:04:15 UTC"
        ". To investigate, run with the exporter's environment: pingone-flow-exporter probe emea apac",
    )

    Story(pods=pods, until=10, texts={10: text}).verify(tmp_path)


def test_federations_that_never_succeeded_neither_cause_nor_hide_an_outage(tmp_path: Path) -> None:
    never = [Watched(name=f"never{number}", weather={0: DELETED}, phase=number) for number in range(3)]
    alone = [Watched(name=f"{one.name}_2", host="b.example", weather=one.weather) for one in never]
    pod = Pod(watched=[*on_one_host("emea", "apac", weather={5: TIMEOUT}), *never, *alone])

    without = LATER | {"PingOneFederationNoSuccess"}

    tell(tmp_path, pod, firing=always(0, 6) | always(10, 20, OUTAGE), without=without)


def test_an_outage_that_has_lasted_for_a_day_is_tickets_not_a_page(tmp_path: Path) -> None:
    # an hour after the story's begin a day has passed since the last successes
    past: Weather = {-23 * 60: FAIR, -1: TIMEOUT, -0.5: TIMEOUT, -0.2: TIMEOUT}
    pod = Pod(watched=[Watched(name=name, weather={0: TIMEOUT}, past=past) for name in ("emea", "apac")])
    tickets = ("PingOneFederationNoSuccess emea", "PingOneFederationNoSuccess apac")

    firing = always(5, 59, OUTAGE) | always(67, 74) | always(78, 80, *tickets)

    tell(tmp_path, pod, firing=firing)


def test_in_kubernetes_the_page_of_an_outage_names_a_pod_and_its_failing_targets(tmp_path: Path) -> None:
    shards = [
        Pod(
            watched=on_one_host(*names, weather={5: TIMEOUT}),
            instance=f"10.0.0.{number}:9988",
            labels={"namespace": "monitoring", "pod": f"flows-{number}"},
        )
        for number, names in enumerate((("emea",), ("amer", "apac", "anz", "sg")))
    ]
    text = Text(
        alert="PingOneAuthHostOutage",
        labels={"namespace": "monitoring", "job": "pingone-flow-exporter", "auth_host": "auth.pingone.eu"},
        description="100% of the targets on auth.pingone.eu failed; 5 with timeout, fault provider, "
        "phase processing; last success of any of them: 1970-01-01 00:04:41 UTC. To investigate, run: "
        "kubectl exec -n monitoring flows-1 -- "
        "pingone-flow-exporter probe amer apac anz",
    )

    Story(pods=shards, until=10, texts={10: text}).verify(tmp_path)


@pytest.mark.parametrize("interval", [60.0, 300.0, 900.0])
def test_a_restart_does_not_end_the_page_of_an_outage(interval: float, tmp_path: Path) -> None:
    watched = [
        Watched(name=name, weather={5: TIMEOUT}, interval=interval, phase=phase)
        for name, phase in (("emea", 30.0), ("apac", 45.0))
    ]
    before = Pod(watched=[replace(each, past={-60: FAIR}) for each in watched], until=70)
    after = Pod(watched=watched, since=71, instance="10.0.0.2:9988")

    tell(tmp_path, before, after, firing=always(50, 100, OUTAGE))


# --- our own egress


@pytest.mark.parametrize("back", [20, 21.2, 22.6])
def test_an_exporter_without_network_access_blames_no_provider_then_or_later(
    back: float, tmp_path: Path
) -> None:
    weather = {5: CUT_OFF, back: FAIR}
    watched = [
        Watched(
            name=f"{name}{interval}",
            host=f"{interval}.example",
            weather=weather,
            phase=phase,
            interval=interval,
        )
        for name, phase in (("emea", 5), ("apac", 40))
        for interval in (60, 300)
    ]
    pod = Pod(watched=watched, egress={0: True, 5.1: False, back + 0.1: True})

    tell(tmp_path, pod, firing=always(0, 6.5) | always(8.5, back + 0.5, EGRESS) | always(back + 2, 40))


@pytest.mark.parametrize("phase", [1, 9, 17, 25])
def test_a_long_probe_that_started_without_network_access_blames_no_provider(
    phase: float, tmp_path: Path
) -> None:
    """It may end long after: with a timeout of 50 s, most of a minute."""
    hanging = Sky(reason=CUT_OFF.reason, phase=CUT_OFF.phase, duration=50.0)
    watched = [
        Watched(name=name, weather={10: hanging, 30.5: FAIR}, interval=300.0, timeout=50.0, phase=phase)
        for name in ("emea", "apac")
    ]
    pod = Pod(watched=watched, egress={0: True, 9: False, 30.5: True})

    tell(tmp_path, pod, firing=always(12, 31, EGRESS) | always(32.5, 50))


def test_a_provider_that_fails_once_egress_is_back_is_blamed(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({5: CUT_OFF, 15: TIMEOUT})], egress={0: True, 5.1: False, 15: True})

    tell(tmp_path, pod, firing=always(9, 14, EGRESS) | always(19.5, 30, DOWN))


def test_another_exporter_without_network_access_excuses_no_provider(tmp_path: Path) -> None:
    here = Pod(watched=[emea({5: TIMEOUT})], instance="10.0.0.2:9988", egress={0: True})
    there = Pod(watched=[Watched(name="apac", weather={5: CUT_OFF})], egress={0: True, 5: False})

    tell(tmp_path, here, there, firing=always(10, 20, DOWN, EGRESS))


@pytest.mark.parametrize("interval", [60.0, 300.0])
@pytest.mark.parametrize("lost", [77.0, 78.0, 80.0])
def test_a_minute_without_network_access_does_not_end_a_page(
    lost: float, interval: float, tmp_path: Path
) -> None:
    pod = Pod(watched=[emea({60: TIMEOUT}, interval=interval)], egress={0: True, lost: False, lost + 1: True})

    tell(tmp_path, pod, firing=always(76, 120, DOWN))


def test_hours_without_network_access_do_not_end_a_page_and_one_success_does(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({20: TIMEOUT, 150: FAIR})], egress={0: True, 40: False, 150: True})

    firing = always(25, 41, DOWN) | always(43, 150, DOWN, EGRESS) | always(158, 165)

    tell(tmp_path, pod, firing=firing)


def test_a_failure_that_is_seen_before_the_loss_of_network_access_does_not_page(tmp_path: Path) -> None:
    """The connectivity check runs every 15 s: a probe, and a scrape, may be faster."""
    refused = Sky(reason=CUT_OFF.reason, phase=CUT_OFF.phase)
    pod = Pod(watched=[emea({10: TIMEOUT, 12: refused, 40: FAIR})], egress={0: True, 12.9: False, 40.1: True})

    tell(tmp_path, pod, firing=always(0, 14) | always(16, 40, EGRESS) | always(42, 60))


def test_a_minute_without_network_access_does_not_change_who_is_blamed(tmp_path: Path) -> None:
    cut_off = replace(CUT_OFF, step="destination_authorize")
    rejected = Sky(reason=Reason.EXCHANGE_REJECTED, duration=2.0)
    weather: Weather = {60: rejected, 90: cut_off, 91: rejected}
    watched = [
        Watched(
            name=name,
            weather=weather,
            phase=10 + 13 * number,
            interval=interval,
            journey=Journey.FEDERATION,
            host="idp.example",
            destination="hub.example",
        )
        for number, (name, interval) in enumerate((("emea", 60.0), ("apac", 60.0), ("amer", 300.0)))
    ]
    pod = Pod(watched=watched, egress={0: True, 90: False, 91.1: True})

    tell(tmp_path, pod, firing=always(75, 120, "PingOneDestinationOutage hub.example"))


def test_a_restart_that_holds_passwords_back_does_not_change_who_is_blamed(tmp_path: Path) -> None:
    """The first probes of the restarted exporter end before the step that fails."""
    facts: dict[str, object] = {
        "journey": Journey.FEDERATION,
        "host": "idp.example",
        "destination": "hub.example",
        "interval": 300.0,
    }
    names = (("emea", 30.0), ("apac", 45.0))
    rejected = Sky(reason=Reason.EXCHANGE_REJECTED, duration=2.0)
    before, after = (
        [Watched(name=name, weather=weather, phase=phase, **facts) for name, phase in names]  # type: ignore[arg-type]  # facts are those of Watched
        for weather in ({10: rejected}, {0: INCOMPLETE, 80: rejected})
    )
    pods = Pod(watched=before, until=70), Pod(watched=after, since=71, instance="10.0.0.2:9988")

    tell(tmp_path, *pods, firing=always(25, 110, "PingOneDestinationOutage hub.example"))


def test_a_restart_does_not_end_the_outage_of_a_host_that_probes_have_to_find(tmp_path: Path) -> None:
    """The restarted exporter learns where the source of a discovered target answers with its first probe."""
    facts: dict[str, Any] = {"journey": Journey.FEDERATION, "discovered": True, "interval": 600.0}
    silent = replace(TIMEOUT, step="source_authorize")
    hosts = [Watched(name=name, host="idp.example", **facts) for name in ("first", "second", "third")]
    before = Pod(watched=[replace(each, weather={20: silent}) for each in hosts], until=60)
    after = Pod(
        watched=[replace(each, weather={0: silent}) for each in hosts], instance="10.0.0.2:9988", since=61
    )

    firing = always(0, 20) | always(45, 100, "PingOneAuthHostOutage idp.example")
    tell(tmp_path, before, after, firing=firing)
