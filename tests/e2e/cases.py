"""What a provider may do, and what must be said of it: one row per target of a single daemon."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from e2e.found import STATUS, Case, Found, broken, configuration, ok, provider
from e2e.stage import (
    NOWHERE,
    Stage,
    answers,
    behaves,
    flow,
    leads_to,
    page,
    presents,
    replies,
    wire,
)
from harness.certificates import Authority, unknown_issuer
from harness.http_messages import body_answer, drip, flood, json_answer
from harness.raw_server import (
    HANDSHAKE_FAILURE,
    close_after_request,
    mute,
    reset_after_request,
    says,
    silent,
)

from exporter.outcome import Fault, Phase, Reason

if TYPE_CHECKING:
    from e2e.stage import Scene

JSON_TYPE = "application/json"
GOOD = json_answer(flow()).body
SHORT = {"timeout": "500ms"}
"""For what only a deadline ends. All else has longer than any machine needs."""


def encoded(body: bytes, coding: str) -> Scene:
    return answers(body_answer(body, content_type=JSON_TYPE, headers=(("Content-Encoding", coding),)))


def plain(body: bytes) -> Scene:
    return answers(body_answer(body, content_type=JSON_TYPE))


def head(*lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", *lines, b"", b""])


def sign_on(error: str) -> str:
    return f"https://apps.pingone.example/abc/signon/?error={quote(error)}"


PINGONE_NOT_FOUND = {"id": "1", "code": "NOT_FOUND", "message": "no such environment"}
PINGONE_LIMITED = {"id": "1", "code": "REQUEST_LIMITED", "message": "too many requests"}
PINGONE_INVALID = {
    "id": "1",
    "code": "INVALID_DATA",
    "message": "wrong",
    "details": [{"code": "INVALID_VALUE", "target": "redirect_uri"}],
}
LIMITED = Found(reason=Reason.RATE_LIMITED, fault=Fault.QUOTA, code=429)
BLOCKED = Found(reason=Reason.BLOCKED, fault=Fault.NETWORK, code=403)
MUTILATED = broken(Reason.PROTOCOL, Phase.TRANSFER, Fault.PROVIDER, 200)
UNANSWERED = broken(Reason.PROTOCOL, Phase.PROCESSING, Fault.PROVIDER)
BAD_CERTIFICATE = broken(Reason.TLS, Phase.TLS, Fault.PROVIDER)
NO_HANDSHAKE = broken(Reason.TLS, Phase.TLS, Fault.NETWORK)
DAVINCI_BODY = {"interactionId": "1", "_links": {"next": {"href": "https://auth.pingone.example/next"}}}
CHUNKED = b"".join([head(b"Transfer-Encoding: chunked"), b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD)])
ENDLESS = head(b"Content-Type: application/json")

GOOD_ONES = (
    Case("a_flow", replies(flow()), ok()),
    Case("a_flow_in_gzip", encoded(gzip.compress(GOOD), "gzip"), ok()),
    Case("a_flow_in_chunks", wire(CHUNKED), ok()),
    Case("a_flow_until_close", wire(head(), GOOD), ok()),
    Case("a_flow_behind_a_mark", plain(b"\xef\xbb\xbf" + GOOD), ok()),
    Case("a_flow_after_103", wire(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", head(), GOOD), ok()),
    Case("a_flow_without_environment", replies(flow(environment=None)), ok()),
    Case("a_flow_over_tls", presents(Authority.good), replace(ok(), encrypted=True)),
    Case(
        "an_expected_davinci",
        replies(DAVINCI_BODY),
        ok("DAVINCI"),
        {"expected_statuses": "DAVINCI,OTP_REQUIRED"},
    ),
    Case(
        "an_expected_new_status",
        replies(flow(status="NEW_STEP_REQUIRED")),
        ok("NEW_STEP_REQUIRED"),
        {"expected_statuses": "NEW_STEP_REQUIRED"},
    ),
)

NETWORK = (
    Case("dns", lambda _: NOWHERE, broken(Reason.DNS, Phase.RESOLVE, Fault.NETWORK), {"interval": "30s"}),
    Case("refused", Stage.refused, broken(Reason.CONNECT, Phase.CONNECT, Fault.NETWORK)),
    Case("backlog", Stage.full_backlog, broken(Reason.TIMEOUT, Phase.CONNECT, Fault.NETWORK), SHORT),
    Case("silent", behaves(silent), broken(Reason.TIMEOUT, Phase.PROCESSING, Fault.PROVIDER), SHORT),
    Case("closes", behaves(close_after_request), UNANSWERED),
    Case("resets", behaves(reset_after_request), UNANSWERED),
    Case("garbage", behaves(says(b"\x00\x01 220 smtp.example ESMTP\r\n\r\n")), UNANSWERED),
    Case("only_103", behaves(says(b"HTTP/1.1 103 Early Hints\r\n\r\n")), UNANSWERED),
    Case("switches", wire(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"), UNANSWERED),
    Case(
        "dripping_head",
        answers(drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100, every=0.1)),
        broken(Reason.TIMEOUT, Phase.PROCESSING, Fault.PROVIDER),
        SHORT,
    ),
    Case(
        "hints_without_end",
        answers(flood(b"HTTP/1.1 103 Early Hints\r\n\r\n", every=0.01)),
        broken(Reason.TIMEOUT, Phase.PROCESSING, Fault.PROVIDER),
        SHORT,
    ),
    Case(
        "dripping_body",
        answers(drip(ENDLESS + GOOD, every=0.1, at_once=len(ENDLESS))),
        broken(Reason.TIMEOUT, Phase.TRANSFER, Fault.PROVIDER, 200),
        SHORT,
    ),
    Case("truncated", wire(head(b"Content-Length: 5000"), GOOD), MUTILATED),
    Case("broken_gzip", encoded(b"\x1f\x8b but not really", "gzip"), MUTILATED),
    # All that was announced came: the transfer was completed, and it is the coding that is broken.
    Case("half_a_gzip", encoded(gzip.compress(GOOD)[:-20], "gzip"), replace(MUTILATED, completed=True)),
    Case("brotli", encoded(GOOD, "br"), MUTILATED),
    Case(
        "code_999",
        wire(b"HTTP/1.1 999 Request denied\r\nContent-Length: 0\r\n\r\n"),
        Found(reason=Reason.PROTOCOL, fault=Fault.PROVIDER, code=999),
    ),
)

TLS = (
    Case("expired", presents(Authority.expired), BAD_CERTIFICATE),
    Case("not_yet_valid", presents(Authority.not_yet_valid), BAD_CERTIFICATE),
    Case("wrong_name", presents(Authority.wrong_name), BAD_CERTIFICATE),
    Case("unknown_issuer", presents(lambda _: unknown_issuer()), NO_HANDSHAKE),
    Case("plaintext", behaves(says(head(b"Content-Length: 0")), scheme="https"), NO_HANDSHAKE),
    Case("handshake_refused", behaves(says(HANDSHAKE_FAILURE), scheme="https"), NO_HANDSHAKE),
    Case("handshake_reset", behaves(reset_after_request, scheme="https"), NO_HANDSHAKE),
    Case(
        "handshake_without_end",
        behaves(mute, scheme="https"),
        broken(Reason.TIMEOUT, Phase.TLS, Fault.NETWORK),
        SHORT,
    ),
)

ERRORS = (
    Case("error_500", page(500), provider(Reason.SERVER_ERROR, 500)),
    Case("error_503", replies({"code": "REQUEST_LIMITED"}, 503), provider(Reason.SERVER_ERROR, 503)),
    Case("error_408", page(408), provider(Reason.SERVER_ERROR, 408)),
    Case("server_error", replies({"error": "server_error"}, 400), provider(Reason.SERVER_ERROR, 400)),
    Case("pingone_error", replies(PINGONE_INVALID, 400), configuration(Reason.OAUTH_ERROR, 400)),
    Case("oauth_error", replies({"error": "invalid_request"}, 400), configuration(Reason.OAUTH_ERROR, 400)),
    Case("not_found", replies(PINGONE_NOT_FOUND, 404), configuration(Reason.OAUTH_ERROR, 404)),
    Case(
        "unrouted",
        replies({"message": "Missing Authentication Token"}, 403),
        configuration(Reason.CLIENT_ERROR, 403),
    ),
    Case("gone", page(410), configuration(Reason.CLIENT_ERROR, 410)),
    Case("firewall", page(403), BLOCKED),
    Case(
        "limited",
        answers(json_answer(PINGONE_LIMITED, status=429)),
        LIMITED,
        {"source": "aaaaaaaa-0000-4000-8000-000000000001"},
    ),
    Case(
        "limited_by_word",
        replies(PINGONE_LIMITED, 400),
        Found(reason=Reason.RATE_LIMITED, fault=Fault.QUOTA, code=400),
        {"source": "aaaaaaaa-0000-4000-8000-000000000002"},
    ),
)

REDIRECTS = (
    Case(
        "sign_on_page",
        leads_to("https://apps.pingone.example/abc/signon/?flowId=1"),
        configuration(Reason.REDIRECTED, 302),
    ),
    Case("maintenance", leads_to("https://sorry.example/"), provider(Reason.REDIRECTED, 302)),
    Case("nowhere_to_go", page(302), provider(Reason.REDIRECTED, 302)),
    Case("malformed_location", leads_to("http://[::bad/%zz", 307), provider(Reason.REDIRECTED, 307)),
    Case(
        "unknown_client",
        leads_to(sign_on(json.dumps(PINGONE_NOT_FOUND))),
        configuration(Reason.OAUTH_ERROR, 302),
    ),
    Case(
        "error_in_fragment",
        leads_to("https://rp.example/cb#error=access_denied&state=x"),
        configuration(Reason.OAUTH_ERROR, 302),
    ),
    Case("provider_in_location", leads_to(sign_on("server_error")), provider(Reason.SERVER_ERROR, 302)),
)

BODIES = (
    Case("html", page(200), provider(Reason.NOT_JSON)),
    Case("array", replies([flow()]), provider(Reason.NOT_JSON)),
    Case("nothing", page(204, b""), provider(Reason.NOT_JSON, 204)),
    Case("deep", plain(b'{"a":' + b"[" * 100_000), provider(Reason.NOT_JSON)),
    Case(
        "large",
        plain(b" " * 300_000 + GOOD),
        broken(Reason.TOO_LARGE, Phase.TRANSFER, Fault.PROVIDER, 200),
    ),
    Case(
        "bomb",
        encoded(gzip.compress(b" " * 50_000_000), "gzip"),
        broken(Reason.TOO_LARGE, Phase.TRANSFER, Fault.PROVIDER, 200),
    ),
    Case(
        "body_without_end",
        answers(flood(b" " * 10_000, first=ENDLESS, every=0.001)),
        broken(Reason.TOO_LARGE, Phase.TRANSFER, Fault.PROVIDER, 200),
    ),
    Case(
        "failed",
        replies({"status": "FAILED", "error": {"code": "server_error"}}),
        provider(Reason.FLOW_FAILED, status="FAILED"),
    ),
    Case("error_in_200", replies({"error": {"code": "login_required"}}), provider(Reason.FLOW_FAILED)),
    Case("no_status", replies(flow(status=None)), provider(Reason.NOT_A_FLOW)),
    Case(
        "other_environment",
        replies(flow(environment={"id": "b"})),
        provider(Reason.NOT_A_FLOW, status=STATUS),
    ),
    Case(
        "other_status",
        replies(flow(status="OTP_REQUIRED")),
        configuration(Reason.UNEXPECTED_STATUS, status="OTP_REQUIRED"),
    ),
    Case(
        "new_status",
        replies(flow(status="NEW_STEP_REQUIRED")),
        configuration(Reason.UNEXPECTED_STATUS, status="UNKNOWN"),
    ),
    Case("davinci", replies(DAVINCI_BODY), configuration(Reason.UNEXPECTED_STATUS, status="DAVINCI")),
)

CASES = (*GOOD_ONES, *NETWORK, *TLS, *ERRORS, *REDIRECTS, *BODIES)
