"""The overview: its rows, their texts and order, its links; what concurrent requests share."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from observing.examples import START, a_failure, a_step, a_success, a_target
from observing.strategies import outcomes
from serving.examples import (
    HOSTILE,
    NOW,
    a_source,
    a_status,
    api,
    ask,
    asking,
    bad,
    good,
    overview,
    points,
    slow,
    unstable,
    web_app,
)
from serving.html import Document

from exporter.destinations import ProviderState
from exporter.outcome import Outcome, Phase
from exporter.reasons import Fault, Reason
from exporter.serving import StatusSource
from exporter.status import (
    DestinationStatus,
    StatusComponent,
    StatusIncident,
    StatusPageReport,
    TargetStatus,
)
from exporter.target import Journey

QUOTA = a_failure(Reason.RATE_LIMITED, Fault.QUOTA)
STALLED = a_failure(Reason.INTERNAL, Fault.EXPORTER)
EXPIRED = a_failure(
    Reason.TLS,
    Fault.PROVIDER,
    Phase.TLS,
    steps=(a_step(reason=Reason.TLS, detail="expired 2025-11-22"),),
)
DAY = 86_400.0


def names(document: Document) -> list[str]:
    """Return the targets that have a line, in their order."""
    links = [str(link["href"]) for link in document.all("a")]
    return [link.removeprefix("targets/") for link in links if link.startswith("targets/")]


def test_the_headline_is_the_heading_and_the_title_counts_failures() -> None:
    document = overview(bad("a"), good("b"))
    assert document.all("h1") == [{"id": "headline"}]
    assert "1 of 2 federations failing since 14:00 UTC; likely cause: network." in document.text
    assert document.texts[0] == "1 failing · pingone-flow-exporter"
    assert overview(good()).texts[0] == "pingone-flow-exporter"


def test_a_target_that_cannot_be_rendered_is_inconclusive_and_has_its_name() -> None:
    broken = good("b", points=((1.0, "a fault that does not exist"),))
    document = overview(bad("a"), broken, good("c"))
    assert names(document) == ["a", "b", "c"]
    assert "inconclusive b could not be rendered: a bug in the exporter; see its log" in document.text
    assert "1 failing, 1 inconclusive, 1 healthy." in document.text


def test_targets_are_grouped_worst_first_and_every_group_has_a_link() -> None:
    document = overview(
        good("a"), good("b"), bad("c"), slow("d"), a_status(target=a_target(name="e")), unstable("f")
    )
    headings = [heading["id"] for heading in document.all("h2")]
    assert headings == ["failing", "unstable", "slow", "unknown", "good"]
    assert "As of 14:04:00 UTC: 1 failing, 1 unstable, 1 slow, 1 no result yet, 2 healthy." in document.text
    links = [str(link["href"]) for link in document.all("a")]
    states = [link.removeprefix("./?q=state:") for link in links if "state:" in link]
    assert states == ["failing", "unstable", "slow", "new", "ok"]


@pytest.mark.parametrize(
    ("status", "row"),
    [
        (
            good(),
            "ok emea auth.pingone.eu since 14:00 UTC (3 min ago) 100% 300 ms",
        ),
        (
            bad(duration=10.0),
            (
                "failing emea auth.pingone.eu network since 14:00 UTC (3 min ago), 1 probe: "
                "connection failed: refused by 192.0.2.7 0% 10.00 s"
            ),
        ),
        (
            a_status(EXPIRED, consecutive=14),
            "provider since 14:00 UTC (3 min ago), 14 probes: certificate not valid: expired 2025-11-22",
        ),
        (
            a_status(a_failure(steps=(replace(a_failure().steps[0], detail="refused by 192.0.2.1"),))),
            "network since 14:00 UTC (3 min ago), 1 probe: connection failed: refused by 192.0.2.1 0%",
        ),
        (
            slow(),
            (
                "slow emea auth.pingone.eu ok since 14:00 UTC (3 min ago); "
                "last probe took 2.50 s, objective 2.00 s"
            ),
        ),
        (
            a_status(a_success(), QUOTA, backoff_until=NOW + 60),
            (
                "paused emea auth.pingone.eu rate-limited; last ok at 14:00 UTC (3 min ago); "
                "paused until 14:05 UTC"
            ),
        ),
        (
            a_status(a_failure(), QUOTA),
            "1 probe: connection failed: refused by 192.0.2.7; paused: rate-limited since 14:00 UTC",
        ),
        (a_status(QUOTA), "paused emea auth.pingone.eu no conclusive probe yet: rate-limited"),
        (
            a_status(a_success(), STALLED),
            "emea auth.pingone.eu inconclusive: exporter stalled or failed; last ok at 14:00 UTC",
        ),
        (a_status(), "new emea auth.pingone.eu not probed yet -"),
        (
            a_status(a_success(incomplete=True, journey=Journey.FEDERATION), journey=Journey.FEDERATION),
            (
                "new emea auth.pingone.eu no conclusive probe yet: ended before sign_on: lock-out protection "
                "withheld the password"
            ),
        ),
        (
            replace(bad(), since_or_earlier=True),
            "since 14:00 UTC (3 min ago) or earlier, 1 probe: connection failed",
        ),
        (good(since=START - DAY), "since 21 Nov 14:00 UTC (24 h ago)"),
        (good(since=START - 365 * DAY), "since 22 Nov 2024 14:00 UTC (365 d ago)"),
        (
            good(target=a_target(labels=(("owner", "identity"), ("tier", "1"), ("region", "eu")))),
            "ok emea auth.pingone.eu, identity, tier 1 since",
        ),
        (
            a_status(a_success(steps=(a_step(checks={"id": True, "lifetime": False}),))),
            "(3 min ago); failed contract checks: lifetime 100%",
        ),
        (good(leaf_expiries=(("authorize", NOW + 9 * DAY),)), "(3 min ago); certificate expires in 9 d 100%"),
        (
            unstable(),
            (
                "unstable emea auth.pingone.eu network 4 of the last 10 probes failed, "
                "ok since 14:00 UTC (3 min ago) 60% 300 ms"
            ),
        ),
    ],
)
def test_a_row_shows_name_host_owner_status_and_latency(status: TargetStatus, row: str) -> None:
    assert row in overview(status).text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "just now"),
        (1, "1 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (7199, "119 min ago"),
        (7200, "2 h ago"),
        (2 * DAY - 1, "47 h ago"),
        (2 * DAY, "2 d ago"),
    ],
)
def test_ages_are_rounded_down(seconds: float, text: str) -> None:
    assert f"({text})" in overview(good(), now=START + 0.3 + seconds).text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.00004, "<0.1 ms"),
        (0.00006, "0.1 ms"),
        (0.0021, "2.1 ms"),
        (0.00996, "10 ms"),
        (0.312, "312 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.00 s"),
        (1.0, "1.00 s"),
    ],
)
def test_latencies_are_as_exact_as_it_matters(seconds: float, text: str) -> None:
    assert f" 100% {text} Version" in overview(a_status(a_success(duration=seconds))).text


@pytest.mark.parametrize(
    "last", [a_success(stalled=True), a_failure(Reason.INTERNAL, Fault.EXPORTER, duration=0.3)]
)
def test_a_latency_that_the_exporter_distorted_is_not_shown(last: Outcome) -> None:
    assert "300 ms" not in overview(a_status(a_success(duration=0.1), last)).text


def test_a_target_that_is_no_longer_probed_is_not_shown_as_healthy() -> None:
    later = NOW + 500.0
    text = overview(good(), now=later).text
    assert "inconclusive emea" in text
    assert "(12 min ago); not probed since 14:00 UTC" in text
    assert "failing emea" in overview(a_status(a_failure()), now=later).text
    assert "ok emea" in overview(good(target=a_target(interval=3600.0)), now=later).text
    assert "paused emea" in overview(replace(good(), backoff_until=later + 9), now=later).text


def test_a_stalled_success_is_not_slow() -> None:
    assert "ok emea" in overview(a_status(a_success(duration=2.5, stalled=True))).text


def test_the_worst_comes_first() -> None:
    confirmed = replace(bad("confirmed"), consecutive=3)
    first = replace(confirmed, target=a_target(name="first"), since=START - 60)
    old = replace(confirmed, target=a_target(name="old"), since=START - 2 * DAY)
    paused = a_status(a_success(), QUOTA, target=a_target(name="paused"))
    inconclusive = a_status(a_success(), STALLED, target=a_target(name="inconclusive"))
    new = a_status(target=a_target(name="new"))
    wanted = [
        first,
        confirmed,
        bad("fresh"),
        old,
        paused,
        inconclusive,
        slow("slow"),
        new,
        good("a"),
        good("b"),
    ]
    shown = [target["target"] for target in api(*wanted[::-1])["targets"]]
    assert shown == [status.target.name for status in wanted]
    assert names(overview(*wanted[::-1])) == shown


def test_a_target_with_several_journeys_is_one_line_about_the_worst() -> None:
    target = a_target(journeys=(Journey.AUTHORIZE, Journey.DISCOVERY))
    fine, failing = good(target=target), a_status(a_failure(), target=target, journey=Journey.DISCOVERY)
    document = overview(fine, failing)
    assert names(document) == ["emea"]
    assert "failing emea discovery auth.pingone.eu" in document.text
    both = overview(failing, a_status(a_failure(), target=target)).text
    assert "; discovery is failing, too" in both or "; authorize is failing, too" in both


# Many targets


def down(number: int, host: str = "auth.pingone.com") -> TargetStatus:
    return replace(bad(f"t{number}", host), consecutive=3)


def test_targets_that_fail_alike_on_one_host_are_one_line() -> None:
    healthy = good("ok", target=a_target(name="ok", source_url="https://auth.pingone.com/x"))
    document = overview(*map(down, range(5)), down(6, "other.example"), healthy)
    assert (
        "5 failing auth.pingone.com network 5 of its 6 federations since 14:00 UTC (3 min ago): "
        "connection failed: refused by 192.0.2.7 failing t0"
    ) in document.text
    assert len(document.all("details")) == 1
    assert overview(*map(down, range(4))).all("details") == []


def test_different_causes_on_one_host_are_apart_and_different_details_are_left_out() -> None:
    def refused(number: int, reason: Reason = Reason.CONNECT) -> TargetStatus:
        step = a_step(reason=reason, detail=f"refused by 192.0.2.{number}")
        return a_status(a_failure(reason, steps=(step,)), target=a_target(name=f"t{number}"))

    document = overview(*map(refused, range(5)), *(refused(number, Reason.DNS) for number in range(5, 9)))
    assert "5 of its 9 federations since 14:00 UTC (3 min ago): connection failed failing t0" in document.text


def test_what_is_wrong_takes_no_more_than_a_screen_and_the_rest_is_folded() -> None:
    failing = [down(number, f"h{number}.example") for number in range(40)]
    document = overview(*failing, *(unstable(f"u{number}") for number in range(9)), *map(good, "abc"))
    assert [details["id"] for details in document.all("details")] == ["more-failing", "more-unstable"]
    assert "32 more failing" in document.text
    assert "7 more unstable" in document.text
    assert len(names(document)) == 52


def test_a_filter_shows_what_matches_and_folds_nothing() -> None:
    document = overview(*map(down, range(30)), good("fine"), query="state:failing")
    assert "30 of 31 federations match state:failing. Show all" in document.text
    assert document.all("details") == []
    assert len(names(document)) == 30
    assert "30 of 31 federations failing since" in document.text  # the headline is about all
    (field,) = document.all("input")
    assert (field["value"], field["maxlength"]) == ("state:failing", "200")
    assert "0 of 1 federations match nothing" in overview(good(), query="nothing").text


def test_the_filter_is_explained_and_sent_to_the_server() -> None:
    document = overview(good())
    assert "Fields: state:failing owner:identity" in document.text
    assert document.all("form") == [{"role": "search", "action": "./"}]


def test_a_hostile_filter_stays_text() -> None:
    document = overview(good(), query=HOSTILE)
    assert document.all("input")[0]["value"] == HOSTILE
    assert len(document.all("script")) == 1


def test_300_targets_are_at_most_400_kb() -> None:
    def one(number: int) -> TargetStatus:
        target = a_target(
            name=f"a_federation_with_a_long_name_{number}", labels=(("owner", "identity"), ("tier", "1"))
        )
        latencies = tuple((0.1 + place * 7 % 60 / 100, Fault.NONE) for place in range(60))
        if number % 3:
            return good(target=target, points=latencies)
        return a_status(a_failure(), target=target, points=latencies, consecutive=3)

    assert len(ask(web_app(a_source(*map(one, range(300))))).content) < 400_000


# What else is known


def test_what_expires_next_is_listed_soonest_first() -> None:
    near = good("near", target=a_target(name="near", secret_expires=NOW + 3 * DAY))
    seen = good("seen", leaf_expiries=(("authorize", NOW + 90 * DAY),))
    document = overview(near, seen)
    assert (
        "What expires next in 3 d client secret of near 25 Nov 14:04 UTC "
        "in 90 d certificate of auth.pingone.eu, seen 20 Feb 2026 14:04 UTC"
    ) in document.text
    assert "expired 24 h ago certificate of" in overview(good(leaf_expiries=(("authorize", NOW - DAY),))).text
    assert "What expires next" not in overview(good()).text


def test_destinations_show_their_providers_and_the_last_listing() -> None:
    hub = DestinationStatus(
        name="hub",
        auth_host="auth.pingone.eu",
        counts={ProviderState.WATCHED: 12, ProviderState.LINK_ONLY: 0, ProviderState.MISSING: 1},
        refresh_ok=True,
        last_success=NOW - 60,
        missing=("hub_old_one_3f2a",),
    )
    document = overview(good(), destinations=lambda: (hub,))
    providers = "hub auth.pingone.eu: 12 watched, 1 missing; missing: hub_old_one_3f2a"
    assert f"{providers} last listing 14:03 UTC (1 min ago)" in document.text
    new = DestinationStatus(
        name="new", auth_host="a.example", counts={}, refresh_ok=False, failure="dns: <none>"
    )
    text = overview(good(), destinations=lambda: (new,)).text
    assert (
        "new a.example: no identity providers listed; the last listing failed: dns: <none> not listed yet"
        in text
    )


def test_the_vendor_s_status_page_annotates_and_stays_text() -> None:
    report = StatusPageReport(
        page="status.example",
        fetched_ok=True,
        last_success=NOW - 60,
        components=(
            StatusComponent(name="PingOne EU", status="partial_outage", since=NOW - 120),
            StatusComponent(name="PingOne NA", status="operational"),
        ),
        incidents=(StatusIncident(name=HOSTILE, impact="major", since=NOW - 120),),
    )
    document = overview(good(), status_page=lambda: report)
    assert (
        "status.example: PingOne EU partial outage since 14:02 UTC, PingOne NA operational. "
        f"Incident (major, since 14:02 UTC ): {HOSTILE}. read 1 min ago; the vendor's page often lags"
    ) in document.text
    assert len(document.all("script")) == 1
    failed = replace(report, fetched_ok=False, incidents=(), components=())
    text = overview(good(), status_page=lambda: failed).text
    assert "status.example: No open incident. read 1 min ago; the last fetch failed" in text
    never = replace(failed, last_success=None)
    assert "status.example: not read yet." in overview(good(), status_page=lambda: never).text


# The document


def test_every_element_is_closed_and_every_id_is_unique() -> None:
    document = overview(bad("a"), good("b"), slow("c"))
    assert document.open == []
    ids = [attributes["id"] for _, attributes in document.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_links_are_relative_without_an_external_url() -> None:
    links = [link["href"] for link in overview(good()).all("a")]
    assert links == [
        "#main", "./", "runbooks/", "metrics", "api/v1/targets", "./?q=state:ok",
        "targets/emea", "-/healthy", "-/ready",
    ]  # fmt: skip


def test_the_icon_shows_the_state_and_the_canonical_link_starts_with_the_external_url() -> None:
    icon = {"rel": "icon", "href": "favicon.ico?ok"}
    assert overview(good()).all("link") == [icon]
    assert overview(good(), bad("b")).all("link") == [icon | {"href": "favicon.ico?failing"}]
    document = overview(good(), external_url="https://exporter.example/pingone")
    assert document.all("link") == [
        {"rel": "icon", "href": "/pingone/favicon.ico?ok"},
        {"rel": "canonical", "href": "https://exporter.example/pingone/"},
    ]


def test_hostile_values_stay_text() -> None:
    target = a_target(name=HOSTILE, source_url=f"https://h/{HOSTILE}", labels=(("owner", HOSTILE),))
    document = overview(a_status(target=target))
    assert len(document.all("script")) == 1
    assert document.texts.count(HOSTILE) == 1
    assert f"h, {HOSTILE}" in document.texts


def test_nothing_is_loaded_from_elsewhere() -> None:
    text = ask(web_app(a_source(good(), bad("b")))).text
    assert not re.findall(r"(?:src|href)=\"?(?:https?:)?//|@import|url\(|<img", text)


@settings(max_examples=30)
@given(st.lists(outcomes(), max_size=3))
def test_any_outcomes_make_a_page_of_nested_elements(history: list[Outcome]) -> None:
    assert overview(a_status(*history)).open == []


# Shared and cached


def changing(shown: list[TargetStatus]) -> tuple[StatusSource, list[int]]:
    """Return a source of what is in the list at the time, and a list that grows with each request for it."""
    calls: list[int] = []

    def statuses() -> Iterator[TargetStatus]:
        calls.append(1)
        return iter(shown)

    return replace(a_source(), statuses=statuses), calls


def test_concurrent_requests_share_a_page_and_a_later_one_gets_a_new_one() -> None:
    shown = [good()]
    source, calls = changing(shown)

    async def scenario() -> None:
        app = web_app(source)
        first, second = await asyncio.gather(asking(app, "/"), asking(app, "/"))
        assert first.content == second.content
        assert len(calls) == 1
        shown.append(bad("other"))
        assert "1 of 2 federations failing" in (await asking(app, "/")).text
        filtered = await asyncio.gather(asking(app, "/?q=emea"), asking(app, "/?q=other"))
        assert [names(Document(page.text)) for page in filtered] == [["emea"], ["other"]]

    asyncio.run(scenario())


def test_a_page_shows_the_targets_of_its_moment() -> None:
    shown = [good("a"), good("b")]
    source, _ = changing(shown)

    async def scenario() -> list[Document]:
        app, pages = web_app(source), []
        for points_now in (points("1"), points("1p")):
            shown[:] = [replace(shown[0], points=points_now)]
            pages.append(Document((await asking(app, "/")).text))
        return pages

    first, second = asyncio.run(scenario())
    assert [len(page.all("path")) for page in (first, second)] == [1, 2]


def test_a_long_page_lets_the_event_loop_run() -> None:
    yielded = 0

    def start_work() -> Any:  # noqa: ANN401  a function to await
        async def yield_if_due() -> None:
            nonlocal yielded
            yielded += 1

        return yield_if_due

    ask(web_app(replace(a_source(*map(good, "abcdef")), start_work=start_work)))
    assert yielded > 6


def test_a_page_of_a_thousand_targets_lets_the_event_loop_run_after_every_few() -> None:
    yields = 0

    def start_work() -> Any:  # noqa: ANN401  a function to await
        async def yield_if_due() -> None:
            nonlocal yields
            yields += 1

        return yield_if_due

    many = [good(f"t{number}") for number in range(1000)]
    app = web_app(replace(a_source(*many), start_work=start_work))
    for path, steps in (("/", 2.1), ("/?q=ok", 3.1), ("/api/v1/targets?q=ok", 4)):
        yields = 0
        assert ask(app, path).status_code == 200
        assert yields > steps * 1000, path
