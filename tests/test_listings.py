"""What the listings have shown becomes targets, counts and log lines."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pytest
from scheduling.recorder import Probe, make_outcome

from exporter.destinations import OfferedProvider, ProviderState
from exporter.listings import Listings
from exporter.probing import Listing
from exporter.reasons import Reason
from exporter.settings import Config, load
from exporter.target import Journey

ENVIRONMENT = "94e3268d-847d-47aa-a45e-1ef8dd8f4df0"
HUB = {"ENVIRONMENT_ID": ENVIRONMENT, "CLIENT_ID": "client", "REDIRECT_URI": "https://app.example/callback"}
OFFERED = tuple(OfferedProvider(f"{number}f2a", f"Partner {number}") for number in range(1, 9))
GOOD = Listing(outcome=make_outcome("hub", Journey.FEDERATION, Probe()), providers=OFFERED)


def configured(directory: Path, *, shard: tuple[int, int] = (0, 1), **settings: str) -> Config:
    given = {"SHARD__INDEX": shard[0], "SHARD__COUNT": shard[1]} | {
        f"DESTINATIONS__HUB__{name}": value for name, value in (HUB | settings).items()
    }
    return load({f"FLOW_EXPORTER_{name}": str(value) for name, value in given.items()}, directory)


def failed(reason: Reason) -> Listing:
    return Listing(outcome=make_outcome("hub", Journey.FEDERATION, Probe(reason=reason, step="initiate")))


def counts(listings: Listings) -> Counter[ProviderState]:
    (status,) = listings.statuses()
    return +Counter(status.counts)


def test_each_shard_counts_all_providers_and_as_link_only_those_that_it_probes(tmp_path: Path) -> None:
    shards = [Listings(configured(tmp_path, shard=(index, 3))) for index in range(3)]
    for listings in shards:
        listings.record_listing("hub", GOOD, now=0.0)
        for target in listings.targets():
            listings.observe(make_outcome(target.name, Journey.FEDERATION, Probe(step="initiate")))
        own = len(listings.targets())
        assert counts(listings) == +Counter({ProviderState.LINK_ONLY: own, ProviderState.WATCHED: 8 - own})
    assert sum(len(listings.targets()) for listings in shards) == 8


def test_before_a_listing_has_succeeded_no_state_is_counted_not_even_as_0(tmp_path: Path) -> None:
    listings = Listings(configured(tmp_path))
    for listing, states in ((None, 0), (failed(Reason.DNS), 0), (GOOD, len(ProviderState))):
        if listing is not None:
            listings.record_listing("hub", listing, now=0.0)
        assert len(listings.statuses()[0].counts) == states


def test_a_shard_names_as_missing_only_the_targets_that_have_a_page_on_it(tmp_path: Path) -> None:
    gone = Listing(outcome=GOOD.outcome, providers=OFFERED[:1])
    named: list[str] = []
    for index in range(3):
        listings = Listings(configured(tmp_path, shard=(index, 3)))
        for listing in (GOOD, gone, gone):
            listings.record_listing("hub", listing, now=0.0)
        (status,) = listings.statuses()
        assert counts(listings)[ProviderState.MISSING] == 7
        assert set(status.missing) <= {target.name for target in listings.targets()}
        named += status.missing
    assert sorted(named) == [f"hub_partner_{number}_{number}f2a" for number in range(2, 9)]


def test_a_target_that_goes_beyond_the_link_is_no_longer_link_only(tmp_path: Path) -> None:
    listings = Listings(configured(tmp_path))
    listings.record_listing("hub", GOOD, now=0.0)
    for step in ("initiate", "source_authorize"):
        listings.observe(make_outcome("hub_partner_1_1f2a", Journey.FEDERATION, Probe(step=step)))
    assert counts(listings) == {ProviderState.WATCHED: 8}


def test_what_is_link_only_stays_so_after_a_reload_at_every_destination(tmp_path: Path) -> None:
    settings = {
        f"FLOW_EXPORTER_DESTINATIONS__{name}__{key}": HUB[key] for name in ("HUB", "SPOKE") for key in HUB
    }
    config = load(settings, tmp_path)
    listings = Listings(config)
    for name in ("hub", "spoke"):
        listings.record_listing(name, GOOD, now=0.0)
    for target in listings.targets():
        listings.observe(make_outcome(target.name, Journey.FEDERATION, Probe(step="initiate")))
    listings.reload(config)
    assert [+Counter(status.counts) for status in listings.statuses()] == [{ProviderState.LINK_ONLY: 8}] * 2


def test_a_failed_listing_changes_nothing_but_that_it_failed_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    listings = Listings(configured(tmp_path))
    listings.record_listing("hub", GOOD, now=100.0)
    before = listings.targets()
    for reason in (Reason.RATE_LIMITED, Reason.RATE_LIMITED, Reason.TIMEOUT):
        listings.record_listing("hub", failed(reason), now=200.0)
        (status,) = listings.statuses()
        assert (status.refresh_ok, status.last_success, listings.targets()) == (False, 100.0, before)
        assert status.failure == reason
    listings.record_listing("hub", GOOD, now=300.0)
    assert listings.statuses()[0].failure is None
    assert [record.getMessage().rpartition(" ")[2] for record in caplog.records] == [
        "failed",
        "failed",
        "recovered",
    ]


@pytest.mark.parametrize("leap", [-3600.0, 3600.0, 86_400.0])
def test_a_provider_that_is_missing_is_forgotten_after_a_day_whatever_the_wall_clock_shows(
    tmp_path: Path, leap: float
) -> None:
    now, day = 1e6, 86_400.0
    listings = Listings(configured(tmp_path), clock=lambda: now)
    fewer = Listing(outcome=GOOD.outcome, providers=OFFERED[1:])
    both = {ProviderState.WATCHED: 7, ProviderState.MISSING: 1}
    for listing, at in ((GOOD, 0.0), (fewer, 300.0), (fewer, 600.0 + leap)):
        listings.record_listing("hub", listing, now=at)
        now += 300.0
    assert counts(listings) == both
    listings.reload(configured(tmp_path))
    assert counts(listings) == both
    now += day
    listings.record_listing("hub", fewer, now=900.0 + leap)
    assert counts(listings) == {ProviderState.WATCHED: 7}
    assert listings.statuses()[0].last_success == 900.0 + leap


def test_a_reload_keeps_what_is_known_of_a_destination_that_is_listed_alike(tmp_path: Path) -> None:
    listings = Listings(configured(tmp_path))
    listings.record_listing("hub", GOOD, now=100.0)
    listings.reload(configured(tmp_path, INCLUDE="1$"))
    assert [target.name for target in listings.targets()] == ["hub_partner_1_1f2a"]
    assert counts(listings) == {ProviderState.WATCHED: 1, ProviderState.FILTERED: 7}
    listings.reload(configured(tmp_path, CLIENT_ID="other"))
    assert (listings.targets(), counts(listings)) == ((), {})


def test_a_target_that_is_switched_off_keeps_its_name_and_its_provider_for_itself(tmp_path: Path) -> None:
    off = {
        "ENABLED": "false",
        "PROVIDER_ID": "1f2a",
        "JOURNEYS": "federation",
        "DESTINATION_ENVIRONMENT_ID": ENVIRONMENT,
        "DESTINATION_CLIENT_ID": "client",
        "DESTINATION_REDIRECT_URI": "https://app.example/callback",
        "DESTINATION_REGION": "NA",
    }
    variables = {f"FLOW_EXPORTER_TARGETS__HUB_PARTNER_2_2F2A__{name}": value for name, value in off.items()}
    variables |= {f"FLOW_EXPORTER_DESTINATIONS__HUB__{name}": value for name, value in HUB.items()}
    listings = Listings(load(variables, tmp_path))
    listings.record_listing("hub", GOOD, now=0.0)
    names = {target.provider_id: target.name for target in listings.targets()}
    assert "1f2a" not in names
    assert names["2f2a"].startswith("hub_partner_2_")
    assert names["2f2a"] != "hub_partner_2_2f2a"
    assert counts(listings) == {ProviderState.WATCHED: 7, ProviderState.FILTERED: 1}
