"""Status codes of every class, each with the page that an edge would put under it."""

from __future__ import annotations

from dataclasses import replace

from faults.case import (
    BLOCKED,
    UNANSWERED,
    Case,
    Found,
    configuration,
    failing,
    limited,
    ok,
    provider,
    source,
)
from faults.stage import Scene, answers, flow, head, page, replies, wire
from harness.http_messages import body_answer, json_answer

from exporter.outcome import Phase
from exporter.reasons import Fault, Reason

GONE_ELSEWHERE = (300, 301, 302, 303, 304, 305, 306, 307, 308, 399)
CLIENT = (
    400,
    402,
    404,
    405,
    406,
    409,
    410,
    411,
    412,
    413,
    414,
    415,
    417,
    418,
    421,
    422,
    425,
    426,
    428,
    431,
    451,
    499,
)
SERVER = (408, 500, 501, 502, 503, 504, 505, 507, 508, 520, 525, 530, 599)
NO_CODES = (600, 700, 999)


def edge(code: int, header: tuple[str, str]) -> Scene:
    """Answer an HTML page with a header that only an edge sends."""
    return answers(body_answer(b"<html>", content_type="text/html", status=code, headers=(header,)))


def blocked(code: int) -> Found:
    return replace(BLOCKED, code=code)


def bare(code: int) -> bytes:
    """Return an answer without a body, framed as that code wants it."""
    length = () if code in {204, 304} else (b"Content-Length: 0",)
    return head(*length, first=b"HTTP/1.1 %03d Whatever" % code)


CODES = (
    *(
        Case(f"code_{code:03}", f"{code:03}; then it closes", wire(bare(code)), UNANSWERED)
        for code in (0, 20, 99)
    ),
    *(
        Case(f"code_{code}", f"{code}; then it closes", wire(bare(code)), UNANSWERED)
        for code in (100, 102, 199)
    ),
    *(
        Case(f"code_{code}", f"{code} with a good flow", replies(flow(), code), replace(ok(), code=code))
        for code in (201, 202, 203, 206, 226, 299)
    ),
    *(
        Case(f"code_{code}", f"{code} without a body", wire(bare(code)), provider(Reason.NOT_JSON, code))
        for code in (200, 204, 205)
    ),
    *(
        Case(
            f"code_{code}", f"{code} without a Location", wire(bare(code)), provider(Reason.REDIRECTED, code)
        )
        for code in GONE_ELSEWHERE
    ),
    *(
        Case(
            f"code_{code}", f"{code} with an HTML page", page(code), configuration(Reason.CLIENT_ERROR, code)
        )
        for code in CLIENT
    ),
    *(
        Case(f"code_{code}", f"{code} with an HTML page", page(code), replace(BLOCKED, code=code))
        for code in (401, 403)
    ),
    Case(
        "code_401_json",
        "401 with JSON that is not an error",
        replies({}, 401),
        configuration(Reason.CLIENT_ERROR, 401),
    ),
    *(
        Case(
            f"waf_{code}",
            f"{code} with x-amzn-waf-action",
            edge(code, ("x-amzn-waf-action", action)),
            blocked(code),
        )
        for code, action in ((202, "challenge"), (405, "captcha"), (403, "challenge"))
    ),
    *(
        Case(
            f"cloudflare_{code}",
            f"{code} with cf-mitigated: challenge",
            edge(code, ("cf-mitigated", "challenge")),
            blocked(code),
        )
        for code in (403, 503)
    ),
    Case("code_511", "511: a captive portal", page(511), blocked(511)),
    Case(
        "gateway_forbidden",
        "403 Forbidden by an API gateway",
        answers(
            json_answer(
                {"message": "Forbidden"}, status=403, headers=(("x-amzn-ErrorType", "ForbiddenException"),)
            )
        ),
        BLOCKED,
    ),
    Case("bare_forbidden", "403 with nothing but Forbidden", replies({"message": "Forbidden"}, 403), BLOCKED),
    Case("code_403_array", "403 with a JSON array", replies([], 403), BLOCKED),
    Case("code_407", "407, and there is no proxy", page(407), configuration(Reason.CLIENT_ERROR, 407)),
    *(Case(f"code_{code}", f"{code} with an HTML page", page(code), failing(code)) for code in SERVER),
    Case("code_429", "429 with an HTML page", page(429), limited(429), source(1)),
    Case(
        "code_429_truncated",
        "429 with half of its body: the headers are enough",
        wire(head(b"Content-Length: 9", first=b"HTTP/1.1 429 Slow down"), b"x"),
        replace(limited(429), completed=False),
        source(6),
    ),
    *(
        Case(
            f"code_{code}",
            f"{code}, which is not a valid code",
            wire(bare(code)),
            Found(reason=Reason.PROTOCOL, fault=Fault.PROVIDER, code=code),
        )
        for code in NO_CODES
    ),
    Case(
        "code_404_large",
        "404 with a body of 1 MB",
        page(404, b"x" * 1_000_000),
        replace(configuration(Reason.CLIENT_ERROR, 404), completed=False),
    ),
    Case(
        "code_404_truncated",
        "404 with half of its body",
        wire(head(b"Content-Length: 9", first=b"HTTP/1.1 404 No"), b"x"),
        replace(
            configuration(Reason.PROTOCOL, 404), fault=Fault.PROVIDER, phase=Phase.TRANSFER, completed=False
        ),
    ),
)
