"""Below HTTP: names, connections, handshakes, and our own proxy."""

from __future__ import annotations

import ssl

from faults.behaviours import (
    demands_certificate,
    good,
    old_protocol,
    says_and_falls_silent,
    shakes,
    tunnels,
)
from faults.case import (
    BAD_CERTIFICATE,
    MUTILATED,
    NO_ANSWER,
    NO_HANDSHAKE,
    SHORT,
    UNANSWERED,
    Case,
    Found,
    broken,
    ok,
    over_tls,
)
from faults.stage import Scene, Stage, alone, answers, behaves, head, html, nowhere, presents
from harness.certificates import Authority, unknown_issuer
from harness.http_messages import (
    HANDSHAKE_FAILURE,
    Answer,
    Script,
    close_after_request,
    mute,
    reset_after_request,
    resets,
    sends,
    silent,
)

from exporter.outcome import Phase
from exporter.reasons import Fault, Reason

NO_NAME = broken(Reason.DNS, Phase.RESOLVE, Fault.NETWORK)
NO_CONNECTION = broken(Reason.CONNECT, Phase.CONNECT, Fault.NETWORK)
UNREACHED = broken(Reason.TIMEOUT, Phase.CONNECT, Fault.NETWORK)
NO_PROXY = broken(Reason.PROXY, Phase.CONNECT, Fault.NETWORK)
NO_TUNNEL = broken(Reason.TIMEOUT, Phase.CONNECT, Fault.NETWORK)
SECURE_NOWHERE = "https://nowhere.invalid"


def elsewhere(_: Stage) -> str:
    """A provider that only the proxy would have to find."""
    return SECURE_NOWHERE


def by_proxy(script: Script) -> Scene:
    return alone(script)


RESOLUTION = (
    Case("no_such_name", "the name does not exist (.invalid)", nowhere, NO_NAME, {"interval": "30s"}),
    Case(
        "no_address_of_the_family",
        "an IPv4 address, with IP_FAMILY=6",
        Stage.refused,
        NO_NAME,
        {"ip_family": "6"},
    ),
)

TCP = (
    Case("refused", "no process listens on the port", Stage.refused, NO_CONNECTION),
    Case("full_backlog", "neither accepts nor refuses", Stage.full_backlog, UNREACHED, SHORT),
    Case("silent", "accepts the connection and does nothing", behaves(silent), NO_ANSWER, SHORT),
    Case("mute", "reads the request and never answers", behaves(mute), NO_ANSWER, SHORT),
    Case("closes", "reads the request and closes", behaves(close_after_request), UNANSWERED),
    Case("resets", "reads the request and resets", behaves(reset_after_request), UNANSWERED),
    Case(
        "resets_within_the_head",
        "resets within the head",
        answers(resets(b"HTTP/1.1 200 OK\r\nContent-Ty")),
        UNANSWERED,
    ),
    Case(
        "resets_within_the_body",
        "resets within the body",
        answers(resets(head(b"Content-Length: 5000") + b"{")),
        MUTILATED,
    ),
)

TLS = (
    Case("expired", "a certificate that expired yesterday", presents(Authority.expired), BAD_CERTIFICATE),
    Case(
        "not_yet_valid",
        "a certificate that is valid from tomorrow",
        presents(Authority.not_yet_valid),
        BAD_CERTIFICATE,
    ),
    Case("wrong_name", "a certificate for another name", presents(Authority.wrong_name), BAD_CERTIFICATE),
    Case(
        "unknown_issuer",
        "a certificate by an authority that is not trusted",
        presents(lambda _: unknown_issuer()),
        NO_HANDSHAKE,
    ),
    Case(
        "plaintext_on_the_tls_port",
        "answers the handshake in plain HTTP",
        behaves(sends(head(b"Content-Length: 0")), scheme="https"),
        NO_HANDSHAKE,
    ),
    Case(
        "tls_on_the_plaintext_port",
        "speaks TLS where the URL says http",
        lambda stage: stage.server(None, stage.authority.good()).replace("https", "http"),
        UNANSWERED,
    ),
    Case("old_protocol", "speaks TLS 1.1 at most", shakes(old_protocol), NO_HANDSHAKE),
    Case(
        "handshake_refused",
        "rejects the handshake with an alert",
        behaves(sends(HANDSHAKE_FAILURE), scheme="https"),
        NO_HANDSHAKE,
    ),
    Case(
        "handshake_garbage",
        "answers it with garbage",
        behaves(sends(b"\x16\x03\x03\x00\x04junk"), scheme="https"),
        NO_HANDSHAKE,
    ),
    Case(
        "handshake_closed",
        "closes after the ClientHello",
        behaves(close_after_request, scheme="https"),
        NO_HANDSHAKE,
    ),
    Case(
        "handshake_reset",
        "resets after the ClientHello",
        behaves(reset_after_request, scheme="https"),
        NO_HANDSHAKE,
    ),
    Case(
        "handshake_aborted", "closes in the middle of the handshake", shakes(good, abort=True), NO_HANDSHAKE
    ),
    Case(
        "handshake_without_end",
        "never answers the ClientHello",
        behaves(mute, scheme="https"),
        broken(Reason.TIMEOUT, Phase.TLS, Fault.NETWORK),
        SHORT,
    ),
    Case(
        "client_certificate_1_2",
        "requires a client certificate, in TLS 1.2",
        shakes(demands_certificate(ssl.TLSVersion.TLSv1_2)),
        NO_HANDSHAKE,
    ),
    Case(
        "client_certificate_1_3",
        "requires a client certificate, in TLS 1.3: refused after the handshake",
        shakes(demands_certificate(ssl.TLSVersion.TLSv1_3)),
        over_tls(broken(Reason.TLS, Phase.PROCESSING, Fault.NETWORK)),
    ),
    Case("tls_closed", "closes after a successful handshake", shakes(good), over_tls(UNANSWERED)),
    Case(
        "tls_reset",
        "resets after a successful handshake and the request",
        presents(Authority.good, resets(b"")),
        over_tls(UNANSWERED),
    ),
    Case(
        "tls_truncated",
        "closes within a body over TLS, without saying so",
        presents(Authority.good, says_and_falls_silent(head(b"Content-Length: 5000") + b"{")),
        over_tls(MUTILATED),
    ),
    Case(
        "tls_unavailable",
        "answers 503 over TLS",
        presents(Authority.good, html(503)),
        over_tls(Found(reason=Reason.SERVER_ERROR, fault=Fault.PROVIDER, code=503)),
    ),
)

