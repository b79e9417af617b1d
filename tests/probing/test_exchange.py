"""One request under one deadline, against real sockets: what is sent, where to, and when it is given up."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest
from probing.examples import CLIENT, DESTINATION, FLOW, SOURCE, a_flow, a_target
from probing.loopback import Talk, answer, listening, loop, no_tls, resolving, run, says, turns
from probing.visit import NAME, visit

from exporter import __version__
from exporter.outcome import Outcome, Phase
from exporter.probing.probe import Prober
from exporter.probing.ssl_contexts import SSLContexts
from exporter.reasons import Reason
from exporter.target import Journey

if TYPE_CHECKING:
    from harness.certificates import Authority
    from harness.http_server import FullBacklog

FLOW_BODY = json.dumps(a_flow()).encode()
GOOD = answer(FLOW_BODY, "Content-Type: application/json;charset=UTF-8")
OK = ("ok", "none", "transfer")
DOCUMENTED = (
    f"GET /{SOURCE}/as/authorize?response_type=code"
    f"&redirect_uri=https%3A%2F%2Fauth.pingone.com%2F{DESTINATION}%2Frp%2Fcallback%2Fopenid_connect"
    f"&scope=openid&client_id={CLIENT}&nonce=the-nonce&state=the-state&response_mode=pi.flow HTTP/1.1\r\n"
)


@pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])
def test_the_request_on_the_wire_is_the_documented_one_and_nothing_else(
    *, secure: bool, authority: Authority
) -> None:
    tokens = iter(["the-nonce", "the-state"])
    visited = visit(says(GOOD), authority=authority if secure else None, token=tokens.__next__)
    assert visited.finding == OK
    (head,) = visited.peer.heads
    assert head.decode("ascii") == (
        DOCUMENTED + f"Host: {NAME}:{visited.peer.port}\r\n"
        f"User-Agent: pingone-flow-exporter/{__version__}\r\n"
        "Accept: application/json\r\n"
        "Accept-Encoding: gzip\r\n"
        f"X-Ping-External-Transaction-Id: {visited.outcome.transaction_id}\r\n"
        "\r\n"
    )


def test_every_probe_has_a_connection_a_transaction_and_values_of_its_own_and_brings_no_cookie() -> None:
    cookies = answer(FLOW_BODY, "Set-Cookie: ST=planted; Path=/", "Connection: keep-alive")

    async def main() -> tuple[int, list[bytes]]:
        async with listening(says(cookies)) as peer:
            prober = Prober(no_tls)
            target = a_target(source_url=f"http://127.0.0.1:{peer.port}/{SOURCE}", timeout=60.0)
            for _ in range(3):
                assert (await prober(target, Journey.AUTHORIZE)).success
            await peer.left_alone()
            return len(peer.talks), peer.heads

    connections, heads = run(main())
    assert connections == len(heads) == 3
    assert not any(b"cookie" in head.lower() for head in heads)
    for secret in (rb"nonce=([^&]+)", rb"state=([^&]+)", rb"Transaction-Id: (\S+)"):
        found = [re.findall(secret, head) for head in heads]
        assert len({value for (value,) in found}) == 3


@pytest.mark.parametrize(
    "location", ["/elsewhere", f"/signon/?flowId={FLOW}", "http://[::1", "//", "\xe9\xff"]
)
def test_no_redirect_is_followed_wherever_it_leads(location: str) -> None:
    visited = visit(says(answer(b"", f"Location: {location}", status="302 Found")))
    assert visited.outcome.reason.value == "redirected"
    assert visited.step.http_status_code == 302
    assert len(visited.peer.heads) == len(visited.peer.talks) == 1


def test_the_first_address_that_refuses_is_followed_by_the_next_at_once() -> None:
    visited = visit(says(GOOD), addresses=("127.0.0.2", "127.0.0.3", "127.0.0.1"))
    assert visited.finding == OK
    assert visited.step.addresses_tried == ("127.0.0.2", "127.0.0.3", "127.0.0.1")
    assert visited.step.address == "127.0.0.1"


def test_one_address_is_not_a_list_of_those_tried() -> None:
    assert visit(says(GOOD)).step.addresses_tried == ()


def test_addresses_that_all_refuse_are_a_failure_to_connect_to_the_last() -> None:
    visited = visit(says(GOOD), addresses=("127.0.0.2", "127.0.0.3"))
    assert visited.finding == ("connect", "network", "connect")
    assert visited.step.address == "127.0.0.3"
    assert visited.step.addresses_tried == ("127.0.0.2", "127.0.0.3")
    assert set(visited.step.phases) == {Phase.RESOLVE}


def test_the_families_of_addresses_alternate() -> None:
    addresses = ("127.0.0.2", "127.0.0.3", "::2", "::3", "::4")
    tried = visit(says(GOOD), addresses=addresses).step.addresses_tried
    assert tried == ("127.0.0.2", "::2", "127.0.0.3", "::3", "::4")


def test_an_address_that_does_not_answer_is_followed_by_the_next_after_250_ms(
    full_backlog: FullBacklog,
) -> None:
    async def main() -> Outcome:
        async with listening(says(GOOD), host="127.0.0.2", port=full_backlog.port) as peer:
            prober = Prober(no_tls, resolve=resolving("127.0.0.1", "127.0.0.1", "127.0.0.2"))
            url = f"http://{NAME}:{full_backlog.port}/{SOURCE}"
            probe = asyncio.create_task(prober(a_target(source_url=url, timeout=60.0), Journey.AUTHORIZE))
            for skipped in (0, 0.2, 0.1, 0.2, 0.1):
                assert not peer.talks
                loop().skip(skipped)
                await turns()
            outcome = await probe
            await peer.left_alone()
            return outcome

    outcome = run(main(), frozen=True)
    assert outcome.success
    assert outcome.steps[0].address == "127.0.0.2"
    assert outcome.steps[0].addresses_tried == ("127.0.0.1", "127.0.0.1", "127.0.0.2")
    assert outcome.steps[0].phases[Phase.CONNECT] >= 0.5


def test_once_connected_only_the_whole_deadline_counts() -> None:
    async def behave(talk: Talk) -> None:
        await talk.hear()
        loop().skip(55)
        await turns()
        await talk.say(GOOD)

    assert visit(behave, addresses=("127.0.0.1", "127.0.0.2")).finding == OK


def test_a_failed_handshake_is_not_tried_again_elsewhere(authority: Authority) -> None:
    visited = visit(
        says(GOOD), authority=authority, certificate=authority.expired(), addresses=("127.0.0.1",) * 2
    )
    assert visited.finding == ("tls", "provider", "tls")
    # The second connection fetches the certificate, from the same address.
    assert len(visited.peer.talks) == 2
    assert visited.step.addresses_tried == ()


def test_a_name_without_addresses_did_not_resolve() -> None:
    assert visit(says(GOOD), addresses=()).finding == ("dns", "network", "resolve")


def test_tls_asks_for_the_name_although_the_connection_is_to_an_address(authority: Authority) -> None:
    visited = visit(says(GOOD), authority=authority, certificate=authority.issue(NAME))
    assert visited.finding == OK
    assert visited.peer.server_names == [NAME]
    assert set(visited.step.phases) == set(Phase)


def test_tls_to_a_literal_address_checks_the_address_and_asks_for_no_name(authority: Authority) -> None:
    visited = visit(
        says(GOOD), authority=authority, certificate=authority.issue("127.0.0.1"), host="127.0.0.1"
    )
    assert visited.finding == OK
    assert visited.peer.server_names == [None]
    assert f"Host: 127.0.0.1:{visited.peer.port}\r\n".encode() in visited.peer.heads[0]


@pytest.mark.parametrize("path", ["reneg", "renegcert"])
def test_a_server_that_renegotiates_before_it_answers_gets_its_handshake(
    path: str, authority: Authority
) -> None:
    """As IIS and Apache do with TLS 1.2 where only some paths want a client certificate."""
    pems = authority.client("127.0.0.1")
    command = ["openssl", "s_server", "-accept", "127.0.0.1:0", "-tls1_2", "-www"]
    command += ["-cert", str(pems.certificate), "-key", str(pems.key), "-CAfile", str(authority.ca_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            listens = next(line for line in server.stdout if line.startswith("ACCEPT"))
            url = f"https://127.0.0.1:{listens.rpartition(':')[2].strip()}/{path}/{SOURCE}"
            target = a_target(source_url=url, timeout=60.0, ca_file=authority.ca_file)
            outcome = run(Prober(SSLContexts([target]))(target, Journey.AUTHORIZE))
        finally:
            server.kill()
    # It answers with a page about the connection.
    assert (outcome.reason, outcome.steps[0].http_status_code) == (Reason.NOT_JSON, 200)


def test_a_literal_ipv6_address_is_probed_with_its_brackets_where_they_belong() -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")

    async def main() -> list[bytes]:
        async with listening(says(GOOD), host="::1") as peer:
            prober = Prober(no_tls)
            target = a_target(source_url=f"http://[::1]:{peer.port}/{SOURCE}", timeout=60.0)
            outcome = await prober(target, Journey.AUTHORIZE)
            assert outcome.success
            assert outcome.steps[0].address == "::1"
            assert peer.heads[0].split(b"\r\n")[1] == f"Host: [::1]:{peer.port}".encode()
            return peer.heads

    assert len(run(main())) == 1


def test_an_international_name_has_one_encoding_everywhere(
    authority: Authority,
) -> None:
    # IDNA 2003, which the standard library would apply to "straße.example", makes another name of it.
    name = "xn--strae-oqa.example"
    visited = visit(says(GOOD), authority=authority, certificate=authority.issue(name), host=name)
    assert visited.finding == OK
    assert visited.resolved == [name]
    assert visited.peer.server_names == [name]
    assert f"Host: {name}:".encode() in visited.peer.heads[0]
