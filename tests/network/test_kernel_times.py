"""Phases end when the kernel received the data, whatever happens to the segments or to the reader.

The expected times are read from a capture in the same namespace. Each case is built so that a time taken in
another way is off by at least `APART`; what a busy machine adds to the script's own steps is in the capture.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from network.responses import response
from network.segments import ACK, FIN, SYN
from network.wire import NAME, PEER, SLACK, TICK, TlsPeer, is_syn, processing

if TYPE_CHECKING:
    from harness.certificates import Authority
    from network.namespaces import Captured
    from network.wire import Wire

URL = f"http://{PEER}:8080"
APART = 0.3
"""Seconds between the right time and a wrong one."""


def request_sent(captured: Captured) -> bool:
    return captured.sent and captured.segment.data.endswith(b"\r\n\r\n")


def carries(data: bytes, captured: Captured) -> bool:
    return not captured.sent and data in captured.segment.data


def near(expected: float) -> object:
    return pytest.approx(expected, abs=SLACK)


def test_connect_and_processing_are_the_delays_of_the_network(wire: Wire) -> None:
    head, body = response(URL)
    probe = wire.probe(URL)
    connection = wire.accept(delay=APART)
    connection.request()
    time.sleep(APART)
    connection.send(head + body)
    phases = probe.outcome()["steps"][0]["phases"]
    syn_ack = wire.seconds(
        lambda found: is_syn(found.segment), lambda found: found.segment.flags == SYN | ACK
    )
    answered = wire.seconds(request_sent, lambda found: carries(head, found))
    assert phases["connect"] == near(syn_ack)
    assert phases["processing"] == near(answered)
    assert min(syn_ack, answered) >= APART


def test_a_retransmitted_syn_is_part_of_the_connect_time(wire: Wire) -> None:
    probe = wire.probe(URL)
    wire.expect(is_syn)
    connection = wire.accept()
    connection.request()
    connection.send(b"".join(response(URL)))
    phases = probe.outcome()["steps"][0]["phases"]
    waited = wire.seconds(lambda found: is_syn(found.segment), lambda found: not found.sent)
    assert phases["connect"] == near(waited)
    assert waited > 2 * APART


def test_headers_that_arrive_after_the_body_end_processing_when_they_arrive(wire: Wire) -> None:
    head, body = response(URL)
    probe = wire.probe(URL)
    connection = wire.accept()
    connection.request()
    connection.send_out_of_order(head, body, delay=APART)
    outcome = probe.outcome()
    answered = wire.seconds(request_sent, lambda found: carries(head, found))
    assert outcome["reason"] == "ok"
    assert processing(outcome) == near(answered)
    assert answered >= APART


def test_a_piece_that_is_missing_when_the_headers_are_read_ends_transfer_when_it_arrives(wire: Wire) -> None:
    head, body = response(URL)
    probe = wire.probe(URL)
    connection = wire.accept()
    connection.request()
    probe.stop()
    connection.send(head)
    # The end of the body is read with its start, but has the time at which it came itself.
    connection.send_out_of_order(body[:10], body[10:], APART, between=probe.resume)
    outcome = probe.outcome()
    completed = wire.seconds(lambda found: carries(head, found), lambda found: carries(body[:10], found))
    assert outcome["reason"] == "ok"
    phases = outcome["steps"][0]["phases"]
    # Of what was out of order the kernel knows the time in ticks only.
    assert phases["processing"] + phases.get("transfer", 0.0) >= completed - TICK
    assert completed >= APART


def test_the_headers_last_segment_ends_processing_and_the_bodys_ends_transfer(wire: Wire) -> None:
    head, body = response(URL)
    probe = wire.probe(URL)
    connection = wire.accept()
    connection.request()
    connection.send(head[:10])
    time.sleep(APART)
    connection.send(head[10:])
    time.sleep(APART)
    connection.send(body)
    outcome = probe.outcome()
    phases = outcome["steps"][0]["phases"]
    if "transfer" not in phases:  # the prober got no CPU for a moment, so that only the sum is exact
        assert outcome.get("stalled") is True
        assert phases["processing"] == near(wire.seconds(request_sent, lambda found: carries(body, found)))
        return
    assert phases["processing"] == near(
        wire.seconds(request_sent, lambda found: carries(head[10:], found)),
    )
    assert phases["transfer"] == near(
        wire.seconds(lambda found: carries(head[10:], found), lambda found: carries(body, found)),
    )


def test_an_end_of_stream_ends_transfer(wire: Wire) -> None:
    head, body = response(URL, length=False)
    probe = wire.probe(URL)
    connection = wire.accept()
    connection.request()
    connection.send(head + body)
    time.sleep(APART)
    connection.finish()
    outcome = probe.outcome()
    ended = wire.seconds(
        lambda found: carries(body, found), lambda found: not found.sent and found.segment.flags & FIN
    )
    assert outcome["reason"] == "ok"
    assert processing(outcome) == near(wire.seconds(request_sent, lambda found: carries(head, found)))
    assert outcome["steps"][0]["phases"]["transfer"] == near(ended)


def test_an_answer_that_arrived_before_the_request_was_sent_takes_no_time(wire: Wire) -> None:
    probe = wire.probe(URL)
    syn = wire.expect(is_syn)
    with probe.stopped(APART):
        connection = wire.connection(syn)
        connection.send(b"".join(response(URL)))
    outcome = probe.outcome()
    assert outcome["reason"] in {"ok", "protocol"}
    assert outcome["steps"][0]["phases"].get("processing", 0.0) == near(0.0)


def test_headers_that_arrived_before_the_request_was_sent_do_not_make_the_transfer_longer(wire: Wire) -> None:
    head, body = response(URL)
    probe = wire.probe(URL)
    syn = wire.expect(is_syn)
    with probe.stopped(2 * APART):
        connection = wire.connection(syn)
        connection.send(head)
    connection.request()
    time.sleep(APART)  # or both are read together
    connection.send(body)
    outcome = probe.outcome()
    assert outcome["reason"] == "ok"
    assert outcome["steps"][0]["phases"]["transfer"] == near(
        wire.seconds(request_sent, lambda found: carries(body, found))
    )


def test_merged_segments_before_a_stalled_reader_are_one_time(wire: Wire) -> None:
    head, body = response(URL)
    probe = wire.probe(URL)
    connection = wire.accept()
    connection.request()
    with probe.stopped(3 * APART):
        connection.send(head)
        time.sleep(APART)
        connection.send(body)
    outcome = probe.outcome()
    phases = outcome["steps"][0]["phases"]
    assert outcome["reason"] == "ok"
    assert phases["processing"] == near(wire.seconds(request_sent, lambda found: carries(body, found)))
    assert "transfer" not in phases
    assert outcome["stalled"] is True


def test_a_reader_that_slows_its_sender_down_is_marked(wire: Wire) -> None:
    head, body = response(URL, padding=150_000)
    probe = wire.probe(URL)
    connection = wire.accept()
    connection.request()
    probe.stop()
    connection.send(head)
    connection.stream(body, when_full=probe.resume)
    outcome = probe.outcome()
    assert outcome["reason"] == "ok"
    assert outcome["stalled"] is True


def test_the_next_address_is_tried_while_the_first_does_not_answer(wire: Wire) -> None:
    probe = wire.probe(f"http://{NAME}:8080")
    first = wire.expect(is_syn)
    second = wire.expect(lambda found: is_syn(found) and found.destination != first.destination)
    connection = wire.connection(second)
    connection.request()
    connection.send(b"".join(response(f"http://{NAME}:8080")))
    outcome = probe.outcome()
    (step,) = outcome["steps"]
    began = {found.segment.destination: found.at for found in wire.capture()[::-1] if is_syn(found.segment)}
    apart = began[second.destination] - began[first.destination]
    connected = wire.seconds(lambda found: is_syn(found.segment), lambda found: not found.sent)
    assert outcome["reason"] == "ok"
    assert step["address"] == second.destination[0]
    assert step["addresses_tried"][0] == first.destination[0]
    assert apart >= 0.25 - TICK
    assert apart == near(0.25) or outcome.get("stalled") is True  # without CPU its timer is late
    assert step["phases"]["connect"] == near(connected)


def test_a_tls_handshake_ends_when_its_last_data_arrived(wire: Wire, authority: Authority) -> None:
    url = f"https://{PEER}:8443"
    probe = wire.probe(url, ca_file=str(authority.ca_file))
    tls = TlsPeer(wire.accept(), authority.issue(PEER).tls)
    tls.greeting()
    with probe.stopped(3 * APART):
        time.sleep(APART)
        tls.flush()
    tls.request()
    tls.send(b"".join(response(url)))
    outcome = probe.outcome()
    handshake = wire.seconds(
        lambda found: found.sent and found.segment.data, lambda found: not found.sent and found.segment.data
    )
    assert outcome["reason"] == "ok"
    assert outcome["steps"][0]["phases"]["tls"] == near(handshake)
    assert handshake >= APART


def test_connecting_through_a_proxy_ends_when_its_answer_arrived(wire: Wire, authority: Authority) -> None:
    host = "provider.invalid"
    url = f"https://{host}:8443"
    probe = wire.probe(url, ca_file=str(authority.ca_file), proxy_url=f"http://{PEER}:3128")
    proxy = wire.accept(delay=APART)
    assert proxy.request().startswith(f"CONNECT {host}:8443 ".encode())
    established = b"HTTP/1.1 200 Connection established\r\n\r\n"
    with probe.stopped(3 * APART):
        time.sleep(APART)
        proxy.send(established)
    tls = TlsPeer(proxy, authority.issue(host).tls)
    tls.greeting()
    tls.flush()
    tls.request()
    tls.send(b"".join(response(url)))
    outcome = probe.outcome()
    shaken = wire.seconds(lambda found: is_syn(found.segment), lambda found: found.segment.flags == SYN | ACK)
    answered = wire.seconds(request_sent, lambda found: carries(established, found))
    assert outcome["reason"] == "ok"
    assert outcome["steps"][0]["phases"]["connect"] == near(shaken + answered)
    assert min(shaken, answered) >= APART