PROXIES = (
    Case(
        "proxy_unknown",
        "the name in PROXY_URL does not exist",
        nowhere,
        broken(Reason.PROXY, Phase.RESOLVE, Fault.NETWORK),
        {"interval": "30s"},
        proxy=lambda _: "http://nowhere.invalid:3128",
    ),
    Case("proxy_refused", "no process listens on the proxy's port", nowhere, NO_PROXY, proxy=Stage.refused),
    Case("proxy_backlog", "neither accepts nor refuses", nowhere, UNREACHED, SHORT, proxy=Stage.full_backlog),
    Case(
        "proxy_407",
        "requires a password, for a provider over http",
        nowhere,
        Found(reason=Reason.PROXY, fault=Fault.NETWORK, code=407),
        proxy=by_proxy(html(407)),
    ),
    Case("proxy_silent", "never answers, over http", nowhere, NO_ANSWER, SHORT, proxy=behaves(mute)),
    Case("proxy_closes", "closes, over http", nowhere, UNANSWERED, proxy=behaves(close_after_request)),
    Case(
        "proxy_502",
        "does not reach the provider, over http",
        nowhere,
        Found(reason=Reason.SERVER_ERROR, fault=Fault.PROVIDER, code=502),
        proxy=by_proxy(html(502)),
    ),
    Case("connect_407", "requires a password for the tunnel", elsewhere, NO_PROXY, proxy=by_proxy(html(407))),
    Case("connect_403", "refuses the tunnel", elsewhere, NO_PROXY, proxy=by_proxy(html(403))),
    Case("connect_502", "does not reach the provider", elsewhere, NO_PROXY, proxy=by_proxy(html(502))),
    Case(
        "connect_302",
        "redirects instead of opening a tunnel",
        elsewhere,
        NO_PROXY,
        proxy=by_proxy(Answer(status=302, headers=(("Location", "/"), ("Content-Length", "0")))),
    ),
    Case("connect_silent", "never answers CONNECT", elsewhere, NO_TUNNEL, SHORT, proxy=behaves(mute)),
    Case("connect_closes", "closes on CONNECT", elsewhere, NO_PROXY, proxy=behaves(close_after_request)),
    Case("connect_resets", "resets on CONNECT", elsewhere, NO_PROXY, proxy=behaves(reset_after_request)),
    Case(
        "connect_garbage",
        "answers CONNECT with garbage",
        elsewhere,
        NO_PROXY,
        proxy=behaves(sends(b"\x05\x00\r\n\r\n")),
    ),
    Case(
        "tunnel_expired",
        "a certificate that expired yesterday, through a working tunnel",
        presents(Authority.expired),
        BAD_CERTIFICATE,
        proxy=behaves(tunnels),
    ),
    Case(
        "tunnel_mute",
        "a provider that never completes the handshake, through a working tunnel",
        behaves(mute, scheme="https"),
        broken(Reason.TIMEOUT, Phase.TLS, Fault.NETWORK),
        SHORT,
        proxy=behaves(tunnels),
    ),
    Case(
        "tunnel_503",
        "a provider that answers 503, through a working tunnel",
        presents(Authority.good, html(503)),
        over_tls(Found(reason=Reason.SERVER_ERROR, fault=Fault.PROVIDER, code=503)),
        proxy=behaves(tunnels),
    ),
    Case(
        "tunnel_good",
        "no fault: a healthy provider through a working tunnel",
        presents(Authority.good),
        over_tls(ok()),
        proxy=behaves(tunnels),
    ),
)
