"""Which targets the identity providers of a destination become, listing by listing."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.destinations import (
    FORGET_SECONDS,
    MAX_DESTINATION_NAME_LENGTH,
    Destination,
    KnownProviders,
    OfferedProvider,
    Plan,
    ProviderState,
    after_listing,
    after_reload,
    offered_provider,
    plan,
    plan_from_one_listing,
)
from exporter.settings import shard_of
from exporter.target import DestinationApplication, Journey, Target

ENVIRONMENT = "94e3268d-847d-47aa-a45e-1ef8dd8f4df0"
TEMPLATE = Target(
    name="hub",
    destination_environment_id=ENVIRONMENT,
    destination_url=f"https://auth.pingone.eu/{ENVIRONMENT}",
    redirect_uri="https://app.example/callback",
    journeys=(Journey.FEDERATION,),
    application=DestinationApplication(client_id="client", redirect_uri="https://app.example/callback"),
)
HUB = Destination(name="hub", template=TEMPLATE)
A = OfferedProvider("3f2a0000-0000-4000-8000-000000000001", "Old-One")
B = OfferedProvider("aaaa0000-0000-4000-8000-000000000002", "Partner B")
C = OfferedProvider("cccc0000-0000-4000-8000-000000000003", "Partner C")
D = OfferedProvider("dddd0000-0000-4000-8000-000000000004", "Supplier")
TARGET_NAME = re.compile(r"(?=.{1,63}\Z)[a-z0-9]+(?:_[a-z0-9]+)*")

IDS = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")
PROVIDERS = st.lists(
    st.builds(OfferedProvider, IDS, st.text(max_size=60)), max_size=12, unique_by=lambda provider: provider.id
)


def hub(**changes: Any) -> Destination:  # noqa: ANN401  fields of the dataclass
    return replace(HUB, **changes)


def listed(
    destination: Destination, *listings: Iterable[OfferedProvider], every: float = 300.0
) -> KnownProviders:
    """Return what is known after these listings."""
    known = KnownProviders()
    for number, offered in enumerate(listings):
        known = after_listing(destination, known, offered, now=1000.0 + number * every)
    return known


def planned(destination: Destination, *listings: Iterable[OfferedProvider], every: float = 300.0) -> Plan:
    return plan(destination, listed(destination, *listings, every=every))


def names(planned: Plan) -> list[str]:
    return [target.name for target in planned.targets]


def counts(planned: Plan) -> dict[str, int]:
    return {state.value: count for state, count in planned.counts().items() if count}


# Names


def test_a_target_is_named_by_destination_slug_and_the_first_four_characters_of_the_id() -> None:
    assert names(planned(hub(), [A, B])) == ["hub_old_one_3f2a", "hub_partner_b_aaaa"]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("--Corp  (EMEA)--", "corp_emea"),
        ("x" * 40, "x" * 30),
        ("a" * 29 + " b", "a" * 29),
        ("Ünïcode GmbH", "n_code_gmbh"),
        ("日本", "3f2a0000_0000_4000_8000_000000"),
        ("", "3f2a0000_0000_4000_8000_000000"),
    ],
)
def test_a_slug_is_lower_case_with_underscores_and_short(name: str, slug: str) -> None:
    (target,) = planned(hub(), [OfferedProvider(A.id, name)]).targets
    assert target.name == f"hub_{slug}_3f2a"
    assert target.listed is not None
    assert (target.listed.slug, target.provider_id) == (slug, A.id)


@given(
    PROVIDERS, st.from_regex(rf"\A[a-z0-9]{{1,{MAX_DESTINATION_NAME_LENGTH}}}\Z"), st.lists(IDS, max_size=3)
)
def test_names_are_valid_and_unique_whatever_the_providers_are_called(
    offered: list[OfferedProvider], name: str, expected: list[str]
) -> None:
    destination = hub(name=name, expect=frozenset(expected))
    known = listed(destination, offered, offered)
    found = names(plan(destination, known))
    assert len(found) == len(set(found))
    assert all(map(TARGET_NAME.fullmatch, found))
    assert all(each.startswith(f"{name}_") for each in found)


@given(PROVIDERS, st.randoms(use_true_random=False))
def test_targets_do_not_depend_on_the_order_of_a_listing(
    offered: list[OfferedProvider], random: Random
) -> None:
    shuffled = random.sample(offered, len(offered))
    assert planned(hub(), offered) == planned(hub(), shuffled)


def test_a_name_stays_when_the_provider_is_renamed_until_a_reload() -> None:
    renamed = replace(A, name="New Name")
    known = listed(hub(), [A, B], [renamed, B])
    assert names(plan(hub(), known)) == ["hub_old_one_3f2a", "hub_partner_b_aaaa"]
    reloaded = after_reload(hub(), known, now=2000.0)
    assert names(plan(hub(), reloaded)) == ["hub_new_name_3f2a", "hub_partner_b_aaaa"]


def test_a_name_that_another_target_has_gets_a_longer_end() -> None:
    known = after_listing(hub(), KnownProviders(), [A], now=0.0, taken={"hub_old_one_3f2a"})
    (name,) = names(plan(hub(), known))
    assert re.fullmatch(r"hub_old_one_[0-9a-f]{8}", name)


def test_providers_with_the_same_name_and_the_same_first_characters_are_two_targets() -> None:
    twin = OfferedProvider(f"{A.id[:-1]}9", A.name)
    first, second = names(planned(hub(), [A, twin]))
    assert first == "hub_old_one_3f2a"
    assert second.startswith("hub_old_one_")


@pytest.mark.parametrize("identifier", ["", None, 7, "a b", "-a", "x" * 65, 'a"}', "é", "a\n"])
def test_a_provider_without_an_id_that_can_be_a_label_is_left_out(identifier: object) -> None:
    assert offered_provider(identifier, "name") is None


def test_a_providers_name_is_one_line_that_any_output_can_show() -> None:
    name = "Old\ud800One\x1b[31m\n\u202e\u00c9"
    provider = OfferedProvider("3f2a", "Old One [31m  \u00c9")
    assert offered_provider("3f2a", name) == provider
    assert names(planned(hub(), [provider])) == names(planned(hub(), [OfferedProvider("3f2a", name)]))


def test_a_providers_name_matches_expect_with_the_spaces_that_it_has() -> None:
    """Such as a no-break space, copied from the destination's pages."""
    provider = offered_provider("3f2a", "Partner\u00a0A")
    assert provider is not None
    assert hub(expect=frozenset({"Partner\u00a0A"})).expects(provider)


