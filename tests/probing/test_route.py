"""How a request gets to where it goes: straight, or through a forward proxy that really forwards."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from probing.detour import PROXY, detour, forwards, proxy_authorization
from probing.examples import SOURCE, a_flow
from probing.loopback import Talk, answer, loop, says
from probing.visit import NAME, visit

from exporter.outcome import Phase
from exporter.probing.links import parse_link

if TYPE_CHECKING:
    from harness.certificates import Authority

GOOD = answer(json.dumps(a_flow()).encode())
OK = ("ok", "none", "transfer")
PASSWORD = "planted:pass/word"
USER = "federation"
CREDENTIALS = f"{USER}:planted%3Apass%2Fword@"
SCHEMES = pytest.mark.parametrize("secure", [False, True], ids=["http", "https"])


# The way there and back


def test_a_request_in_the_clear_is_sent_to_the_proxy_whole() -> None:
    gone = detour(forwards(), says(GOOD))
    assert gone.finding == OK
    (head,) = gone.proxy.heads
    assert head.startswith(f"GET http://{NAME}:{gone.provider.port}/".encode())
    assert f"\r\nHost: {NAME}:{gone.provider.port}\r\n".encode() in head
    assert len(gone.provider.heads) == 1
    assert list(gone.step.phases) == [Phase.RESOLVE, Phase.CONNECT, Phase.PROCESSING, Phase.TRANSFER]


def test_a_request_over_tls_goes_through_a_tunnel_and_the_proxy_sees_nothing_of_it(
    authority: Authority,
) -> None:
    gone = detour(forwards(), says(GOOD), authority=authority)
    assert gone.finding == OK
    (asked,) = gone.proxy.heads
    assert asked.startswith(f"CONNECT {NAME}:{gone.provider.port} HTTP/1.1\r\n".encode())
    (head,) = gone.provider.heads
    assert head.startswith(b"GET /")
    assert gone.provider.server_names == [NAME]
    assert list(gone.step.phases) == list(Phase)


def test_the_certificate_behind_a_tunnel_is_known(authority: Authority) -> None:
    certificate = authority.issue(NAME)
    tls = detour(forwards(), says(GOOD), authority=authority, certificate=certificate).step.tls
    assert tls is not None
    assert tls.not_after == certificate.not_after.timestamp()
    assert tls.version == "TLSv1.3"


@SCHEMES
def test_a_body_as_long_as_may_be_comes_through_whole(authority: Authority, *, secure: bool) -> None:
    long = answer(json.dumps(a_flow(more="x" * 200_000)).encode())
    assert detour(forwards(), says(long), authority=authority if secure else None).finding == OK


@SCHEMES
def test_only_the_proxys_name_is_resolved_and_its_address_is_the_one_shown(
    authority: Authority, *, secure: bool
) -> None:
    gone = detour(forwards(), says(GOOD), authority=authority if secure else None)
    assert gone.resolved == [PROXY]
    assert gone.step.address == "127.0.0.1"


@SCHEMES
def test_the_addresses_of_a_proxy_are_tried_in_turn(authority: Authority, *, secure: bool) -> None:
    gone = detour(
        forwards(),
        says(GOOD),
        authority=authority if secure else None,
        addresses=("127.0.0.99", "127.0.0.1"),
    )
    assert gone.finding == OK
    assert gone.step.address == "127.0.0.1"
    assert Phase.CONNECT in gone.step.phases


@SCHEMES
def test_a_proxy_gets_its_user_and_password_decoded_and_the_provider_gets_neither(
    authority: Authority, *, secure: bool
) -> None:
    gone = detour(
        forwards(f"{USER}:{PASSWORD}"),
        says(GOOD),
        authority=authority if secure else None,
        credentials=CREDENTIALS,
    )
    assert gone.finding == OK
    assert proxy_authorization(f"{USER}:{PASSWORD}").encode() in gone.proxy.heads[0]
    assert b"authorization" not in gone.provider.heads[0].lower()


@SCHEMES
def test_without_a_password_no_proxy_is_shown_one(authority: Authority, *, secure: bool) -> None:
    gone = detour(forwards(), says(GOOD), authority=authority if secure else None)
    assert b"authorization" not in gone.proxy.heads[0].lower()


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "ALL_PROXY"])
def test_ambient_variables_make_no_detour(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "http://127.0.0.1:9")
    visited = visit(says(GOOD))
    assert visited.finding == OK
    assert visited.resolved == [NAME]


def test_no_password_is_taken_from_a_file_of_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".netrc", "_netrc"):
        (tmp_path / name).write_text(f"machine {NAME} login planted password planted\n", encoding="ascii")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    visited = visit(says(GOOD))
    assert visited.finding == OK
    assert b"authorization:" not in visited.peer.heads[0].lower()


# Time


@SCHEMES
def test_a_proxy_that_thinks_about_a_tunnel_makes_connecting_slow_and_nothing_else(
    authority: Authority, *, secure: bool
) -> None:
    gone = detour(forwards(thinks=40), says(GOOD), authority=authority if secure else None)
    # In the clear the proxy is asked for the answer itself, so that its time is part of the answer's.
    slow = Phase.CONNECT if secure else Phase.PROCESSING
    assert gone.finding == OK
    assert gone.step.phases[slow] >= 40
    assert all(seconds < 40 for phase, seconds in gone.step.phases.items() if phase is not slow)


def test_a_provider_that_thinks_behind_a_tunnel_makes_processing_slow(authority: Authority) -> None:
    async def think(talk: Talk) -> None:
        await talk.hear()
        loop().skip(40)
        await talk.say(GOOD)

    gone = detour(forwards(), think, authority=authority)
    assert gone.step.phases[Phase.PROCESSING] >= 40
    assert gone.step.phases[Phase.CONNECT] < 40
    assert gone.outcome.duration < 60


# Origins


@pytest.mark.parametrize(
    ("url", "leads_to", "target"),
    [
        ("https://idp.example", ("https", "idp.example", 443, "idp.example", "idp.example:443"), "/"),
        (
            "http://idp.example:8080/a?b=%2F#c",
            ("http", "idp.example", 8080, "idp.example:8080", "idp.example:8080"),
            "/a?b=%2F",
        ),
        ("https://idp.example:443?x", ("https", "idp.example", 443, "idp.example", "idp.example:443"), "/?x"),
        (
            "https://[2001:db8::1]:8443/",
            ("https", "2001:db8::1", 8443, "[2001:db8::1]:8443", "[2001:db8::1]:8443"),
            "/",
        ),
        # No such names by IDNA 2008, which name servers do not know of.
        ("https://xn--ls8h.la/", ("https", "xn--ls8h.la", 443, "xn--ls8h.la", "xn--ls8h.la:443"), "/"),
        (
            "https://xn--zz.example",
            ("https", "xn--zz.example", 443, "xn--zz.example", "xn--zz.example:443"),
            "/",
        ),
    ],
)
def test_a_url_is_where_to_connect_and_what_to_ask_there(
    url: str, leads_to: tuple[str, str, int, str, str], target: str
) -> None:
    link = parse_link(url)
    assert link is not None
    assert (*link.origin, link.authority, link.endpoint) == leads_to
    assert link.target == target


def test_a_tunnel_to_an_ipv6_address_is_requested_with_brackets(authority: Authority) -> None:
    gone = detour(
        says(answer(status="503 Service Unavailable")),
        says(GOOD),
        authority=authority,
        source_url=f"https://[2001:db8::1]:8443/{SOURCE}",
    )
    request = b"CONNECT [2001:db8::1]:8443 HTTP/1.1\r\nHost: [2001:db8::1]:8443\r\n"
    assert gone.proxy.heads[0].startswith(request)
