"""What a provider, a firewall or our own machine can do to an exchange; each leaves no socket behind."""

from __future__ import annotations

import asyncio
import errno
import gzip
import json
import random
import resource
import ssl
from typing import TYPE_CHECKING

import pytest
from harness.certificates import unknown_issuer
from harness.raw_server import HANDSHAKE_FAILURE
from probing.examples import SOURCE, a_flow, a_target
from probing.loopback import PATIENCE, Behaviour, Talk, answer, listening, loop, run, says, upon
from probing.visit import NAME, visit

from exporter.outcome import Outcome, Phase
from exporter.probing.answer import BODY_LIMIT
from exporter.probing.exchange import Exchange, Exchanger
from exporter.probing.failure import DeadlineError
from exporter.probing.probe import Prober
from exporter.probing.step import Request
from exporter.target import Journey

if TYPE_CHECKING:
    from collections.abc import Callable

    from harness.certificates import Authority, Certificate
    from harness.raw_server import FullBacklog

FLOW = json.dumps(a_flow()).encode()
GOOD = answer(FLOW)
OK = ("ok", "none", "transfer")
BROKEN = ("protocol", "provider", "processing")
BROKEN_BODY = ("protocol", "provider", "transfer")
CUT = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"


async def nothing(_: Talk) -> None:
    """Accept, and no more."""


def pass_an_hour() -> None:
    # In the next turn of the loop: the exchange has then begun to wait.
    loop().call_soon(loop().skip)


# Deadlines


def test_a_deadline_in_resolution_is_a_timeout_of_the_network() -> None:
    async def main() -> Outcome:
        async def resolve(_: str) -> tuple[str, ...]:
            pass_an_hour()
            return await asyncio.Future()

        prober = Prober(lambda _: ssl.create_default_context(), resolve=resolve, clock=loop().time)
        return await prober(a_target(), Journey.AUTHORIZE)

    outcome = run(main())
    assert (outcome.reason, outcome.fault, outcome.phase) == ("timeout", "network", "resolve")
    assert outcome.steps[0].phases == {}
    assert outcome.steps[0].address is None


def test_a_deadline_in_connecting_is_a_timeout_of_the_network(full_backlog: FullBacklog) -> None:
    async def main() -> Exchange:
        async def resolve(_: str) -> tuple[str, ...]:
            return ("127.0.0.1",)

        loop().on_attempt = lambda _: pass_an_hour()
        request = Request("GET", f"http://{NAME}:{full_backlog.port}/")
        trust = ssl.create_default_context()
        return await Exchanger(resolve, loop().time)(request, (), tls=trust, deadline=loop().time() + 60)

    exchange = run(main())
    assert isinstance(exchange.error, DeadlineError)
    assert exchange.address == "127.0.0.1"
    assert exchange.marks[-1].event == "connection.connect_tcp.failed"


def test_a_deadline_in_the_handshake_is_a_timeout_of_the_network_and_closes_the_socket() -> None:
    with upon("start_tls.started", pass_an_hour):
        visited = visit(nothing, scheme="https")
    assert visited.finding == ("timeout", "network", "tls")
    assert set(visited.step.phases) == {Phase.RESOLVE, Phase.CONNECT}


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
@pytest.mark.parametrize(
    ("event", "behave", "phase", "code"),
    [
        ("receive_response_headers.started", nothing, "processing", None),
        (
            "receive_response_headers.started",
            says(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3),
            "processing",
            None,
        ),
        ("receive_response_headers.started", says(b"HTTP/1.1 200 OK\r\nContent-"), "processing", None),
        ("receive_response_body.started", says(CUT), "transfer", 200),
    ],
    ids=["nothing", "1xx only", "half a head", "half a body"],
)
def test_a_deadline_after_the_request_is_a_timeout_of_the_provider(
    event: str, behave: Behaviour, phase: str, code: int | None, *, secure: bool, authority: Authority
) -> None:
    with upon(event, pass_an_hour):
        visited = visit(behave, authority=authority if secure else None)
    assert visited.finding == ("timeout", "provider", phase)
    assert visited.step.http_status_code == code
    assert Phase(phase) not in visited.step.phases


def test_a_server_that_drips_is_cut_at_the_deadline_although_it_never_pauses_for_long() -> None:
    written = 0

    async def drip(talk: Talk) -> None:
        nonlocal written
        await talk.hear()
        for byte in GOOD:
            await talk.say(bytes([byte]))
            written += 1
            loop().skip(9)
            await asyncio.sleep(0)

    visited = visit(drip)
    assert visited.outcome.reason == "timeout"
    assert written < len(GOOD)


# What is closed, reset or nonsense


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
def test_what_is_no_http_is_a_protocol_error_of_the_provider(behave: Behaviour, phase: str) -> None:
    assert visit(behave).finding == ("protocol", "provider", phase)


def test_a_reset_in_the_middle_of_a_body_keeps_the_code_that_came_before() -> None:
    async def behave(talk: Talk) -> None:
        read = asyncio.Event()
        with upon("receive_response_body.started", read.set):
            await talk.hear()
            await talk.say(CUT)
            await read.wait()
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


