"""The state that a dashboard shows for a federation, in stories too long for the simulator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dashboards import promql, states
from dashboards.promql import budget_left
from harness import grafana
from rules.pod import (
    CUT_OFF,
    DEAD,
    DELETED,
    FAIR,
    INCOMPLETE,
    LIMITED,
    OUR_BUG,
    SLOW,
    TIMEOUT,
    Pod,
    Sky,
    Watched,
)
from rules.story import Story

from exporter.target import Journey

ALL = dict.fromkeys(("cluster", "namespace"), ".*") | dict.fromkeys(("job", "target", "journey"), ".+")
NAMES = [known.name for known in states.STATES]


def shown(expression: str, **chosen: str) -> str:
    return grafana.substituted(expression, {**ALL, **chosen})


def check(directory: Path, *pods: Pod, until: float, state: float | None) -> None:
    """Check that the story ends with this worst state of all federations; None if no state is shown."""
    worst = f"max({shown(states.state())})"
    Story(pods=pods, until=until, shown={until: (worst, state)}).verify(directory)


@pytest.mark.parametrize(
    ("sky", "name"),
    [
        (FAIR, "ok"),
        (SLOW, "slow"),
        (LIMITED, "rate-limited"),
        (OUR_BUG, "exporter fault"),
        (DELETED, "configuration"),
        (CUT_OFF, "network"),
        (TIMEOUT, "provider"),
        (DEAD, "not probed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_state_is_the_result_of_the_last_probe(sky: Sky, name: str, tmp_path: Path) -> None:
    check(tmp_path, Pod(watched=[Watched(name="emea", weather={5: sky})]), until=10, state=NAMES.index(name))


def test_a_federation_that_was_never_probed_is_not_forgotten(tmp_path: Path) -> None:
    pod = Pod(watched=[Watched(name="emea"), Watched(name="us", weather={0: DEAD})])

    unprobed = f"count({shown(states.state())} == {NAMES.index('not probed')})"
    well = f"max({shown(states.all_well())} or vector(0))"
    Story(pods=[pod], until=2, shown={1.5: (unprobed, 1), 2: (well, 0)}).verify(tmp_path)


def test_a_restart_that_holds_passwords_back_is_not_shown_as_a_recovery(tmp_path: Path) -> None:
    federation = Watched(name="emea", journey=Journey.FEDERATION, weather={5: TIMEOUT, 11: INCOMPLETE})
    restarted = replace(federation, weather={11: INCOMPLETE, 13: FAIR})
    pods = [
        Pod(watched=[federation], until=11),
        Pod(watched=[restarted], since=11, instance="10.0.0.2:9988"),
    ]
    state = f"max({shown(states.state())})"
    well = f"max({shown(states.all_well())} or vector(0))"
    incomplete = NAMES.index("incomplete")

    Story(pods=pods, until=15, shown={12: (state, incomplete), 12.5: (well, 0), 15: (state, 0)}).verify(
        tmp_path
    )


def test_a_restart_does_not_hide_since_when_a_federation_fails(tmp_path: Path) -> None:
    failing = Watched(name="emea", weather={5: TIMEOUT})  # last succeeded at 4:05
    pods = [
        Pod(watched=[failing], until=60),
        Pod(watched=[failing], since=61, instance="10.0.0.2:9988"),
    ]
    row, figure = (
        f"round(max({shown(expression)}))"
        for expression in (promql.failing_without_success(), promql.since_success(promql.KEY))
    )

    Story(pods=pods, until=70, shown={65: (row, 3655), 65.5: (figure, 3685)}).verify(tmp_path)


def test_a_last_probe_is_valid_for_three_intervals(tmp_path: Path) -> None:
    pod = Pod(watched=[Watched(name="emea", weather={5: DEAD})])  # last probed at 4:05
    state = f"max({shown(states.state())})"

    Story(pods=[pod], until=8, shown={7: (state, 0), 7.5: (state, NAMES.index("not probed"))}).verify(
        tmp_path
    )


def test_a_paused_target_stays_rate_limited(tmp_path: Path) -> None:
    pod = Pod(watched=[Watched(name="emea", interval=600, weather={5: LIMITED})])

    check(tmp_path, pod, until=14, state=NAMES.index("rate-limited"))


def test_if_two_pods_disagree_the_worse_counts(tmp_path: Path) -> None:
    pods = [
        Pod(watched=[Watched(name="emea", weather={2: TIMEOUT})]),
        Pod(watched=[Watched(name="emea")], instance="10.0.0.2:9988"),
    ]

    check(tmp_path, *pods, until=5, state=NAMES.index("provider"))


def test_a_pod_of_a_rollout_that_has_probed_nothing_yet_hides_nothing(tmp_path: Path) -> None:
    pods = [
        Pod(watched=[Watched(name="emea")]),
        Pod(watched=[Watched(name="emea", weather={0: DEAD})], instance="10.0.0.2:9988", since=3),
    ]

    check(tmp_path, *pods, until=4, state=NAMES.index("ok"))


def test_a_federation_whose_exporter_is_gone_has_no_state(tmp_path: Path) -> None:
    check(tmp_path, Pod(watched=[Watched(name="emea")], until=3, listed=True), until=5, state=None)


def test_a_rollout_is_not_a_missing_pod(tmp_path: Path) -> None:
    pods = [
        Pod(watched=[Watched(name="emea")], until=3),
        Pod(watched=[Watched(name="emea")], instance="10.0.0.2:9988", since=3),
    ]
    gone = f"sum({shown(states.unscraped())})"

    Story(pods=pods, until=5, shown={2: (gone, None), 5: (gone, None)}).verify(tmp_path)


def test_a_missing_shard_is_reported_even_if_its_pod_is_not_a_scrape_target_any_more(tmp_path: Path) -> None:
    pods = [
        Pod(watched=[Watched(name="emea")], shard=(0, 3)),
        Pod(watched=[Watched(name="us")], instance="10.0.0.2:9988", shard=(1, 3), until=3),
        Pod(watched=[Watched(name="apac")], instance="10.0.0.3:9988", shard=(2, 3)),
    ]
    missing = f"sum({shown(states.missing())})"

    Story(pods=pods, until=5, shown={2: (missing, None), 5: (missing, 1)}).verify(tmp_path)


@pytest.mark.parametrize(("weather", "left"), [({}, 1), ({10: TIMEOUT}, None)], ids=["fair", "foul"])
def test_an_unused_budget_is_complete(weather: dict[float, Sky], left: float | None, tmp_path: Path) -> None:
    pod = Pod(watched=[Watched(name="emea", weather=weather)])
    whole = f"max({shown(budget_left('20m'), __range='20m')} == 1)"

    Story(pods=[pod], until=30, shown={30: (whole, left)}).verify(tmp_path)


def test_no_two_states_look_or_sound_alike() -> None:
    assert len({known.color for known in states.STATES}) == len(states.STATES)
    assert len({known.sentence for known in states.STATES}) == len(states.STATES)