def test_a_providers_name_is_cut_and_may_be_absent() -> None:
    assert offered_provider("a", "n" * 5000) == OfferedProvider("a", "n" * 256)
    assert offered_provider("a", None) == OfferedProvider("a", "")


# Selection


def test_include_and_exclude_select_by_name() -> None:
    found = planned(hub(include=re.compile("^Partner"), exclude=re.compile("C$")), [A, B, C, D])
    assert names(found) == ["hub_partner_b_aaaa"]
    assert counts(found) == {"watched": 1, "filtered": 3}


def test_expected_providers_are_selected_whatever_include_and_exclude_say() -> None:
    found = planned(hub(exclude=re.compile(""), expect=frozenset({"Partner B", D.id})), [A, B, C, D])
    assert names(found) == ["hub_partner_b_aaaa", "hub_supplier_dddd"]
    assert all(target.listed is not None and target.listed.expected for target in found.targets)


def test_the_limit_takes_providers_by_id() -> None:
    found = planned(hub(max_providers=2), [D, C, B, A])
    assert names(found) == ["hub_old_one_3f2a", "hub_partner_b_aaaa"]
    assert counts(found) == {"watched": 2, "over_limit": 2}


def test_a_provider_that_the_limit_left_out_is_not_missed_when_it_goes() -> None:
    found = planned(hub(max_providers=1), [B], [A, B], [A], [A])
    assert (names(found), counts(found)) == (["hub_old_one_3f2a"], {"watched": 1})


def test_expected_providers_come_first_within_the_limit() -> None:
    found = planned(hub(max_providers=2, expect=frozenset({"Supplier"})), [D, C, B, A])
    assert names(found) == ["hub_old_one_3f2a", "hub_supplier_dddd"]


@given(PROVIDERS, st.integers(1, 12), st.sampled_from([None, "a", "[0-9]", "^.?$"]), st.integers(0, 2))
def test_each_provider_has_one_state_and_the_limit_holds(
    offered: list[OfferedProvider], limit: int, include: str | None, expected: int
) -> None:
    expect = frozenset(provider.name for provider in offered[:expected] if provider.name)
    pattern = None if include is None else re.compile(include)
    destination = hub(max_providers=limit, include=pattern, expect=expect)
    found = planned(destination, offered)
    assert sum(found.counts().values()) == len(offered)
    assert len(found.targets) == found.counts()[ProviderState.WATCHED] <= limit


def test_an_explicit_target_with_the_same_provider_wins() -> None:
    by_id = replace(TEMPLATE, name="mine", provider_id=A.id.upper())
    by_name = replace(TEMPLATE, name="yours", provider_id="Partner B")
    elsewhere = replace(TEMPLATE, name="x", provider_id=C.id, destination_environment_id="other")
    found = plan(hub(), listed(hub(), [A, B, C]), explicit=[by_id, by_name, elsewhere])
    assert names(found) == ["hub_partner_c_cccc"]
    assert counts(found) == {"watched": 3}