def wants_a_client_certificate(tls: ssl.SSLContext) -> Behaviour:
    """Return a behaviour that refuses a client as OpenSSL does: asyncio's server would drop the alert."""
    tls.verify_mode = ssl.CERT_REQUIRED

    async def behave(talk: Talk) -> None:
        heard, said = ssl.MemoryBIO(), ssl.MemoryBIO()
        server = tls.wrap_bio(heard, said, server_side=True)
        for _ in range(10):
            try:
                server.do_handshake()
            except ssl.SSLWantReadError:
                await talk.say(said.read())
                heard.write(await talk.reader.read(65536))
            except ssl.SSLError:
                await talk.say(said.read())
                return

    return behave


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


def test_a_flood_of_headers_is_not_http() -> None:
    async def flood(talk: Talk) -> None:
        await talk.hear()
        await talk.say(b"HTTP/1.1 200 OK\r\n")
        while True:
            await talk.say(b"X-Padding: " + b"x" * 1000 + b"\r\n")

    assert visit(flood).finding == BROKEN


# Heads and bodies


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n" + GOOD,
        b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 20 + GOOD,
        b"HTTP/1.0 200 OK\r\n\r\n" + FLOW,
        b"HTTP/1.1 200\r\n\r\n" + FLOW,
        CHUNKED + b"%x\r\n%s\r\n0\r\n\r\n" % (len(FLOW), FLOW),
        answer(gzip.compress(FLOW), "Content-Encoding: gzip"),
        answer(FLOW, "Content-Encoding: identity", "Content-Type: text/html; charset=nonsense", "X: \xff"),
    ],
    ids=["100", "103s", "HTTP/1.0", "no phrase", "chunked", "gzip", "odd headers"],
)
@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_all_that_http_allows_is_read(raw: bytes, *, secure: bool, authority: Authority) -> None:
    visited = visit(says(raw, then="close"), authority=authority if secure else None)
    assert visited.finding == OK
    assert set(visited.step.phases) == set(Phase) - (set() if secure else {Phase.TLS})
    assert all(seconds >= 0 for seconds in visited.step.phases.values())


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (FLOW, "gzip"),
        (FLOW, "br"),
        (gzip.compress(FLOW)[:-1], "gzip"),
        (gzip.compress(gzip.compress(FLOW)), "gzip, gzip"),
    ],
    ids=["not gzip", "br", "cut short", "twice"],
)
def test_a_body_that_cannot_be_decoded_is_a_protocol_error_with_its_code(body: bytes, encoding: str) -> None:
    visited = visit(says(answer(body, f"Content-Encoding: {encoding}", status="403 Forbidden")))
    assert visited.finding == BROKEN_BODY
    assert visited.step.http_status_code == 403


def test_a_body_without_end_is_cut_at_the_limit() -> None:
    written = 0

    async def flood(talk: Talk) -> None:
        nonlocal written
        await talk.hear()
        await talk.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await talk.say(b" " * 65536)
            written += 65536

    visited = visit(flood)
    assert visited.finding == ("too_large", "provider", "transfer")
    assert visited.step.http_status_code == 200
    assert written >= BODY_LIMIT


@pytest.mark.parametrize(("excess", "reason"), [(0, "ok"), (1, "too_large")])
@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_the_limit_of_a_body_is_256_kib_decoded(excess: int, reason: str, encoding: str) -> None:
    filling = random.Random(1).randbytes(BODY_LIMIT // 2).hex()
    empty = json.dumps(a_flow(filling="")).encode()
    body = json.dumps(a_flow(filling=filling[len(empty) :] + "x" * excess)).encode()
    assert len(body) == BODY_LIMIT + excess
    raw = gzip.compress(body) if encoding == "gzip" else body
    assert visit(says(answer(raw, f"Content-Encoding: {encoding}"))).outcome.reason == reason


# Our own side


def test_a_machine_out_of_descriptors_is_our_own_fault() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)

    async def main() -> Outcome:
        async def resolve(_: str) -> tuple[str, ...]:
            # Every descriptor in use is beyond this limit already; only new ones are refused.
            resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
            return ("127.0.0.1", "127.0.0.2")

        prober = Prober(lambda _: ssl.create_default_context(), resolve=resolve, clock=loop().time)
        try:
            return await prober(a_target(), Journey.AUTHORIZE)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    outcome = run(main())
    assert (outcome.reason, outcome.fault) == ("internal", "exporter"), errno.errorcode[errno.EMFILE]


@pytest.mark.parametrize(
    ("event", "scheme", "behave"),
    [
        ("start_tls.started", "https", nothing),
        ("receive_response_headers.started", "http", nothing),
        ("receive_response_body.started", "http", says(CUT)),
    ],
)
def test_cancellation_goes_through_and_closes_the_socket(event: str, scheme: str, behave: Behaviour) -> None:
    async def main() -> None:
        async with listening(behave) as peer:
            prober = Prober(lambda _: ssl.create_default_context(), clock=loop().time)
            target = a_target(source_url=f"{scheme}://127.0.0.1:{peer.port}/{SOURCE}", timeout=60.0)
            reached = asyncio.Event()
            with upon(event, reached.set):
                probe = asyncio.create_task(prober(target, Journey.AUTHORIZE))
                async with asyncio.timeout(PATIENCE):
                    await reached.wait()
                probe.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await probe
            await peer.left_alone()

    run(main())
