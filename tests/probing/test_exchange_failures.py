"""What a provider or a middlebox can break; none of it leaves a socket behind."""

from __future__ import annotations

import errno
import json
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from harness.certificates import unknown_issuer
from harness.http_messages import HANDSHAKE_FAILURE
from probing.examples import a_flow
from probing.loopback import Behaviour, Talk, answer, says, turns
from probing.visit import NAME, visit, wants_a_client_certificate

if TYPE_CHECKING:
    from harness.certificates import Authority, Certificate

FLOW = json.dumps(a_flow()).encode()
GOOD = answer(FLOW)
OURS = ("internal", "exporter", "connect")
UNREACHED = ("connect", "network", "connect")
BROKEN = ("protocol", "provider", "processing")
BROKEN_BODY = ("protocol", "provider", "transfer")
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("behave", "phase"),
    [
        (says(b"", then="close"), "processing"),
        (says(b"", then="reset"), "processing"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n", then="close"), "processing"),
        (says(HANDSHAKE_FAILURE, then="close"), "processing"),
        (says(b"HTTP/1.1 OK\r\n\r\n"), "processing"),
        (says(b"HTTP/1.1 099 Low\r\n\r\n"), "processing"),
        (says(b"HTTP/1.1 200 OK\r\nBad Header: x\r\n\r\n"), "processing"),
        (says(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"), "processing"),
        (says(b"HTTP/1.1 200 OK\r\nX: ", then="close"), "processing"),
        (says(answer(status="101 Switching Protocols")), "processing"),
        (says(answer(FLOW, status="600 Beyond")), "transfer"),
        (says(answer(FLOW, status="999 Beyond")), "transfer"),
        (says(CUT, then="close"), "transfer"),
        (says(CHUNKED + b"zz\r\n"), "transfer"),
        (says(CHUNKED + b"1\r\n{", then="close"), "transfer"),
    ],
)
def test_a_response_that_is_not_http_is_the_providers_protocol_error(behave: Behaviour, phase: str) -> None:
    assert visit(behave).finding == ("protocol", "provider", phase)


def test_a_reset_in_the_middle_of_a_body_keeps_the_code_that_came_before() -> None:
    async def behave(talk: Talk) -> None:
        await talk.hear()
        await talk.say(CUT)
        await turns()
        talk.reset()

    visited = visit(behave)
    assert visited.finding == BROKEN_BODY
    assert visited.step.http_status_code == 200


async def close_at_hello(talk: Talk) -> None:
    await talk.reader.read(1)
    talk.writer.close()


async def reset_at_hello(talk: Talk) -> None:
    await talk.reader.read(1)
    talk.reset()


def says_at_hello(raw: bytes) -> Behaviour:
    async def behave(talk: Talk) -> None:
        await talk.reader.read(1)
        await talk.say(raw)

    return behave


@pytest.mark.parametrize(
    "behave",
    [
        close_at_hello,
        reset_at_hello,
        says_at_hello(GOOD),
        says_at_hello(HANDSHAKE_FAILURE),
        says_at_hello(b"\0" * 99),
    ],
    ids=["closed", "reset", "plain HTTP", "alert", "garbage"],
)
def test_a_handshake_that_fails_is_tls_whatever_ended_it(behave: Behaviour) -> None:
    assert visit(behave, scheme="https").finding == ("tls", "network", "tls")


@pytest.mark.parametrize(
    ("certificate", "fault"),
    [
        (lambda authority: authority.expired(), "provider"),
        (lambda authority: authority.not_yet_valid(), "provider"),
        (lambda authority: authority.wrong_name(), "provider"),
        (lambda _: unknown_issuer(), "network"),
    ],
    ids=["expired", "not yet valid", "another name", "unknown issuer"],
)
def test_a_certificate_that_is_not_good_is_never_spoken_to(
    certificate: Callable[[Authority], Certificate], fault: str, authority: Authority
) -> None:
    visited = visit(says(GOOD), authority=authority, certificate=certificate(authority), host="localhost")
    assert visited.finding == ("tls", fault, "tls")
    assert visited.peer.heads == []


@pytest.mark.parametrize(
    ("version", "phase"), [(ssl.TLSVersion.TLSv1_2, "tls"), (ssl.TLSVersion.TLSv1_3, "processing")]
)
def test_a_server_that_wants_a_client_certificate_is_a_failed_handshake(
    version: ssl.TLSVersion, phase: str, authority: Authority
) -> None:
    certificate = authority.issue(NAME)
    certificate.tls.maximum_version = version
    visited = visit(wants_a_client_certificate(certificate.tls), scheme="https", authority=authority)
    # Since TLS 1.3 the refusal comes with the first read.
    assert visited.finding == ("tls", "network", phase)


@pytest.mark.parametrize(("has_address", "finding"), [(True, OURS), (False, UNREACHED)])
def test_no_free_local_port_is_our_own_and_no_address_of_that_family_the_networks(
    has_address: bool,  # noqa: FBT001  a table's column
    finding: tuple[str, str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Socket(socket.socket):
        def connect_ex(self, address: Any) -> int:  # noqa: ANN401  the base's own
            if self.type == socket.SOCK_STREAM or not has_address:
                return errno.EADDRNOTAVAIL
            return super().connect_ex(address)

    monkeypatch.setattr("exporter.probing.stream.socket.socket", Socket)
    assert visit(says(GOOD)).finding == finding


def test_a_flood_of_headers_is_not_http() -> None:
    async def flood(talk: Talk) -> None:
        await talk.hear()
        await talk.say(b"HTTP/1.1 200 OK\r\n")
        while True:
            await talk.say(b"X-Padding: " + b"x" * 1000 + b"\r\n")

    assert visit(flood).finding == BROKEN