@pytest.mark.parametrize("provider_id", [B.id, B.id.upper()])
def test_an_explicit_target_watches_the_provider_that_expect_waits_for(provider_id: str) -> None:
    destination, mine = hub(expect=frozenset({B.id})), replace(TEMPLATE, name="mine", provider_id=provider_id)
    found = plan(destination, listed(destination, [A], [A]), explicit=[mine])
    assert (names(found), found.missing) == (["hub_old_one_3f2a"], ("mine",))


def test_nothing_watches_a_provider_that_the_settings_switch_off() -> None:
    off = replace(TEMPLATE, name="off", provider_id="Partner B")
    destination = hub(expect=frozenset({"Partner B"}))
    found = plan(destination, listed(destination, [A, B]), disabled=[off])
    assert names(found) == ["hub_old_one_3f2a"]
    assert counts(found) == {"watched": 1, "filtered": 1}
    gone = plan(destination, listed(destination, [A, B], [A], [A]), disabled=[off])
    assert (names(gone), counts(gone)) == (["hub_old_one_3f2a"], {"watched": 1})
    assert counts(plan(destination, listed(destination, [A], [A]), disabled=[off])) == {"watched": 1}


def test_an_enabled_target_watches_a_provider_that_another_one_switches_off() -> None:
    off, on = (replace(TEMPLATE, name=name, provider_id=A.id) for name in ("off", "on"))
    found = plan(hub(), listed(hub(), [A]), explicit=[on], disabled=[off])
    assert (names(found), found.states) == ([], ((ProviderState.WATCHED, "on", A),))


def test_a_single_listing_takes_no_name_of_a_target_that_is_switched_off() -> None:
    off = replace(TEMPLATE, name="hub_old_one_3f2a", provider_id=B.id)
    found = plan_from_one_listing(hub(), [A, B], [], [off])
    (name,) = names(found)
    assert re.fullmatch(r"hub_old_one_[0-9a-f]{8}", name)
    assert counts(found) == {"watched": 1, "filtered": 1}


@given(PROVIDERS, PROVIDERS, st.integers(1, 4))
def test_each_target_is_in_the_plan_of_one_shard_and_each_shard_knows_all_states(
    first: list[OfferedProvider], second: list[OfferedProvider], shards: int
) -> None:
    destination = hub(max_providers=5, expect=frozenset({"x", "y"}), exclude=re.compile("[0-9]"))
    known = listed(destination, first, second, second)
    whole = plan(destination, known)

    def share(index: int) -> Plan:
        return plan(destination, known, is_own=lambda provider: shard_of(provider, shards) == index)

    shares = [share(index) for index in range(shards)]
    assert all(share.states == whole.states for share in shares)
    assert sorted(name for share in shares for name in names(share)) == names(whole)


@pytest.mark.parametrize("entry", ["3F2A-11", "Partner"])
def test_a_restarted_shard_agrees_with_the_others_about_who_probes_what_expect_lists(entry: str) -> None:
    """It knows the entry alone, while the others know the id and the name of the provider that is missing."""
    provider = OfferedProvider("3F2A-11", "Partner")
    destination = hub(expect=frozenset({entry.lower() if entry == provider.id else entry}))
    old = listed(destination, [provider], [], [])
    new = listed(destination, [], [])
    for shards in range(2, 8):
        owners = [
            [index for index in range(shards) if plan(destination, known, is_own=owns(index, shards)).targets]
            for known in (old, new)
        ]
        assert owners[0] == owners[1]
        assert len(owners[0]) == 1


def owns(index: int, shards: int) -> Callable[[str], bool]:
    return lambda key: shard_of(key, shards) == index


def test_providers_of_which_only_the_link_is_checked_are_counted_apart() -> None:
    found = planned(hub(), [A, B])
    assert found.counts({"hub_old_one_3f2a"}) == {
        **dict.fromkeys(ProviderState, 0),
        ProviderState.WATCHED: 1,
        ProviderState.LINK_ONLY: 1,
    }


def test_targets_inherit_what_the_destination_has() -> None:
    template = replace(TEMPLATE, labels=(("owner", "iam"),))
    (target,) = planned(hub(template=template), [A]).targets
    assert target.labels == (("owner", "iam"),)
    assert (target.journeys, target.application) == (TEMPLATE.journeys, TEMPLATE.application)


# Missing


def test_a_provider_is_missing_after_two_listings_in_a_row_without_it() -> None:
    once, twice = planned(hub(), [A, B], [A]), planned(hub(), [A, B], [A], [A])
    assert counts(once) == {"watched": 2}
    assert counts(twice) == {"watched": 1, "missing": 1}
    assert (once.missing, twice.missing) == ((), ("hub_partner_b_aaaa",))
    assert names(twice) == ["hub_old_one_3f2a", "hub_partner_b_aaaa"]


