"""Whatever the network does to packets, verdicts name the network, and times are those of the network.

All bounds hold on any machine. From below: an answer cannot arrive before the delay that was set, nor a phase
be shorter than between the segments in the capture. From above: nothing counts after all of the answer
arrived, so all phases together end there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults.name_server import unable
from harness.daemon import COMMAND, run_command
from harness.samples import Samples
from harness.waiting import PATIENCE
from network.conditions import CONDITIONS, NO_CONNECTION, Condition
from network.namespaces import Captured, inside, missing
from network.netem import CLEAR, CUT
from network.paths import EXPORTER, EXPORTER_6, HOST_6, TRANSLATIONS, KernelLink, ProgramLink, no_netem
from network.played import PORTS, SCRAPER, Connection, Played, of_probe, played, started
from network.segments import SYN
from network.wire import TICK

pytestmark = pytest.mark.e2e

ROUND_TRIP = 0.150
FALL_BACK = 0.25
"""Seconds until the next address is tried (RFC 8305)."""
FIRST_RETRANSMISSION = 1.0
"""Seconds until a SYN is sent again (RFC 6298)."""
MORE = 3
"""Probes that are waited for after a change."""
ENDPOINT = re.compile(r"(?:\[[0-9a-f:]+\]|[a-z0-9.-]+):\d+")


@pytest.fixture(scope="module", params=[KernelLink, ProgramLink], ids=["netem", "program"])
def playing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """The conditions while they are played, by the kernel where it can, and by a program."""
    if reason := missing():
        unable(reason)
    if not Path("/proc/sys/net/ipv6").exists():
        pytest.skip("this kernel has no IPv6")
    if request.param is KernelLink and (reason := no_netem()):
        pytest.skip(f"{reason}: the same conditions are made by a program only")
    with played(request.param, tmp_path_factory.mktemp("paths")) as made:
        yield made


def probes(playing: Played, name: str) -> Iterator[tuple[dict[str, Any], dict[str, float], Connection]]:
    """Yield each good probe of a target: outcome, phases, and connection."""
    outcomes = playing.outcomes(name)
    playing.capture()
    connections = playing.connections(name)
    for outcome in outcomes:
        if outcome["reason"] == "ok":
            yield outcome, outcome["steps"][0]["phases"], of_probe(outcome, connections)


def verdicts(playing: Played, name: str) -> set[tuple[str, ...]]:
    return {(each["reason"], each["fault"], each["phase"]) for each in playing.outcomes(name)}


def probed(playing: Played, name: str) -> float:
    return playing.metrics().total("pingone_flow_probes_total", target=name)


@pytest.mark.parametrize("condition", CONDITIONS, ids=lambda each: each.name)
def test_a_condition_is_reported_as_the_table_says(playing: Played, condition: Condition) -> None:
    good = ("ok", "none", "transfer")
    for outcome in playing.outcomes(condition.name):
        found = outcome["reason"], outcome["fault"], outcome["phase"]
        if condition.varies and found == good:
            continue
        if condition.varies and outcome["phase"] != condition.verdict.phase:
            assert outcome["reason"] == "timeout"
            continue
        assert found == condition.verdict
        if found != good:
            assert ENDPOINT.sub("host:port", outcome["steps"][0]["detail"]) == condition.detail


@pytest.mark.parametrize("name", [each.name for each in CONDITIONS if each.verdict[0] == "ok" or each.varies])
def test_times_are_those_of_the_capture(playing: Played, name: str) -> None:
    for outcome, phases, connection in probes(playing, name):
        requests, accepted, complete = connection.data(sent=True), connection.accepted, connection.complete
        assert accepted is not None
        assert phases["connect"] >= accepted - connection.syns[0] - TICK
        if "tls" not in phases and len(requests) == 1:
            assert phases["processing"] + phases.get("transfer", 0.0) >= complete - requests[0].at - TICK
        # Of these the kernel knows the time in ticks only, and where it gets no CPU ticks are late.
        resent, overtaken = len(connection.syns) > 1, connection.overtaken()
        connected_by = requests[0].at if resent else accepted
        complete_by = connection.segments[-1].at if resent or overtaken else complete
        assert phases["resolve"] + phases["connect"] <= connected_by - started(outcome) + TICK
        assert sum(phases.values()) <= complete_by - started(outcome) + TICK


def test_a_delay_is_in_each_phase_that_waits_for_the_provider(playing: Played) -> None:
    for _, phases, _ in probes(playing, "delay"):
        assert min(phases["connect"], phases["tls"], phases["processing"]) >= ROUND_TRIP
    for _, phases, _ in probes(playing, "jitter"):
        assert min(phases["connect"], phases["processing"]) >= 0.050


def test_pieces_that_were_overtaken_end_the_transfer_when_they_arrive(playing: Played) -> None:
    playing.wait_for(
        "a piece that was overtaken",
        lambda: any(connection.overtaken() for _, _, connection in probes(playing, "reordering")),
    )
    test_times_are_those_of_the_capture(playing, "reordering")


@pytest.mark.parametrize("name", ["loss", "asymmetric_loss"])
def test_a_lost_syn_or_its_answer_is_in_the_connect_time(playing: Played, name: str) -> None:
    def resent() -> list[float]:
        return [phases["connect"] for _, phases, each in probes(playing, name) if len(each.syns) > 1]

    playing.wait_for("a connection with a second SYN", resent)
    assert min(resent()) >= FIRST_RETRANSMISSION - TICK


@pytest.mark.parametrize("name", ["one_way", "asymmetric_loss"])
def test_of_asymmetric_loss_the_provider_sees_all_that_the_exporter_sends(playing: Played, name: str) -> None:
    def syns(captured: list[Captured]) -> set[tuple[tuple[str, int], int]]:
        to_it = (each.segment for each in captured if each.segment.destination[1] == PORTS[name])
        return {(each.source, each.sequence) for each in to_it if each.flags & SYN}

    playing.capture()
    sent = syns(playing.at_exporter)
    assert sent
    playing.wait_for("each SYN at the provider", lambda: sent <= syns(playing.at_provider))


def test_a_path_that_works_one_way_only_makes_no_connection(playing: Played) -> None:
    playing.capture()
    assert all(each.accepted is None for each in playing.connections("one_way"))
    assert playing.servers["one_way"].connections == 0


def test_no_handshake_gets_through_a_black_hole_that_lets_connections_be_made(playing: Played) -> None:
    playing.capture()
    connections = playing.connections("black_hole")
    assert connections
    assert all(each.accepted is not None for each in connections[:-1])
    assert max(len(each.segment.data) for each in playing.at_provider if each.sent) > 511


def test_through_nat64_the_provider_sees_ipv4_and_the_exporter_ipv6(playing: Played) -> None:
    playing.capture()
    peers = {
        each.segment.source[0]
        for each in playing.at_provider
        if each.segment.destination[1] == PORTS["nat64"]
    }
    assert peers == {TRANSLATIONS[EXPORTER_6]}
    for outcome, _, connection in probes(playing, "nat64"):
        assert outcome["steps"][0]["address"] == connection.peer == "64:ff9b::a63:10d"


def test_a_host_without_ipv4_reaches_what_has_a_name(playing: Played, tmp_path: Path) -> None:
    rows = {
        each.name: each for each in CONDITIONS if each.name in {"ipv6", "ipv6_only", "ipv4_literal", "nat64"}
    }
    command = ("ip", "netns", "exec", playing.network.ipv6, *COMMAND)
    times = {"FLOW_EXPORTER_DEFAULTS__INTERVAL": "60s", "FLOW_EXPORTER_DEFAULTS__TIMEOUT": "50s"}
    environment = {**playing.daemon.environment, **times}  # one probe of each: none may be in a pause
    done = run_command("probe", "--json", *rows, cwd=tmp_path, env=environment, command=command)
    for outcome in json.loads(done.stdout)["outcomes"]:
        row, (step,) = rows.pop(outcome["target"]), outcome["steps"]
        assert (outcome["reason"], outcome["fault"], outcome["phase"]) == row.verdict
        assert step["address"] == (row.resolves_to or (row.server,))[-1]
    assert not rows
    playing.capture()
    assert TRANSLATIONS[HOST_6] in {each.segment.source[0] for each in playing.at_provider}


@pytest.mark.parametrize("name", ["first_address_lost", "first_address_unreachable", "ipv6_only"])
def test_the_next_address_is_used_when_the_first_is_not_reached(playing: Played, name: str) -> None:
    condition = next(each for each in CONDITIONS if each.name == name)
    for outcome, phases, _ in probes(playing, name):
        (step,) = outcome["steps"]
        assert step["address"] == condition.server
        if name != "ipv6_only":  # getaddrinfo(3) sorts what cannot be reached to the end
            assert step["addresses_tried"] == [condition.faulty, condition.server]
        if name == "first_address_lost":
            assert phases["connect"] >= FALL_BACK - TICK


def test_a_partition_is_the_networks_and_ends_when_it_ends(playing: Played) -> None:
    def last_are(*expected: str) -> bool:
        recent = playing.outcomes("partition")[-MORE:]
        return {(each["reason"], each["fault"], each["phase"]) for each in recent} == {expected}

    assert ("ok", "none", "transfer") in verdicts(playing, "partition")
    condition = next(each for each in CONDITIONS if each.name == "partition")
    playing.network.link.set(condition.server, CUT, CUT)
    playing.wait_for("failures", lambda: last_are(*NO_CONNECTION))
    detail = playing.outcomes("partition")[-1]["steps"][0]["detail"]
    assert ENDPOINT.sub("host:port", detail) == condition.detail
    playing.network.link.set(condition.server, CLEAR, CLEAR)
    playing.wait_for("an end of the partition", lambda: last_are("ok", "none", "transfer"))
    assert verdicts(playing, "clear") == {("ok", "none", "transfer")}


def scrape(playing: Played, exporter: str, scraper: str, timeout: float = PATIENCE) -> Samples:
    """Return what Prometheus would read, over a connection of its own."""
    port = playing.daemon.address.rpartition(":")[2]

    def get() -> str:
        transport = httpx.HTTPTransport(local_address=scraper)
        with httpx.Client(transport=transport, trust_env=False, timeout=timeout) as client:
            return client.get(f"http://{exporter}:{port}/metrics").raise_for_status().text

    return Samples(inside(playing.network.provider, get))


def test_prometheus_may_scrape_over_ipv6(playing: Played) -> None:
    (scraper,) = (each.server for each in CONDITIONS if each.name == "ipv6")
    assert scrape(playing, f"[{EXPORTER_6}]", scraper).total("pingone_flow_probes_total", target="clear")


def answered(playing: Played, name: str) -> int:
    """Return how many requests of a target were answered so far."""
    return sum(each.answered_at is not None for each in playing.servers[name].requests)


def test_a_partition_from_prometheus_loses_no_probe(playing: Played) -> None:
    before = scrape(playing, EXPORTER, SCRAPER)
    playing.network.link.set(SCRAPER, CUT, CUT)
    with pytest.raises(httpx.TransportError):
        scrape(playing, EXPORTER, SCRAPER, timeout=1.0)
    start = probed(playing, "clear")
    playing.wait_for("probes meanwhile", lambda: probed(playing, "clear") >= start + MORE)
    playing.network.link.set(SCRAPER, CLEAR, CLEAR)
    answered_before = answered(playing, "clear")
    after = scrape(playing, EXPORTER, SCRAPER)
    counted = after.total("pingone_flow_probes_total", target="clear")
    assert before.total("pingone_flow_probes_total", target="clear") + MORE <= counted
    # A timeout, of a pause of the program that forwards, has no answer.
    unanswered = after.total("pingone_flow_probes_total", target="clear", reason="timeout")
    assert answered_before - 1 <= counted <= answered(playing, "clear") + unanswered
    skipped = after.series("pingone_flow_exporter_probes_skipped_total", target="clear")
    # A busy machine may miss a run; the partition must not cause a pause.
    assert {labels["cause"] for labels, value in skipped if value} <= {"missed", "overrun"}
    earlier = before.total("pingone_flow_exporter_probes_skipped_total", target="clear")
    assert sum(value for _, value in skipped) <= earlier + 2
