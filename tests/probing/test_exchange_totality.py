"""Whatever bytes a peer sends in place of a response, the probe ends with a reason, and is no bug of ours."""

from __future__ import annotations

import gzip
import json

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from probing.examples import a_flow
from probing.loopback import says
from probing.visit import visit

from exporter.reasons import Reason, pairs_of
from exporter.target import Journey

FLOW = json.dumps(a_flow()).encode()
LINES = st.sampled_from([
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200", b"HTTP/1.0 302 Found", b"HTTP/1.1 100 Continue", b"HTTP/1.1 101 x",
    b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 x", b"HTTP/1.1 429 x", b"HTTP/2 200 x", b"ICY 200 OK", b"",
    b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999999999", b"Content-Length: x",
    b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Content-Encoding: gzip",
    b"Content-Encoding: br", b"Connection: close", b"Connection: upgrade", b"Upgrade: h2c", b" folded",
    b"Location: //[", b"Location: https://idp.example/?error=%ff", b"Retry-After: 1e9", b"Date: \xff",
    b"Set-Cookie: a=\x01", b"X: " + b"x" * 70_000, b"X:" + b"\0", b": x", b"\xff\xfe: x",
    b"0", b"5", b"ffffffffffffffffffff", b"5;a=b", b"hello", FLOW, gzip.compress(FLOW),
])  # fmt: skip
ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b""])
TEXTS = st.lists(st.tuples(LINES | st.binary(max_size=12), ENDS).map(b"".join), max_size=9).map(b"".join)
FRAMED = st.builds(
    lambda code, headers, body: b"HTTP/1.1 %d x\r\n%s\r\n%s" % (code, headers, body),
    st.integers(0, 1000),
    st.lists(LINES.map(lambda line: line + b"\r\n"), max_size=4).map(b"".join),
    st.binary(max_size=40) | TEXTS,
)


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=60)
@given(FRAMED | TEXTS | st.binary(max_size=60))
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
def test_any_bytes_in_place_of_a_response_are_judged_and_show_no_bug(raw: bytes) -> None:
    outcome = visit(says(raw, then="close")).outcome
    assert (outcome.reason, outcome.fault) in pairs_of(Journey.AUTHORIZE)
    assert outcome.reason is not Reason.INTERNAL
