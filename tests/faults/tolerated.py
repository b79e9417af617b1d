"""Responses that look odd but are not faults, and bodies that must not cost other targets anything."""

from __future__ import annotations

import gzip
import json

from faults.case import STATUS, Case, ok, over_tls
from faults.content import DAVINCI, SURROGATE, among
from faults.stage import GOOD, encoded, flow, head, page, plain, presents, replies, wire
from harness.certificates import Authority

TOLERATED = (
    Case("a_flow", "a good flow", replies(flow()), ok()),
    Case("over_tls", "a good flow over TLS", presents(Authority.good), over_tls(ok())),
    Case("gzip", "gzip", encoded(gzip.compress(GOOD), "gzip"), ok()),
    Case(
        "gzip_members",
        "gzip in two members",
        encoded(gzip.compress(GOOD[:50]) + gzip.compress(GOOD[50:]), "gzip"),
        ok(),
    ),
    Case("bom", "a byte order mark", plain(b"\xef\xbb\xbf" + GOOD), ok()),
    Case("as_text", "a flow that is called HTML", page(200, GOOD), ok()),
    Case("until_close", "a body without a length", wire(head(), GOOD), ok()),
    Case(
        "in_chunks",
        "a body in chunks",
        wire(head(b"Transfer-Encoding: chunked"), b"%x;a=b\r\n%b\r\n0\r\nX: y\r\n\r\n" % (len(GOOD), GOOD)),
        ok(),
    ),
    Case("http_1_0", "HTTP/1.0", wire(head(first=b"HTTP/1.0 200 OK"), GOOD), ok()),
    Case("no_phrase", "a status line without a phrase", wire(head(first=b"HTTP/1.1 200"), GOOD), ok()),
    Case("bare_newlines", "lines that end in LF alone", wire(b"HTTP/1.1 200 OK\nX: y\n\n", GOOD), ok()),
    Case(
        "length_and_chunks",
        "a length, and chunks: the chunks stand",
        wire(
            head(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
            b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD),
        ),
        ok(),
    ),
    Case(
        "length_twice",
        "the same length twice",
        wire(head(*[b"Content-Length: %d" % len(GOOD)] * 2), GOOD),
        ok(),
    ),
    Case(
        "behind_the_end",
        "a second answer behind the first",
        wire(head(b"Content-Length: %d" % len(GOOD)), GOOD, head()),
        ok(),
    ),
    Case(
        "after_103",
        "a flow behind 103 Early Hints",
        wire(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", head(), GOOD),
        ok(),
    ),
    Case("bytes_in_headers", "bytes beyond ASCII in a header", wire(head(b"X: \xff\xfe"), GOOD), ok()),
    Case("headers_24_kb", "24 KB of headers", wire(head(*[b"X: " + b"y" * 1000] * 24), GOOD), ok()),
    Case("large_enough", "a good flow of 250 KB", plain(b" " * 250_000 + GOOD), ok()),
    Case("huge_integer", "an integer of 10,000 digits", plain(among("a", b"9" * 10_000)), ok()),
    Case("huge_number", "1e999999", plain(among("a", b"1e999999")), ok()),
    Case("many_numbers", "50,000 numbers", plain(among("a", json.dumps([7] * 50_000).encode())), ok()),
    Case(
        "duplicate_keys",
        "two statuses, of which the last one is good",
        plain(among("status", b'"OTP_REQUIRED"')),
        ok(),
    ),
    Case("surrogate", "half a character in a name", replies(flow(a=SURROGATE)), ok()),
    Case("nul", "NUL in a string", replies(flow(a="\x00")), ok()),
    Case(
        "link_of_marks",
        "a link of 120,000 combining marks",
        plain(json.dumps(flow(resumeUrl="https://a" + "\u0300\u0316" * 50_000), ensure_ascii=False).encode()),
        ok(),
    ),
    Case("no_environment", "a flow without environment", replies(flow(environment=None)), ok()),
    Case(
        "environment_in_capitals",
        "an environment in capitals",
        plain(GOOD.replace(b"abfba8f6", b"ABFBA8F6")),
        ok(),
    ),
    Case("status_alone", "nothing but a status", replies({"status": STATUS}), ok()),
    Case(
        "expected_davinci",
        "a DaVinci flow that is expected",
        replies(DAVINCI),
        ok("DAVINCI"),
        {"expected_statuses": "DAVINCI,OTP_REQUIRED"},
    ),
    Case(
        "expected_davinci_detailed",
        "a DaVinci flow in its detailed form, without links",
        replies({"interactionId": "1"}),
        ok("DAVINCI"),
        {"expected_statuses": "DAVINCI"},
    ),
    Case(
        "expected_new_status",
        "a status that only the operator knows",
        replies(flow(status="NEW_STEP_REQUIRED")),
        ok("NEW_STEP_REQUIRED"),
        {"expected_statuses": "NEW_STEP_REQUIRED"},
    ),
)
