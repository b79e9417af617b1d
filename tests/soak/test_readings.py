"""What a soak reads: the log, the page of metrics, and what must be on it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.soak.readings import Log, Page
from benchmarks.soak.report import Runs
from benchmarks.soak.scene import COMING, Watched, configured, environments, watched
from exporter.outcome import SkipCause
from exporter.reasons import pairs_of
from exporter.target import Journey

ROOT = Path(__file__).parents[2]
EMEA = Watched(
    name="emea",
    role="authorize",
    journey=Journey.AUTHORIZE,
    environments=("source",),
    interval=1.0,
    timeout=0.5,
    delay=0.0,
)


def line(**facts: Any) -> str:  # noqa: ANN401  any fact of a line
    outcome = {
        "ts": "2026-11-27T10:00:01.000Z",
        "level": "debug",
        "msg": "probe completed",
        "target": "emea",
        "reason": "ok",
        "phase": "transfer",
        "started_at": "2026-11-27T10:00:00.000Z",
        "duration_seconds": 0.2,
        "transaction_id": "a",
        "steps": [{"http_status_code": 200}],
    }
    return json.dumps({**outcome, **facts})


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log")


@pytest.mark.parametrize(
    ("phase", "steps", "requests"),
    [
        ("transfer", [{"http_status_code": 200}], 1),
        ("transfer", [{"http_status_code": 200}, {"http_status_code": 503}], 2),
        ("connect", [{"http_status_code": 200}, {}], 1),
        ("processing", [{}], 1),  # sent, and nothing came back
        ("tls", [{}], 0),
        ("connect", [], 0),
    ],
)
def test_a_line_says_how_many_requests_a_probe_has_sent(
    log: Log, phase: str, steps: list[dict[str, int]], requests: int
) -> None:
    log.add(line(phase=phase, steps=steps))
    assert log.probes["a"].requests == requests
    assert log.targets == {"emea": 1}
    assert log.unexpected == []


def test_a_probe_that_is_reported_twice_is_noticed(log: Log) -> None:
    log.add(line())
    log.add(line())
    assert log.repeated == ["a"]


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):",
        "[]",
        line(msg="unhandled error in event loop", level="error"),
        line(msg="log lines dropped: the reader of the log is too slow"),
        line(level="error"),
        line(msg="reloaded", exception="ValueError"),
    ],
)
def test_any_other_line_is_not_expected(log: Log, text: str) -> None:
    log.add(text)
    assert log.unexpected == [text]


def test_only_whole_lines_are_read_each_once(log: Log) -> None:
    log.path.write_text(f"{line()}\n{line(transaction_id='b')[:20]}")
    log.read()
    assert list(log.probes) == ["a"]
    log.path.write_text(f"{line()}\n{line(transaction_id='b')}\n")
    log.read()
    log.read()
    assert (list(log.probes), log.lines, log.unexpected) == (["a", "b"], 2, [])


def page(*further: str, without: str = "nothing") -> Page:
    of = 'target="emea",journey="authorize"'
    samples = [
        *(
            f'pingone_flow_probes_total{{{of},reason="{reason}",fault="{fault}"}} 2'
            for reason, fault in pairs_of(Journey.AUTHORIZE)
        ),
        *(
            f'pingone_flow_exporter_probes_skipped_total{{{of},cause="{cause.value}"}} 0'
            for cause in SkipCause
        ),
        'pingone_flow_target_info{target="emea"} 1',
    ]
    return Page("\n".join(["# HELP", *(each for each in samples if without not in each), *further]))


def test_exactly_the_configured_targets_must_be_on_the_page() -> None:
    assert page().wrong_series({"emea": EMEA}) == []
    stray = 'pingone_flow_probe_success{target="gone"} 1'
    assert page(stray).wrong_series({"emea": EMEA}) == [
        "pingone_flow_probe_success of gone, which is not configured"
    ]
    (missing,) = page(without="target_info").wrong_series({"emea": EMEA})
    assert missing.startswith("pingone_flow_target_info of emea")
    (reason,) = page(without="tls").wrong_series({"emea": EMEA})[:1]
    assert reason.startswith("pingone_flow_probes_total of emea: ['tls/network', 'tls/provider']")


def test_series_must_be_unique_few_and_of_steps_that_there_are() -> None:
    twice = 'pingone_flow_target_info{target="emea"} 1'
    assert "occurs twice" in page(twice).wrong_series({"emea": EMEA})[0]
    step = 'pingone_flow_http_status_code{target="emea",step="token"} 200'
    assert page(step).wrong_series({"emea": EMEA}) == ["steps ['token'] of emea"]
    codes = [f'pingone_flow_x{{target="emea",code="{code}"}} 1' for code in range(250)]
    (found,) = page(*codes).wrong_series({"emea": EMEA})
    assert found.endswith("series of emea")


def test_exemplars_and_braces_in_labels_do_not_disturb_the_sums() -> None:
    probes = "pingone_flow_probes_total"
    lines = [
        f'{probes}{{target="a}}b",reason="ok"}} 3 # {{trace_id="x"}} 1.0 1.5',
        f'{probes}{{target="c",reason="ok"}} 4',
    ]
    assert Page("\n".join(lines)).by_target(probes, "reason") == {"a}b": {"ok": 3}, "c": {"ok": 4}}


def test_runs_beside_those_that_were_due_are_lost_or_doubled() -> None:
    skipped = {"missed": 2}
    assert [
        (runs.lost, runs.doubled)
        for runs in (Runs(10, 11, completed, completed, skipped) for completed in (7, 8, 9, 10))
    ] == [(1, 0), (0, 0), (0, 0), (0, 1)]


def test_the_targets_of_the_scene_have_the_rate_and_environments_that_it_has() -> None:
    targets = watched(200)
    of_both = [configured(targets, number) for number in (0, 1)]
    rates = [sum(1 / each.interval for each in of_one.values()) for of_one in of_both]
    assert sum(rates) / 2 == pytest.approx(200, rel=0.05)
    assert {each.role for each in of_both[1].values()} - {each.role for each in of_both[0].values()} == {
        COMING
    }
    assert {name for each in targets for name in each.environments} == {
        each.name for each in environments(200)
    }


@pytest.mark.slow
def test_a_short_soak_keeps_its_bounds(tmp_path: Path) -> None:
    result = tmp_path / "soak.json"
    options = ["--minutes", "0.2", "--rate", "40", "--json", str(result)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(result.read_text())["kept"]
