"""A provider that a destination no longer offers: page, ticket, or one page for the destination."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from rules.pod import FAIR, SOURCE, TIMEOUT, Pod, Sky, Watched
from rules.story import Story, Text, always

from exporter.destinations import ProviderState
from exporter.outcome import Phase
from exporter.reasons import Reason
from exporter.status import DestinationStatus
from exporter.target import Journey, ListedProvider

GONE = Sky(reason=Reason.PROVIDER_MISSING, step="destination_authorize")
MISSING, EXPECTED = "PingOneProviderMissing hub_emea", "PingOneExpectedProviderMissing hub_emea"
DESTINATION = "PingOneDestinationProvidersMissing hub"
LISTING = "PingOneListingFailing hub"
UNWATCHED = "PingOneDestinationNotWatched hub"
OUTAGE = "PingOneDestinationOutage auth.pingone.eu"
THERE = "10.0.0.2:9988"
LATER = frozenset({"PingOneErrorBudgetBurnSlow", "PingOneJourneyShortened"})


def hub(
    name: str, *, gone: float | None = None, back: float | None = None, expected: bool = False
) -> Watched:
    """Return a target of the destination `hub`, and from which minute to which its provider is missing."""
    provider = ListedProvider(destination="hub", name=name, slug=name, expected=expected)
    weather = {} if gone is None else {gone: GONE}
    return Watched(
        name=f"hub_{name}",
        journey=Journey.FEDERATION,
        weather=weather if back is None else weather | {back: FAIR},
        destination="auth.pingone.eu",
        host="source.example",
        labels={"owner": "iam"},
        settings={"listed": provider},
    )


def known(
    *, watched: int, missing: int = 0, filtered: int = 0, over_limit: int = 0, refresh_ok: bool = True
) -> DestinationStatus:
    counts = dict.fromkeys(ProviderState, 0) | {
        ProviderState.WATCHED: watched,
        ProviderState.MISSING: missing,
        ProviderState.FILTERED: filtered,
        ProviderState.OVER_LIMIT: over_limit,
    }
    return DestinationStatus(
        name="hub", auth_host="auth.pingone.eu", counts=counts, refresh_ok=refresh_ok, last_success=0.0
    )


SILENT = Sky(reason=Reason.TIMEOUT, phase=Phase.PROCESSING, step="destination_authorize")
UNLISTED = DestinationStatus(
    name="hub",
    auth_host="auth.pingone.eu",
    counts=dict.fromkeys(ProviderState, 0),
    refresh_ok=False,
    last_success=None,
)
"""What a restarted exporter knows of a destination that it cannot list."""


def tell(directory: Path, *pods: Pod, firing: Mapping[float, set[str]], **facts: object) -> None:
    facts = {"without": LATER, "until": max(firing)} | facts
    Story(pods=pods, firing=firing, **facts).verify(directory)  # type: ignore[arg-type]  # facts are those of Story


OTHERS = [hub("apac"), hub("nordics")]


def test_a_missing_provider_that_expect_lists_is_a_page_until_it_is_back(tmp_path: Path) -> None:
    pod = Pod(
        watched=[hub("emea", gone=5, back=20, expected=True), *OTHERS],
        destinations={0: known(watched=3), 7: known(watched=2, missing=1), 20: known(watched=3)},
    )

    tell(tmp_path, pod, firing=always(0, 7) | always(9, 29, EXPECTED) | always(32, 40))


def test_a_provider_that_is_back_does_not_page_by_the_error_budget(tmp_path: Path) -> None:
    pod = Pod(
        watched=[hub("emea", gone=45, back=60, expected=True), *OTHERS],
        destinations={0: known(watched=3), 47: known(watched=2, missing=1), 60: known(watched=3)},
    )

    tell(tmp_path, pod, firing=always(50, 69, EXPECTED) | always(72, 110), thresholds={"objective": 0.999})


def test_a_missing_provider_that_expect_does_not_list_is_a_ticket(tmp_path: Path) -> None:
    pod = Pod(
        watched=[hub("emea", gone=5, back=60), *OTHERS],
        destinations={0: known(watched=3), 7: known(watched=2, missing=1), 60: known(watched=3)},
    )

    tell(tmp_path, pod, firing=always(0, 7) | always(9, 69, MISSING) | always(73, 80))


def test_one_flow_without_the_provider_is_neither(tmp_path: Path) -> None:
    pod = Pod(
        watched=[hub("emea", gone=5, back=7, expected=True), *OTHERS], destinations={0: known(watched=3)}
    )

    tell(tmp_path, pod, firing=always(0, 30), without=LATER | {"PingOneErrorBudgetBurnFast"})


def test_a_provider_that_has_been_missing_for_a_day_is_still_only_missing(tmp_path: Path) -> None:
    gone = replace(hub("emea", gone=0, expected=True), past={-1441: FAIR, -1440: GONE})
    pod = Pod(watched=[gone, *OTHERS], destinations={0: known(watched=2, missing=1)})

    tell(tmp_path, pod, firing=always(3, 40, EXPECTED))


def test_probes_that_fail_page_even_if_no_listing_shows_it(tmp_path: Path) -> None:
    pod = Pod(watched=[hub("emea", gone=5, expected=True), *OTHERS], destinations={0: known(watched=3)})

    tell(tmp_path, pod, firing=always(0, 7) | always(10, 20, EXPECTED))


def test_one_flow_without_a_provider_does_not_page_while_another_provider_is_missing(tmp_path: Path) -> None:
    other = replace(hub("apac", expected=True), interval=300.0, weather={20: GONE, 25: FAIR, 40: GONE})
    pod = Pod(
        watched=[hub("emea", gone=5, expected=True), other, *map(hub, ("nordics", "iberia"))],
        destinations={
            0: known(watched=4),
            7: known(watched=3, missing=1),
            42: known(watched=2, missing=2),
        },
    )
    both = {EXPECTED, "PingOneExpectedProviderMissing hub_apac"}

    tell(tmp_path, pod, firing=always(9, 42, EXPECTED) | always(44, 60, *both))


def test_after_a_restart_an_expected_provider_that_never_was_there_pages(tmp_path: Path) -> None:
    pod = Pod(
        watched=[hub("emea", gone=0, expected=True), *OTHERS],
        destinations={0: known(watched=2), 5: known(watched=2, missing=1)},
    )

    tell(tmp_path, pod, firing=always(7, 40, EXPECTED))


def test_more_than_half_missing_at_once_is_one_page_for_the_destination(tmp_path: Path) -> None:
    pod = Pod(
        watched=[hub("emea", gone=6, expected=True), hub("apac", gone=5), hub("nordics")],
        destinations={0: known(watched=3), 7: known(watched=1, missing=2)},
    )
    text = Text(
        alert="PingOneDestinationProvidersMissing",
        labels={"job": "pingone-flow-exporter", "destination": "hub"},
        description=(
            "66.67% of the identity providers of hub are missing: apac, emea. To investigate, run with the "
            "exporter's environment: pingone-flow-exporter probe --destination hub"
        ),
    )

    tell(tmp_path, pod, firing=always(0, 7) | always(8.5, 40, DESTINATION), texts={20: text})


def test_a_listing_that_fails_is_a_ticket(tmp_path: Path) -> None:
    pod = Pod(
        watched=[hub("emea"), *OTHERS],
        destinations={0: known(watched=3), 5: known(watched=3, refresh_ok=False), 40: known(watched=3)},
    )

    tell(tmp_path, pod, firing=always(0, 19) | always(21, 39.5, LISTING) | always(41, 50))


def test_a_destination_without_any_provider_is_a_ticket(tmp_path: Path) -> None:
    tell(
        tmp_path,
        Pod(watched=[hub("emea")], destinations={0: known(watched=0)}),
        firing=always(0, 14) | always(16, 20, LISTING),
    )


@pytest.mark.parametrize(
    ("status", "alerts", "says"),
    [
        (known(watched=2, over_limit=5), {UNWATCHED}, "5 of the 7 identity providers of hub are not watched"),
        (known(watched=0, filtered=4), {UNWATCHED}, "4 of the 4 identity providers of hub are not watched"),
        (
            known(watched=2, filtered=3, over_limit=1),
            {UNWATCHED},
            "4 of the 6 identity providers of hub are not watched",
        ),
        (known(watched=2, filtered=9), set(), ""),
    ],
    ids=["MAX_PROVIDERS", "INCLUDE", "both", "some filtered"],
)
def test_providers_that_are_left_out_without_intent_are_a_ticket(
    status: DestinationStatus, alerts: set[str], says: str, tmp_path: Path
) -> None:
    text = Text(
        alert="PingOneDestinationNotWatched",
        labels={"job": "pingone-flow-exporter", "destination": "hub"},
        description=f"{says}. To investigate, run with the exporter's environment: pingone-flow-exporter "
        "check-config",
    )
    pod = Pod(watched=OTHERS, destinations={0: status}, missed=(30,))

    firing = always(0, 59) | always(61.5, 90, *alerts)

    tell(tmp_path, pod, firing=firing, texts={80: text} if alerts else {})


def test_a_restart_does_not_end_the_page_of_a_destination(tmp_path: Path) -> None:
    """What EXPECT lists is missing again two listings later."""
    before = Pod(
        watched=[hub("emea", gone=6, expected=True), hub("apac", gone=5, expected=True), hub("nordics")],
        destinations={0: known(watched=3), 7: known(watched=1, missing=2)},
        until=20,
    )
    after = Pod(
        watched=[hub("nordics")],
        destinations={21: known(watched=1), 26: known(watched=1, missing=2)},
        since=21,
        instance=THERE,
    )

    tell(tmp_path, before, after, firing=always(9, 40, DESTINATION))


def test_an_exporter_without_network_access_does_not_hide_what_another_one_finds(tmp_path: Path) -> None:
    watched = [hub("emea", gone=6), hub("apac", gone=5), hub("nordics")]
    cut_off = Pod(
        watched=[hub("nordics")],
        destinations={0: known(watched=3)},
        egress={0: True, 5: False},
        instance=THERE,
    )
    well = Pod(
        watched=watched,
        destinations={0: known(watched=3), 7: known(watched=1, missing=2)},
        egress={0: True},
    )

    tell(tmp_path, cut_off, well, firing=always(10, 30, DESTINATION, f"PingOneEgressDown {THERE}"))


def test_a_missing_provider_that_is_not_answered_once_is_still_only_missing(tmp_path: Path) -> None:
    pod = Pod(
        watched=[replace(hub("emea"), interval=300.0, weather={5: GONE, 30: TIMEOUT, 35: GONE}), *OTHERS],
        destinations={0: known(watched=3), 12: known(watched=2, missing=1)},
    )

    tell(tmp_path, pod, firing=always(15, 60, MISSING))


def test_one_shard_that_cannot_list_after_its_restart_is_a_ticket(tmp_path: Path) -> None:
    """Its targets are gone, and only the destination of shard 0 has numbers of providers."""
    failed = DestinationStatus(name="hub", auth_host="auth.pingone.eu", counts={}, refresh_ok=False)
    good = replace(known(watched=2), counts={})
    pods = [
        Pod(watched=[hub("emea")], shard=(0, 2), destinations={0: known(watched=2)}),
        Pod(watched=[hub("apac")], shard=(1, 2), instance=THERE, destinations={0: good}, until=10),
        Pod(watched=[], shard=(1, 2), instance="10.0.0.3:9988", destinations={0: failed}, since=11),
    ]

    tell(tmp_path, *pods, firing=always(0, 25) | always(28, 40, LISTING))


def test_a_missed_scrape_does_not_start_the_wait_of_a_listing_again(tmp_path: Path) -> None:
    status = known(watched=3, refresh_ok=False)
    pod = Pod(watched=[hub("emea"), *OTHERS], destinations={0: status}, missed=(10, 25))

    tell(tmp_path, pod, firing=always(16, 40, LISTING))


def test_a_restart_during_an_outage_that_hides_the_providers_does_not_end_the_page(tmp_path: Path) -> None:
    targets = [replace(hub(name), weather={5: SILENT}) for name in ("emea", "apac")]
    before = Pod(
        watched=targets,
        destinations={0: known(watched=2), 6: known(watched=2, refresh_ok=False)},
        until=20,
    )
    after = Pod(watched=[], destinations={21: UNLISTED}, since=21, instance=THERE)

    tell(tmp_path, before, after, firing=always(12, 20, OUTAGE) | always(22, 60, OUTAGE, LISTING))


def unlistable(
    *names: str, down: float, restart: float, interval: float = 60.0, healthy: tuple[str, ...] = ()
) -> tuple[Pod, Pod]:
    """Return an exporter with a destination that breaks down, and the restarted one, which cannot list it."""
    broken = [replace(hub(name), weather={down: SILENT}, interval=interval) for name in names]
    before = Pod(
        watched=[*broken, *map(hub, healthy)],
        destinations={0: known(watched=len(names) + len(healthy)), down: known(watched=3, refresh_ok=False)},
        until=restart,
    )
    after = Pod(watched=[], destinations={restart + 1: UNLISTED}, since=restart + 1, instance=THERE)
    return before, after


def test_a_destination_that_cannot_be_listed_after_a_restart_is_a_page(tmp_path: Path) -> None:
    """The targets had not failed often enough to page, and after the restart there are none."""
    pods = unlistable("emea", "apac", "nordics", down=30, restart=34, interval=300.0)
    text = Text(
        alert="PingOneDestinationOutage",
        labels={
            "job": "pingone-flow-exporter",
            "destination_auth_host": "auth.pingone.eu",
            "destination_environment_id": SOURCE,
        },
        description="The exporter has not been able to list the identity providers of the destination at "
        f"auth.pingone.eu, environment {SOURCE}, since it started, so their federations are not probed; "
        "last success of any of them: 1970-01-01 00:25:05 UTC. To investigate, run with the exporter's "
        "environment: pingone-flow-exporter probe --destination hub",
    )

    firing = always(0, 43) | always(46, 150, OUTAGE, LISTING)

    tell(tmp_path, *pods, firing=firing, texts={100: text})


def test_the_page_of_a_federation_outlasts_a_restart_after_which_it_is_not_listed(tmp_path: Path) -> None:
    pods = unlistable("emea", down=30, restart=60)
    text = Text(
        alert="PingOneFederationDown",
        labels={
            "job": "pingone-flow-exporter",
            "target": "hub_emea",
            "journey": "federation",
            "auth_host": "source.example",
            "owner": "iam",
        },
        description="hub_emea was down before the exporter restarted; the restarted exporter cannot list the "
        "destination's identity providers, so it does not probe the target; last success: 1970-01-01 "
        "00:29:05 UTC. To investigate, run with the exporter's environment: pingone-flow-exporter probe "
        "--destination hub",
    )
    down = "PingOneFederationDown hub_emea"

    # listings fail from minute 30 on
    firing = always(35, 44, down) | always(46, 150, down, LISTING)

    tell(tmp_path, *pods, firing=firing, texts={100: text})


def test_the_page_of_one_federation_does_not_hide_a_destination_that_cannot_be_listed(tmp_path: Path) -> None:
    pods = unlistable("emea", down=30, restart=34, healthy=("apac", "nordics"))
    down = "PingOneFederationDown hub_emea"

    firing = always(36, 43, down) | always(52, 100, OUTAGE, LISTING)

    tell(tmp_path, *pods, firing=firing)


def test_a_page_that_outlasted_a_restart_ends_when_the_target_recovers(tmp_path: Path) -> None:
    before, after = unlistable("emea", down=30, restart=60)
    after.until = 90
    well = Pod(
        watched=[hub("emea")], destinations={90: known(watched=1)}, since=90.5, instance="10.0.0.3:9988"
    )

    firing = always(76, 90, "PingOneFederationDown hub_emea", LISTING) | always(97, 110)

    tell(tmp_path, before, after, well, firing=firing)


def test_a_listing_that_fails_for_a_few_minutes_after_a_restart_is_no_page(tmp_path: Path) -> None:
    before = Pod(watched=OTHERS, destinations={0: known(watched=2)}, until=30)
    after = Pod(watched=[], destinations={31: UNLISTED, 38: known(watched=2)}, since=31, instance=THERE)

    tell(tmp_path, before, after, firing=always(0, 60))


def test_a_destination_that_never_could_be_listed_is_a_ticket(tmp_path: Path) -> None:
    tell(
        tmp_path,
        Pod(watched=[], destinations={0: UNLISTED}),
        firing=always(0, 14) | always(16, 60, LISTING),
    )


def test_a_restarted_exporter_without_network_access_blames_no_destination(tmp_path: Path) -> None:
    before = Pod(watched=OTHERS, destinations={0: known(watched=2)}, until=30)
    after = Pod(
        watched=[],
        destinations={31: UNLISTED, 55: known(watched=2)},
        since=31,
        instance=THERE,
        egress={0: False, 50: True},
    )
    egress = f"PingOneEgressDown {THERE}"

    tell(tmp_path, before, after, firing=always(34, 49, egress) | always(52.5, 90))
