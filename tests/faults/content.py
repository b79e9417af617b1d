"""Bodies: how they are encoded, and what stands in them."""

from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

from faults.case import (
    MUTILATED,
    NOT_JSON,
    STATUS,
    TOO_LARGE,
    UNDECODED,
    Case,
    configuration,
    provider,
)
from faults.stage import GOOD, encoded, flow, page, plain, replies

from exporter.reasons import Reason

if TYPE_CHECKING:
    from faults.case import Found

NOT_A_FLOW = provider(Reason.NOT_A_FLOW)
OTHER_ENVIRONMENT = provider(Reason.NOT_A_FLOW, 200, STATUS)


def unexpected(status: str) -> Found:
    return configuration(Reason.UNEXPECTED_STATUS, 200, status)


NEW = unexpected("UNKNOWN")
SURROGATE = "\ud800"
DAVINCI = {"interactionId": "1", "_links": {"next": {"href": "https://auth.pingone.example/next"}}}


def among(key: str, value: bytes) -> bytes:
    """Return a good flow with one member more, written by hand."""
    return b'{"%b": %b, ' % (key.encode(), value) + GOOD[1:]


CONTENT = (
    Case("gzip_broken", "an invalid gzip stream", encoded(b"\x1f\x8b but not really", "gzip"), MUTILATED),
    Case("gzip_not_at_all", "plain JSON that is called gzip", encoded(GOOD, "gzip"), MUTILATED),
    Case("gzip_truncated", "half a gzip stream", encoded(gzip.compress(GOOD)[:-20], "gzip"), UNDECODED),
    Case(
        "gzip_checksum",
        "gzip with a wrong checksum",
        encoded(gzip.compress(GOOD)[:-8] + b"\x00" * 8, "gzip"),
        MUTILATED,
    ),
    Case("gzip_twice", "gzip in gzip", encoded(gzip.compress(gzip.compress(GOOD)), "gzip, gzip"), MUTILATED),
    Case("gzip_unannounced", "gzip that is not called so", plain(gzip.compress(GOOD)), NOT_JSON),
    Case("gzip_bomb", "50 MB in 50 KB of gzip", encoded(gzip.compress(b" " * 50_000_000), "gzip"), TOO_LARGE),
    Case("brotli", "a coding that was not asked for", encoded(GOOD, "br"), MUTILATED),
    Case("deflate", "likewise", encoded(zlib.compress(GOOD), "deflate"), MUTILATED),
    Case("coding_unknown", "an unknown content encoding", encoded(GOOD, "x-nonsense"), MUTILATED),
    Case("large", "a good flow behind 300 KB of blanks", plain(b" " * 300_000 + GOOD), TOO_LARGE),
    Case("utf_16", "UTF-16", plain(GOOD.decode().encode("utf-16")), NOT_JSON),
    Case("utf_32", "UTF-32", plain(GOOD.decode().encode("utf-32")), NOT_JSON),
    Case("latin_1", "a letter in Latin-1", plain(among("name", b'"\xe4"')), NOT_JSON),
    Case("nothing", "no body", page(200, b""), NOT_JSON),
    Case("blanks", "blanks", plain(b"  \r\n"), NOT_JSON),
    Case("html", "a page", page(200), NOT_JSON),
    Case("xml", "XML", plain(b"<?xml version='1.0'?><flow/>"), NOT_JSON),
    Case("jsonp", "a JavaScript call", plain(b"cb(" + GOOD + b")"), NOT_JSON),
    Case("json_twice", "two documents", plain(GOOD + GOOD), NOT_JSON),
    Case("json_cut", "half a document, of the length announced", plain(GOOD[:-9]), NOT_JSON),
    Case("json_quotes", "single quotes", plain(GOOD.replace(b'"', b"'")), NOT_JSON),
    Case("json_comma", "a comma too many", plain(GOOD[:-1] + b",}"), NOT_JSON),
    Case("json_control", "a control character in a string", plain(among("a", b'"\n"')), NOT_JSON),
    Case("nan", "NaN", plain(among("a", b"NaN")), NOT_JSON),
    Case("infinity", "-Infinity", plain(among("a", b"-Infinity")), NOT_JSON),
    Case("deep_arrays", "100,000 arrays in each other", plain(b'{"a":' + b"[" * 100_000), NOT_JSON),
    Case("deep_objects", "40,000 nested objects", plain(b'{"a":' * 40_000), NOT_JSON),
    *(
        Case(f"document_{name}", f"JSON, but {says}", plain(body), NOT_JSON)
        for name, says, body in (
            ("null", "null", b"null"),
            ("boolean", "true", b"true"),
            ("number", "a number", b"1"),
            ("text", "a text", b'"USERNAME_PASSWORD_REQUIRED"'),
            ("array", "a list of a flow", b"[" + GOOD + b"]"),
        )
    ),
    Case("empty_object", "an empty object", plain(b"{}"), NOT_A_FLOW),
    Case("no_status", "a flow without status", replies(flow(status=None)), NOT_A_FLOW),
    Case("status_empty", "an empty status", replies(flow(status="")), NOT_A_FLOW),
    Case(
        "other_environment",
        "a flow of another environment",
        replies(flow(environment={"id": "b"})),
        OTHER_ENVIRONMENT,
    ),
    Case(
        "other_status",
        "a status that is known and not expected",
        replies(flow(status="OTP_REQUIRED")),
        unexpected("OTP_REQUIRED"),
    ),
    Case(
        "completed",
        "a flow that is complete, though no user signed on",
        replies(flow(status="COMPLETED")),
        unexpected("COMPLETED"),
    ),
    Case("new_status", "an unknown status", replies(flow(status="NEW_STEP_REQUIRED")), NEW),
    Case("status_in_small_letters", "a status in small letters", replies(flow(status=STATUS.lower())), NEW),
    Case("status_long", "a status of 100,000 letters", replies(flow(status="A_" * 50_000)), NEW),
    Case(
        "status_lines",
        "a status that forges lines of metrics and of the log",
        replies(flow(status='A"} 1\npingone_flow_probe_success 1\nlevel=error msg="forged')),
        NEW,
    ),
    Case("status_surrogate", "a status of half a character", replies(flow(status=f"A{SURROGATE}")), NEW),
    Case(
        "status_twice",
        "two statuses: the last one stands",
        plain(GOOD[:-1] + b', "status": "OTP_REQUIRED"}'),
        unexpected("OTP_REQUIRED"),
    ),
    Case(
        "davinci_elsewhere",
        "a DaVinci flow of another environment",
        replies(DAVINCI | {"companyId": "another"}),
        provider(Reason.NOT_A_FLOW, 200, "DAVINCI"),
        {"expected_statuses": "DAVINCI"},
    ),
    Case("davinci", "a DaVinci flow, which is not expected", replies(DAVINCI), unexpected("DAVINCI")),
    Case(
        "failed",
        "a flow that failed",
        replies({"status": "FAILED"}),
        provider(Reason.FLOW_FAILED, 200, "FAILED"),
    ),
)
