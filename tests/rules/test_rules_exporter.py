"""The exporter itself: absent, stale, late, skipping, standing still, cut off; and when it is none of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rules.pod import CUT_OFF, DEAD, FAIR, LIMITED, OUR_BUG, Pod, Sky, Watched, now_and_then
from rules.story import Story, Text, always, promtool_major

from exporter.internal_errors import Part
from exporter.outcome import SkipCause

if TYPE_CHECKING:
    from rules.pod import Weather

JOB = "pingone-flow-exporter"
HERE = "10.0.0.1:9988"
THERE = "10.0.0.2:9988"
ABSENT = "PingOneExporterAbsent"
STALE = "PingOneProbesStale emea"
LAGGING = f"PingOneScheduleLagging {HERE}"
SKIPPED = f"PingOneProbesSkipped {HERE}"
STALLED = f"PingOneProbesStalled {HERE}"
BUG = f"PingOneExporterInternalErrors {HERE}"
DOWN = "PingOneFederationDown emea"
EGRESS = f"PingOneEgressDown {HERE}"
REFUSED = f"PingOneConfigReloadFailed {HERE}"
INSTANCE = {"job": "pingone-flow-exporter", "instance": HERE}
LATE = Sky(lag=2.0)
MISSED = Sky(skipped=SkipCause.MISSED)
STILL = Sky(stalled=True)
SOME = (
    f"Not all of the 3 shards of {JOB} are being scraped, and the targets of the missing ones are not being "
    "watched; present: 0 2"
)

DISAGREE = f"The shards of {JOB} do not agree on their number (2, 3), and some targets are not being watched"


def emea(weather: Weather, **facts: object) -> Watched:
    return Watched(name="emea", weather=weather, **facts)  # type: ignore[arg-type]  # facts are those of Watched


def tell(directory: Path, *pods: Pod, firing: Mapping[float, set[str]], **facts: object) -> None:
    facts = {"until": max(firing)} | facts
    Story(pods=pods, firing=firing, **facts).verify(directory)  # type: ignore[arg-type]  # facts are those of Story


# --- absent


@pytest.mark.parametrize("listed", [True, False])
def test_an_exporter_that_is_gone_is_a_page_until_it_is_back(listed: bool, tmp_path: Path) -> None:  # noqa: FBT001  pytest's
    before = Pod(watched=[emea({})], until=10, listed=listed)
    after = Pod(watched=[emea({})], since=20, instance=THERE)

    # An old instance that is still listed has a page of its own in the end.
    end = {} if listed else always(25.5, 27)
    tell(tmp_path, before, after, firing=always(0, 12.5) | always(14, 22, ABSENT) | end)


def test_a_restart_is_not_an_absence(tmp_path: Path) -> None:
    before = Pod(watched=[emea({})], until=10)
    after = Pod(watched=[emea({})], since=12.5, instance=THERE)

    tell(tmp_path, before, after, firing=always(0, 25))


def test_a_rollout_is_not_an_absence(tmp_path: Path) -> None:
    before = Pod(watched=[emea({})], until=15)
    after = Pod(watched=[emea({})], since=12, instance=THERE)

    tell(tmp_path, before, after, firing=always(0, 30))


def test_without_any_exporter_it_pages(tmp_path: Path) -> None:
    tell(tmp_path, Pod(watched=[], since=100), firing=always(0, 2.5) | always(3.5, 10, ABSENT))


def test_a_shard_that_does_not_respond_is_named(tmp_path: Path) -> None:
    gone = Pod(watched=[Watched(name="apac")], until=10, listed=True)
    well = Pod(watched=[emea({})], instance=THERE)

    tell(tmp_path, gone, well, firing=always(0, 12.5) | always(14, 20, f"{ABSENT} {HERE}"))


def test_another_job_does_not_hide_one_that_is_gone(tmp_path: Path) -> None:
    gone = Pod(watched=[emea({})], until=10, labels={"namespace": "a"})
    well = Pod(watched=[emea({})], instance=THERE, labels={"namespace": "b"})

    tell(tmp_path, gone, well, firing=always(14, 20, ABSENT))


def shards(of: int, *pods: Pod) -> tuple[Pod, ...]:
    return tuple(
        replace(pod, shard=(number, of), instance=f"10.0.1.{number}:9988") for number, pod in enumerate(pods)
    )


WELL = Pod(watched=[emea({})])
APAC = Watched(name="apac")


def test_a_shard_without_a_pod_is_a_page_until_it_has_one(tmp_path: Path) -> None:
    evicted = Pod(watched=[APAC], until=10)
    elsewhere = Pod(watched=[APAC], since=30, shard=(1, 2), instance=THERE)

    pods = (*shards(2, WELL, evicted), elsewhere)
    tell(tmp_path, *pods, firing=always(0, 17) | always(19.5, 34.5, ABSENT) | always(36, 40))


def test_a_missed_scrape_of_one_shard_does_not_end_the_page_of_another(tmp_path: Path) -> None:
    evicted, other = Pod(watched=[APAC], until=10), Pod(watched=[], missed=(30,))
    tell(tmp_path, *shards(3, WELL, evicted, other), firing=always(20, 40, ABSENT))


def test_an_exporter_that_crashes_again_and_again_is_one_page(tmp_path: Path) -> None:
    gone = tuple(10 + half / 2 for half in range(60) if half % 11)
    tell(tmp_path, Pod(watched=[emea({})], missed=gone), firing=always(15, 40, ABSENT))


def test_a_shard_that_cannot_be_scheduled_is_a_page(tmp_path: Path) -> None:
    crashing = Pod(watched=[], since=100, listed=True)

    tell(tmp_path, *shards(2, WELL, crashing), firing=always(0, 2.5) | always(4, 20, ABSENT))


def test_a_rolling_restart_of_shards_is_not_an_absence(tmp_path: Path) -> None:
    old = shards(5, *(Pod(watched=[], until=10 + 1.5 * number) for number in range(5)))
    new = [
        replace(pod, since=pod.until + 1.5, until=float("inf"), instance=f"10.0.2.{number}:9988")
        for number, pod in enumerate(old)
    ]

    tell(tmp_path, *old, *new, firing=always(0, 30))


@pytest.mark.parametrize(("before", "after"), [(2, 3), (3, 2)])
def test_a_changed_number_of_shards_is_not_an_absence(before: int, after: int, tmp_path: Path) -> None:
    old = shards(before, *(Pod(watched=[], until=10 + number) for number in range(before)))
    new = shards(after, *(Pod(watched=[], since=11 + number) for number in range(after)))

    moved = [replace(pod, instance=f"10.0.2.{number}:9988") for number, pod in enumerate(new)]
    tell(tmp_path, *old, *moved, firing=always(0, 30))


def test_shards_that_disagree_about_their_number_are_a_page(tmp_path: Path) -> None:
    """Each target is of one shard of two and of one of three: some are of none that runs."""
    wrong = Pod(watched=[APAC], shard=(1, 3), instance=THERE, since=11, missed=(40,))
    right = Pod(watched=[APAC], shard=(1, 2), instance="10.0.0.3:9988", since=61)
    first = Pod(watched=[emea({})], shard=(0, 2))
    before = Pod(watched=[APAC], shard=(1, 2), instance="10.0.0.4:9988", until=10)
    wrong.until = 60

    firing = always(0, 25) | always(32, 60, ABSENT) | always(72, 80)

    tell(tmp_path, first, before, wrong, right, firing=firing)


def test_a_slow_rollout_of_another_number_of_shards_is_not_an_absence(tmp_path: Path) -> None:
    old = shards(2, Pod(watched=[], until=18), Pod(watched=[], until=10))
    new = shards(3, Pod(watched=[], since=19), Pod(watched=[], since=11), Pod(watched=[], since=11))

    moved = [replace(pod, instance=f"10.0.2.{number}:9988") for number, pod in enumerate(new)]
    tell(tmp_path, *old, *moved, firing=always(0, 50))


def test_two_releases_with_one_job_may_have_different_numbers_of_shards(tmp_path: Path) -> None:
    alone = replace(WELL, instance=THERE)

    tell(tmp_path, *shards(2, WELL, Pod(watched=[APAC])), alone, firing=always(0, 40))


@pytest.mark.parametrize(
    ("pods", "labels", "begin"),
    [
        (
            [replace(WELL, shard=(0, 2)), replace(WELL, shard=(1, 3), instance=THERE)],
            {"job": "pingone-flow-exporter"},
            DISAGREE,
        ),
        ([Pod(watched=[], since=100)], {}, "Prometheus is not scraping any PingOne federation exporter"),
        (
            [Pod(watched=[], until=1)],
            {"job": "pingone-flow-exporter"},
            "No instance of pingone-flow-exporter is being scraped",
        ),
        (
            [Pod(watched=[], until=1, listed=True), Pod(watched=[emea({})], instance=THERE)],
            INSTANCE,
            f"Instance {HERE} of {JOB} is not being scraped, and its targets are not being watched",
        ),
        (
            [replace(WELL, shard=(0, 3)), replace(WELL, shard=(2, 3), instance=THERE)],
            {"job": "pingone-flow-exporter"},
            SOME,
        ),
    ],
)
def test_the_page_of_an_absence_names_what_is_missing_and_a_command(
    pods: list[Pod], labels: dict[str, str], begin: str, tmp_path: Path
) -> None:
    text = Text(
        alert="PingOneExporterAbsent",
        labels=labels,
        description=f"{begin}. To investigate, run with the exporter's environment: {JOB} check-config",
    )

    Story(pods=pods, until=10, texts={10: text}).verify(tmp_path)


# --- stale


def test_a_target_that_is_no_longer_probed_is_a_ticket_until_it_is_probed(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({10: DEAD, 30: FAIR})])

    tell(tmp_path, pod, firing=always(0, 16) | always(19, 31, STALE) | always(32, 40))


@pytest.mark.parametrize("interval", [60.0, 100.0, 300.0])
def test_a_paused_target_is_not_stale_during_or_after_the_pause(interval: float, tmp_path: Path) -> None:
    pod = Pod(watched=[emea({10: LIMITED}, interval=interval)])

    tell(tmp_path, pod, firing=always(0, 60), without=frozenset({"PingOneRateLimited"}))


def test_a_target_that_was_never_probed_is_stale(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({0: DEAD}), Watched(name="apac")])

    tell(tmp_path, pod, firing=always(0, 4) | always(6, 15, STALE))


def test_a_target_with_a_long_interval_is_not_stale_after_a_restart(tmp_path: Path) -> None:
    held = emea({0: Sky(skipped=SkipCause.BACKOFF)}, interval=3600.0)

    tell(tmp_path, Pod(watched=[held]), firing=always(0, 50))


def test_the_number_of_intervals_is_a_threshold(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({10: DEAD})])

    tell(tmp_path, pod, firing=always(0, 24) | always(26, 30, STALE), thresholds={"stale_intervals": 10})


@pytest.mark.parametrize(
    ("since", "minute", "age"),
    [
        (10, 20, "but was last probed 10m 54s ago"),
        (0, 10, "but has not been probed since the exporter started"),
    ],
)
def test_the_ticket_of_a_stale_target_has_its_age(
    since: float, minute: float, age: str, tmp_path: Path
) -> None:
    text = Text(
        alert="PingOneProbesStale",
        labels={
            "job": "pingone-flow-exporter",
            "target": "emea",
            "journey": "authorize",
            "auth_host": "auth.pingone.eu",
            "tier": "gold",
        },
        description=f"emea should be probed every 1m 0s {age}. To investigate, run: "
        f"curl -s http://{HERE}/metrics | grep -E 'last_run|skipped|in_flight'",
    )
    pod = Pod(watched=[emea({since: DEAD}, labels={"tier": "gold"})])

    Story(pods=[pod], until=minute, texts={minute: text}).verify(tmp_path)


# --- late, skipping, standing still


@pytest.mark.skipif(promtool_major() < 3, reason="promtool 2 does not read native histograms")
def test_a_histogram_that_prometheus_converted_to_a_native_one_makes_the_same_ticket(tmp_path: Path) -> None:
    """With `convert_classic_histograms_to_nhcb` there are neither buckets nor a count."""
    name = "pingone_flow_exporter_schedule_lag_seconds"
    native = "{{{{schema:-53 sum:{0} count:{0} custom_values:[1 2.5] buckets:[{0}]}}}}"
    late = native.replace("buckets:[", "buckets:[0 ")
    values = f"{native.format(0)}+{native.format(1)}x39 {late.format(0)}+{late.format(1)}x60"
    series = f'{name}{{job="pingone-flow-exporter",instance="{HERE}"}}'
    pod = Pod(watched=[emea({})], dropped=(f"{name}_bucket", f"{name}_count", f"{name}_sum"))

    tell(tmp_path, pod, firing=always(0, 15) | always(40, 49, LAGGING), others={series: values})


def test_an_exporter_that_keeps_starting_probes_late_is_a_ticket(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({20: LATE, 30: FAIR})])

    tell(tmp_path, pod, firing=always(0, 22) | always(30, 50, LAGGING) | always(62, 70))


def test_one_late_probe_makes_no_ticket_even_among_few(tmp_path: Path) -> None:
    often = Pod(watched=[emea({20: LATE, 21: FAIR})])
    seldom = Pod(watched=[Watched(name="apac", interval=600.0, weather={20: LATE})], instance=THERE)

    tell(tmp_path, often, seldom, firing=always(0, 60))


def test_skipped_probes_are_a_ticket(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({20: MISSED, 23: FAIR})])

    tell(tmp_path, pod, firing=always(0, 26) | always(29, 34, SKIPPED) | always(39, 50))


def test_two_skipped_probes_make_no_ticket(tmp_path: Path) -> None:
    tell(tmp_path, Pod(watched=[emea({20: MISSED, 22: FAIR})]), firing=always(0, 45))


def test_a_few_skipped_probes_of_many_make_no_ticket(tmp_path: Path) -> None:
    others = [Watched(name=f"other{number}", phase=number) for number in range(5)]
    pod = Pod(watched=[emea({20: MISSED, 24: FAIR}), *others])

    tell(tmp_path, pod, firing=always(0, 45))


@pytest.mark.parametrize("cause", [SkipCause.BACKOFF, SkipCause.CANCELLED])
def test_backoff_and_shutdown_do_not_count_as_skipped(cause: SkipCause, tmp_path: Path) -> None:
    pod = Pod(watched=[emea({20: Sky(skipped=cause), 23: FAIR})])

    tell(tmp_path, pod, firing=always(0, 45))


def test_an_exporter_that_keeps_stalling_is_a_ticket(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({20: STILL, 23: FAIR})])

    tell(tmp_path, pod, firing=always(0, 26) | always(29, 34, STALLED) | always(39, 50))


def test_two_stalls_make_no_ticket(tmp_path: Path) -> None:
    tell(tmp_path, Pod(watched=[emea({20: STILL, 22: FAIR})]), firing=always(0, 45))


@pytest.mark.parametrize(
    ("alert", "sky", "says", "pattern"),
    [
        (
            "PingOneScheduleLagging",
            LATE,
            f"One in ten probes of {HERE} started more than 2.35s late in the last 30 minutes.",
            "lag_seconds|in_flight|process_cpu",
        ),
        (
            "PingOneProbesSkipped",
            MISSED,
            f"{HERE} skipped 100% of its scheduled probes in the last 15 minutes, 15 with cause missed.",
            "skipped|lag_seconds|in_flight",
        ),
        (
            "PingOneProbesStalled",
            STILL,
            f"{HERE} stalled for more than 50 ms during 100% of its probes in the last 15 minutes.",
            "stalled|event_loop_lag|process_cpu",
        ),
    ],
)
def test_the_tickets_have_the_share_and_the_instance(
    alert: str, sky: Sky, says: str, pattern: str, tmp_path: Path
) -> None:
    description = f"{says} To investigate, run: curl -s http://{HERE}/metrics | grep -E '{pattern}'"
    text = Text(alert=alert, labels=INSTANCE, description=description)

    Story(pods=[Pod(watched=[emea({0: sky})])], until=30, texts={30: text}, scrape=60).verify(tmp_path)


# --- bugs


def test_a_bug_is_a_ticket_for_an_hour(tmp_path: Path) -> None:
    weather = now_and_then(Sky(bug=Part.OBSERVER), 10)

    tell(tmp_path, Pod(watched=[emea(weather)]), firing=always(0, 15) | always(17, 69, BUG) | always(72, 75))


def test_the_ticket_about_bugs_has_their_number_and_the_parts(tmp_path: Path) -> None:
    weather = now_and_then(Sky(bug=Part.METRICS), 5, 10)
    description = (
        f"{HERE} had 2 internal errors in the last hour, 2 in metrics; its log has the traceback. To "
        f"investigate, run: curl -s http://{HERE}/metrics | grep -E 'internal_errors|resident_memory|_fds'"
    )
    text = Text(alert="PingOneExporterInternalErrors", labels=INSTANCE, description=description)

    Story(pods=[Pod(watched=[emea(weather)])], until=62, texts={62: text}).verify(tmp_path)


@pytest.mark.parametrize(("every", "alerts"), [(1, {BUG}), (7, {BUG}), (11, set())])
def test_probes_that_fail_in_the_exporter_are_a_ticket_if_they_are_more_than_a_tenth(
    every: int, alerts: set[str], tmp_path: Path
) -> None:
    """As without file descriptors: no probe has a verdict, and no part an error."""
    minutes = range(5, 60, every)
    watched = [
        Watched(name=name, weather=now_and_then(OUR_BUG, *minutes), host=f"{name}.example")
        for name in ("emea", "apac")
    ]

    firing = always(0, 11) | always(35, 60, *alerts)

    tell(tmp_path, Pod(watched=watched), firing=firing)


def test_two_probes_that_fail_in_the_exporter_make_no_ticket(tmp_path: Path) -> None:
    tell(tmp_path, Pod(watched=[emea({10: OUR_BUG, 12: FAIR})]), firing=always(0, 40))


def test_probes_that_fail_because_the_exporter_stalls_are_one_ticket(tmp_path: Path) -> None:
    still = Sky(reason=OUR_BUG.reason, stalled=True)

    tell(tmp_path, Pod(watched=[emea({10: still})]), firing=always(20, 60, STALLED))


def test_the_ticket_about_probes_that_fail_in_the_exporter_has_their_share(tmp_path: Path) -> None:
    description = (
        f"{HERE} failed to measure 100% of its probes in the last 15 minutes; its log has the cause. To "
        f"investigate, run: curl -s http://{HERE}/metrics | grep -E 'internal_errors|resident_memory|_fds'"
    )
    text = Text(alert="PingOneExporterInternalErrors", labels=INSTANCE, description=description)

    Story(pods=[Pod(watched=[emea({0: OUR_BUG})])], until=30, texts={30: text}).verify(tmp_path)


# --- cut off


def test_an_exporter_without_network_access_is_a_page(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({})], egress={0: True, 10: False, 20: True})

    tell(tmp_path, pod, firing=always(0, 11.5) | always(12.5, 20.5, EGRESS) | always(21.5, 30))


def test_a_scrape_that_is_missed_does_not_end_the_page(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({})], egress={0: True, 5: False}, missed=(15,))

    tell(tmp_path, pod, firing=always(8, 25, EGRESS))


def test_a_check_that_fails_for_a_minute_does_not_page(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({})], egress={0: True, 10: False, 11.5: True})

    tell(tmp_path, pod, firing=always(0, 20))


@pytest.mark.parametrize("down", ["0101", "0011", "0111", "01100111"])
def test_a_flapping_connection_is_a_page_because_it_suppresses_the_others(down: str, tmp_path: Path) -> None:
    checks = {10 + step / 2: down[step % len(down)] == "1" for step in range(60)}
    pod = Pod(watched=[emea({10: CUT_OFF})], egress={0: True} | checks | {40: True})

    tell(tmp_path, pod, firing=always(20, 39.5, EGRESS) | {55: {DOWN}})


@pytest.mark.parametrize("down", ["01111", "0111111", "0111111111"])
def test_rare_connection_losses_do_not_hide_a_federation_that_is_down(down: str, tmp_path: Path) -> None:
    checks = {10 + step / 2: down[step % len(down)] == "1" for step in range(100)}
    pod = Pod(watched=[emea({10: CUT_OFF})], egress={0: True} | checks)

    tell(tmp_path, pod, firing=always(18, 50, DOWN))


def test_two_short_connection_losses_do_not_page(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({})], egress={0: True, 10: False, 10.5: True, 16: False, 16.5: True})

    tell(tmp_path, pod, firing=always(0, 30))


def test_without_a_check_egress_is_unknown(tmp_path: Path) -> None:
    tell(tmp_path, Pod(watched=[emea({})]), firing=always(0, 10))


def test_the_page_names_the_exporter_without_network_access(tmp_path: Path) -> None:
    text = Text(
        alert="PingOneEgressDown",
        labels=INSTANCE,
        description=f"The connectivity check of {HERE} gets no response, so failed probes say nothing about "
        f"PingOne. To investigate, run: curl -s http://{HERE}/metrics | grep -E 'egress_up|last_result_info'",
    )

    Story(pods=[Pod(watched=[emea({})], egress={0: False})], until=5, texts={5: text}).verify(tmp_path)


def test_the_page_shows_how_often_the_check_succeeds(tmp_path: Path) -> None:
    text = Text(
        alert="PingOneEgressDown",
        labels=INSTANCE,
        description=f"The connectivity check of {HERE} succeeded only 33.33% of the time in the last ten "
        f"minutes, so failed probes say nothing about PingOne. To investigate, run: "
        f"curl -s http://{HERE}/metrics | grep -E 'egress_up|last_result_info'",
    )
    egress = {0: True} | {10 + step / 2: step % 2 == 1 for step in range(60)}

    # No scrape is ten minutes before the evaluation: only Prometheus 2 would count it.
    pod = Pod(watched=[emea({})], egress=egress)
    Story(pods=[pod], until=31, texts={30.5: text}, scrape=20).verify(tmp_path)


# --- configuration


def test_a_rejected_configuration_is_a_ticket_until_a_reload_succeeds(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({})], reloads={5: True, 10: False, 12: False, 20: True})

    tell(tmp_path, pod, firing=always(0, 14.5) | always(15.5, 20.5, REFUSED) | always(21.5, 30))


def test_an_error_that_is_fixed_at_once_makes_no_ticket(tmp_path: Path) -> None:
    pod = Pod(watched=[emea({})], reloads={10: False, 14: True})

    tell(tmp_path, pod, firing=always(0, 30))


def test_a_restart_resolves_the_ticket_of_a_configuration(tmp_path: Path) -> None:
    before = Pod(watched=[emea({})], reloads={5: False}, until=15)
    after = Pod(watched=[emea({})], instance=THERE, since=16)

    tell(tmp_path, before, after, firing=always(11, 15.5, REFUSED) | always(17, 30))


def test_the_exporter_that_rejects_its_configuration_is_named(tmp_path: Path) -> None:
    here = Pod(watched=[emea({})], reloads={5: False})
    there = Pod(watched=[Watched(name="apac")], instance=THERE, reloads={5: True})

    tell(tmp_path, here, there, firing=always(11, 20, REFUSED))


@pytest.mark.parametrize(
    ("labels", "environment", "command"),
    [
        ({}, " with the exporter's environment", ""),
        ({"namespace": "a", "pod": "flows-x"}, "", "kubectl exec -n a flows-x -- "),
    ],
)
def test_the_ticket_has_the_age_of_the_configuration_and_a_command(
    labels: dict[str, str], environment: str, command: str, tmp_path: Path
) -> None:
    text = Text(
        alert="PingOneConfigReloadFailed",
        labels=INSTANCE | {name: value for name, value in labels.items() if name == "namespace"},
        description=f"{HERE} keeps running the configuration it loaded 20m 0s ago; the new one is "
        f"invalid. To investigate, run{environment}: {command}{JOB} check-config",
    )
    pod = Pod(watched=[emea({})], reloads={5: False}, labels=labels)

    Story(pods=[pod], until=20, texts={20: text}).verify(tmp_path)