def test_a_provider_that_comes_back_keeps_its_target() -> None:
    back = planned(hub(), [A, B], [A], [A], [A, replace(B, name="Renamed")])
    assert names(back) == ["hub_old_one_3f2a", "hub_partner_b_aaaa"]
    assert counts(back) == {"watched": 2}
    assert counts(planned(hub(), [A, B], [A], [A, B], [A])) == {"watched": 2}


def test_the_target_of_an_unexpected_missing_provider_goes_after_a_day() -> None:
    day = FORGET_SECONDS
    assert names(planned(hub(), [A, B], [A], [A], every=day / 2)) == [
        "hub_old_one_3f2a",
        "hub_partner_b_aaaa",
    ]
    gone = planned(hub(), [A, B], [A], [A], [A], every=day / 2)
    assert names(gone) == ["hub_old_one_3f2a"]
    assert counts(gone) == {"watched": 1}


def test_the_target_of_an_expected_missing_provider_stays() -> None:
    found = planned(hub(expect=frozenset({B.id})), [A, B], *[[A]] * 9, every=FORGET_SECONDS)
    assert found.missing == ("hub_partner_b_aaaa",)


@pytest.mark.parametrize("entry", [B.name, B.id])
def test_a_provider_that_was_replaced_by_one_of_its_name_is_not_expected_any_more(
    entry: str,
) -> None:
    is_expected = entry == B.id
    again = replace(B, id="bbbb0000-0000-4000-8000-000000000005")
    destination = hub(expect=frozenset({entry}))
    both = planned(destination, [A, B], [A, again], [A, again]).targets
    expected = {target.provider_id: target.listed.expected for target in both if target.listed}
    assert expected == {A.id: False, B.id: is_expected, again.id: not is_expected}
    later = planned(destination, [A, B], [A, again], [A, again], [A, again], every=FORGET_SECONDS)
    assert (B.id in {target.provider_id for target in later.targets}) == is_expected


@pytest.mark.parametrize(
    ("entry", "name"), [("Partner B", "hub_partner_b"), (B.id, "hub_aaaa0000_0000_4000_8000_000000_aaaa")]
)
def test_an_expected_provider_that_was_never_offered_is_missing_after_a_restart(
    entry: str, name: str
) -> None:
    destination = hub(expect=frozenset({entry}))
    assert counts(planned(destination, [A])) == {"watched": 1}
    found = planned(destination, [A], [A])
    assert names(found) == sorted([name, "hub_old_one_3f2a"])
    assert found.missing == (name,)
    (missing,) = (target for target in found.targets if target.name == name)
    assert missing.provider_id == entry
    assert missing.listed is not None
    assert missing.listed.expected
    back = planned(destination, [A], [A], [A, B])
    assert names(back) == ["hub_old_one_3f2a", "hub_partner_b_aaaa"]


def test_providers_that_change_their_ids_all_the_time_do_not_add_up() -> None:
    listings = [[OfferedProvider(f"{number:04}-{each}", "x") for each in range(5)] for number in range(30)]
    found = planned(hub(max_providers=5), *listings)
    assert len(found.targets) == 10


def test_all_providers_may_be_missing() -> None:
    assert counts(planned(hub(), [A, B, C], [], [])) == {"missing": 3}


@given(st.lists(PROVIDERS, min_size=1, max_size=6), st.integers(1, 5))
def test_whatever_is_listed_targets_stay_bounded_and_unique(
    listings: list[list[OfferedProvider]], limit: int
) -> None:
    destination = hub(max_providers=limit)
    found = planned(destination, *listings)
    assert len(found.targets) <= 2 * limit
    assert len(set(names(found))) == len(found.targets)


# Reloads


def test_a_reload_with_other_filters_chooses_among_what_is_known() -> None:
    known = listed(hub(), [A, B, C], [A, B], [A, B])
    narrow = hub(include=re.compile("Partner"))
    found = plan(narrow, after_reload(narrow, known, now=2000.0))
    assert names(found) == ["hub_partner_b_aaaa", "hub_partner_c_cccc"]
    assert counts(found) == {"watched": 1, "filtered": 1, "missing": 1}
    assert after_reload(hub(), known, now=2000.0) == known


def test_another_application_is_another_listing() -> None:
    application = DestinationApplication(client_id="other", redirect_uri="https://app.example/callback")
    assert hub().listing == hub(max_providers=3, expect=frozenset({"x"})).listing
    assert hub().listing != hub(template=replace(TEMPLATE, application=application)).listing
