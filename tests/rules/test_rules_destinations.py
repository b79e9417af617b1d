"""A provider that a destination no longer offers: page, ticket, or one page for the destination."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rules.pod import FAIR, Pod, Sky, Watched
from rules.story import Story, Text, always

from exporter.destinations import ProviderState
from exporter.reasons import Reason
from exporter.status import DestinationStatus
from exporter.target import Journey, ListedProvider

GONE = Sky(reason=Reason.PROVIDER_MISSING, step="destination_authorize")
MISSING, EXPECTED = "PingOneProviderMissing hub_emea", "PingOneExpectedProviderMissing hub_emea"
DESTINATION = "PingOneDestinationProvidersMissing hub"
LISTING = "PingOneListingFailing hub"
LATER = frozenset({"PingOneErrorBudgetBurnSlow", "PingOneJourneyShortened"})


def hub(
    name: str, *, gone: float | None = None, back: float | None = None, expected: bool = False
) -> Watched:
    """Return a target of the destination `hub`, and from which minute to which its provider is missing."""
    provider = ListedProvider(
        destination="hub", provider_id=f"id-{name}", name=name, slug=name, expected=expected
    )
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


def known(*, watched: int, missing: int = 0, refresh_ok: bool = True) -> DestinationStatus:
    counts = dict.fromkeys(ProviderState, 0) | {
        ProviderState.WATCHED: watched,
        ProviderState.MISSING: missing,
    }
    return DestinationStatus(
        name="hub", auth_host="auth.pingone.eu", counts=counts, refresh_ok=refresh_ok, last_success=0.0
    )


def tell(directory: Path, *pods: Pod, firing: Mapping[float, set[str]], **facts: object) -> None:
    facts = {"without": LATER, "until": max(firing)} | facts
    Story(pods=pods, firing=firing, **facts).verify(directory)  # type: ignore[arg-type]  # facts are those of Story


OTHERS = [hub("apac"), hub("nordics")]


def test_a_missing_provider_that_expect_lists_is_a_page_until_it_is_back(tmp_path: Path) -> None:
    pod = Pod(
        watched=[hub("emea", gone=5, back=20, expected=True), *OTHERS],
        destinations={0: known(watched=3), 7: known(watched=2, missing=1), 20: known(watched=3)},
    )

    tell(tmp_path, pod, firing=always(0, 7) | always(9, 20, EXPECTED) | always(27, 40))


def test_a_missing_provider_that_expect_does_not_list_is_a_ticket(tmp_path: Path) -> None:
    pod = Pod(
        watched=[hub("emea", gone=5, back=60), *OTHERS],
        destinations={0: known(watched=3), 7: known(watched=2, missing=1), 60: known(watched=3)},
    )

    tell(tmp_path, pod, firing=always(0, 7) | always(9, 60, MISSING) | always(63, 70))


def test_one_flow_without_the_provider_is_neither(tmp_path: Path) -> None:
    pod = Pod(
        watched=[hub("emea", gone=5, back=7, expected=True), *OTHERS], destinations={0: known(watched=3)}
    )

    tell(tmp_path, pod, firing=always(0, 30), without=LATER | {"PingOneErrorBudgetBurnFast"})


def test_probes_that_fail_page_even_if_no_listing_shows_it(tmp_path: Path) -> None:
    pod = Pod(watched=[hub("emea", gone=5, expected=True), *OTHERS], destinations={0: known(watched=3)})

    tell(tmp_path, pod, firing=always(0, 7) | always(10, 20, EXPECTED))


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
