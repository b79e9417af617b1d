"""The fault of a failure follows from the response, even if the prober gets no CPU."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from network.responses import response
from network.wire import PEER, SLACK, Connection, TlsPeer, is_syn, processing, verdict
from probing.loopback import answer
from probing.test_discovery import jwk, metadata

if TYPE_CHECKING:
    from harness.certificates import Authority
    from network.namespaces import Captured
    from network.wire import Wire

URL = f"http://{PEER}:8080"
TIMEOUT = 5.0
STOP = 3.0
"""Seconds; what the script's own steps take on a busy machine is shorter."""


def test_a_request_that_nothing_comes_back_for_is_the_networks_timeout(wire: Wire) -> None:
    probe = wire.probe(URL, timeout=f"{TIMEOUT * 1000:.0f}ms")
    wire.accept().request(acknowledge=False)
    outcome = probe.outcome()
    assert verdict(outcome) == ("timeout", "network")
    assert outcome["phase"] == "processing"


def sent_data(captured: Captured) -> bool:
    return captured.sent and bool(captured.segment.data)


def came_data(captured: Captured) -> bool:
    return not captured.sent and bool(captured.segment.data)


STOPS = [
    pytest.param(0.3, id="0.3s"),
    pytest.param(6.0, id="6s"),
    pytest.param(30.0, id="30s", marks=pytest.mark.slow),
]
HIDDEN = ("internal", "exporter")
"""What a stop may hide: it is then the exporter's fault, never a wrong time or a wrong side."""


def is_right(outcome: dict[str, object], stop: float, *, timeout: float) -> bool:
    """Return whether an outcome of a healthy provider is right: ok within its true times, or hidden."""
    if stop > timeout and verdict(outcome) == HIDDEN:
        return True
    return outcome["reason"] == "ok" and float(str(outcome["duration_seconds"])) < timeout


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_around_an_answer_changes_neither_verdict_nor_time(wire: Wire, stop: float) -> None:
    probe = wire.probe(URL, timeout=f"{TIMEOUT * 1000:.0f}ms")
    connection = wire.accept()
    connection.request()
    with probe.stopped(stop):
        connection.send(b"".join(response(URL)))
    outcome = probe.outcome()
    assert is_right(outcome, stop, timeout=TIMEOUT)
    if outcome["reason"] == "ok":
        answered = wire.seconds(sent_data, came_data)
        assert processing(outcome) < max(stop, answered + SLACK)


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_around_a_connect_changes_neither_verdict_nor_time(wire: Wire, stop: float) -> None:
    probe = wire.probe(URL, timeout=f"{TIMEOUT * 1000:.0f}ms")
    syn = wire.expect(is_syn)
    with probe.stopped(stop):
        connection = wire.connection(syn)
    if stop < 2 * TIMEOUT:
        connection.request()
        connection.send(b"".join(response(URL)))
    outcome = probe.outcome()
    assert is_right(outcome, stop, timeout=TIMEOUT)
    if outcome["reason"] == "ok":
        connected = wire.seconds(lambda found: is_syn(found.segment), lambda found: not found.sent)
        assert outcome["steps"][0]["phases"]["connect"] < max(stop, connected + SLACK)


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_around_a_handshake_changes_neither_verdict_nor_time(
    wire: Wire, authority: Authority, stop: float
) -> None:
    url = f"https://{PEER}:8443"
    probe = wire.probe(url, timeout=f"{TIMEOUT * 1000:.0f}ms", ca_file=str(authority.ca_file))
    tls = TlsPeer(wire.accept(), authority.issue(PEER).tls)
    tls.greeting()
    with probe.stopped(stop):
        tls.flush()
    if stop < 2 * TIMEOUT:
        tls.request()
        tls.send(b"".join(response(url)))
    outcome = probe.outcome()
    assert is_right(outcome, stop, timeout=TIMEOUT)
    if outcome["reason"] == "ok":
        shaken = wire.seconds(sent_data, came_data)
        assert outcome["steps"][0]["phases"]["tls"] < max(stop, shaken + SLACK)


def test_an_answer_that_arrives_after_the_timeout_is_late_even_if_it_is_there_when_looked_for(
    wire: Wire,
) -> None:
    probe = wire.probe(URL, timeout=f"{TIMEOUT * 1000:.0f}ms")
    connection = wire.accept()
    connection.request()
    with probe.stopped(TIMEOUT + 0.8):
        time.sleep(TIMEOUT + 0.5)
        connection.send(b"".join(response(URL)))
    assert verdict(probe.outcome()) == ("timeout", "provider")


@pytest.mark.parametrize("stop", STOPS)
def test_a_stop_does_not_excuse_a_silent_provider(wire: Wire, stop: float) -> None:
    probe = wire.probe(URL, timeout=f"{TIMEOUT * 1000:.0f}ms")
    wire.accept().request()
    with probe.stopped(stop):
        pass
    outcome = probe.outcome()
    expected = [("timeout", "provider")] + [HIDDEN] * (stop > TIMEOUT)
    assert verdict(outcome) in expected


def reset(connection: Connection) -> None:
    connection.reset()


def end(connection: Connection) -> None:
    connection.finish()


def say_nothing_of_http(connection: Connection) -> None:
    connection.send(b"SSH-2.0-OpenSSH_9.2\r\n\r\n")


@pytest.mark.parametrize("fail", [reset, end, say_nothing_of_http])
def test_a_stop_is_not_in_the_time_of_a_failure(wire: Wire, fail: Callable[[Connection], None]) -> None:
    probe = wire.probe(URL)
    connection = wire.accept()
    connection.request()
    with probe.stopped(STOP):
        fail(connection)
    outcome = probe.outcome()
    assert verdict(outcome) == ("protocol", "provider")
    assert outcome["duration_seconds"] < STOP
    assert outcome.get("stalled", False) or fail is not reset  # the kernel has no time of a reset


def test_a_stop_is_not_in_the_time_of_a_refusal(wire: Wire) -> None:
    probe = wire.probe(URL)
    syn = wire.expect(is_syn)
    with probe.stopped(STOP):
        Connection(wire, syn).refuse()
    outcome = probe.outcome()
    assert verdict(outcome) == ("connect", "network")
    assert outcome["duration_seconds"] < STOP
    assert outcome["stalled"] is True


@pytest.mark.parametrize("fail", [reset, end])
def test_a_stop_is_not_in_the_time_of_a_request_that_is_sent_again(
    wire: Wire, fail: Callable[[Connection], None]
) -> None:
    """The server closes a kept connection just when the second request of a probe comes."""
    described, keys = json.dumps(metadata(URL)), json.dumps({"keys": [jwk()]})
    probe = wire.probe(URL, journeys="discovery", discovery_interval="90s", discovery_timeout="60s")
    connection = wire.accept()
    connection.request()
    connection.send(answer(described.encode()))
    connection.request()
    with probe.stopped(STOP):
        fail(connection)
    again = wire.accept()
    again.request()
    again.send(answer(keys.encode()))
    outcome = probe.outcome()
    assert verdict(outcome) == ("ok", "none")
    assert outcome["duration_seconds"] < STOP
    phases = sum(seconds for step in outcome["steps"] for seconds in step["phases"].values())
    assert outcome["duration_seconds"] == pytest.approx(phases, abs=1e-4)  # each is rounded
    assert outcome.get("stalled", False) or fail is not reset
