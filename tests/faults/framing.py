"""What is no HTTP, or HTTP at its limits."""

from __future__ import annotations

from faults.case import (
    MUTILATED,
    NO_ANSWER,
    NO_END,
    NOT_JSON,
    SHORT,
    TOO_LARGE,
    UNANSWERED,
    Case,
    ok,
)
from faults.stage import GOOD, answers, behaves, head, wire
from harness.http_messages import drip, flood, resets, sends

LENGTH = b"Content-Length: %d" % len(GOOD)
CHUNKED = head(b"Transfer-Encoding: chunked")
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD)
HINT = b"HTTP/1.1 103 Early Hints\r\n\r\n"
ENDLESS = head(b"Content-Type: application/json")

HTTP = (
    Case(
        "head_drips",
        "a head byte by byte",
        answers(drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100, every=0.1)),
        NO_ANSWER,
        SHORT,
    ),
    Case(
        "body_drips",
        "a body byte by byte",
        answers(drip(ENDLESS + GOOD, every=0.1, at_once=len(ENDLESS))),
        NO_END,
        SHORT,
    ),
    Case(
        "body_stops",
        "a body that stops and never ends",
        answers(drip(head(b"Content-Length: 5000") + GOOD, every=9, at_once=100)),
        NO_END,
        SHORT,
    ),
    Case(
        "hints_drip",
        "103 Early Hints now and then, and never an answer",
        answers(flood(HINT, every=0.05)),
        NO_ANSWER,
        SHORT,
    ),
    Case("hints_flood", "103 Early Hints as fast as they are read", answers(flood(HINT * 500)), UNANSWERED),
    Case(
        "continue_flood",
        "100 Continue as fast as it is read",
        answers(flood(b"HTTP/1.1 100 \r\n\r\n" * 500)),
        UNANSWERED,
    ),
    Case("only_103", "103 Early Hints; then it closes", wire(HINT), UNANSWERED),
    Case(
        "switches",
        "101 Switching Protocols, unasked",
        wire(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"),
        UNANSWERED,
    ),
    Case("headers_10000", "10,000 headers", wire(head(*[b"X: y"] * 10_000, LENGTH), GOOD), UNANSWERED),
    Case(
        "header_line_1_mb",
        "a header line of 1 MB",
        wire(head(b"X: " + b"y" * 1_000_000, LENGTH), GOOD),
        UNANSWERED,
    ),
    Case(
        "headers_without_end",
        "headers without end",
        answers(flood(b"X: y\r\n" * 100, first=b"HTTP/1.1 200 OK\r\n")),
        UNANSWERED,
    ),
    Case(
        "trailers_10000",
        "10,000 trailers behind the body",
        wire(CHUNKED, CHUNKS[:-2], b"X: y\r\n" * 10_000, b"\r\n"),
        MUTILATED,
    ),
    Case("head_cut", "closes within the head", wire(b"HTTP/1.1 200 OK\r\nContent-Ty"), UNANSWERED),
    Case("status_line_alone", "closes behind the status line", wire(b"HTTP/1.1 200 OK\r\n"), UNANSWERED),
    Case("truncated", "closes within the body", wire(head(b"Content-Length: 5000"), GOOD), MUTILATED),
    Case("chunks_cut", "closes within a chunk", wire(CHUNKED, CHUNKS[:100]), MUTILATED),
    Case("chunks_without_end", "closes before the last chunk", wire(CHUNKED, CHUNKS[:-5]), MUTILATED),
    Case(
        "resets_within_chunks",
        "resets within a chunk",
        answers(resets(CHUNKED + CHUNKS[:100])),
        MUTILATED,
    ),
    Case(
        "chunks_endless",
        "chunks without end",
        answers(flood(b"1000\r\n" + b" " * 4096 + b"\r\n", first=CHUNKED)),
        TOO_LARGE,
    ),
    Case(
        "chunks_tiny",
        "chunks of one byte without end",
        answers(flood(b"1\r\n \r\n" * 1000, first=CHUNKED)),
        TOO_LARGE,
    ),
    Case(
        "chunk_size_no_number",
        "a chunk size that is not a number",
        wire(CHUNKED, b"zz\r\n{}\r\n0\r\n\r\n"),
        MUTILATED,
    ),
    Case("chunk_size_negative", "a negative chunk size", wire(CHUNKED, b"-2\r\n{}\r\n0\r\n\r\n"), MUTILATED),
    Case(
        "chunk_size_huge",
        "a chunk size of 100 digits",
        wire(CHUNKED, b"f" * 100 + b"\r\n{}\r\n0\r\n\r\n"),
        MUTILATED,
    ),
    Case("chunk_too_long", "a chunk longer than its size", wire(CHUNKED, b"1\r\n{}\r\n0\r\n\r\n"), MUTILATED),
    Case(
        "chunk_extension_endless",
        "a chunk extension without end",
        answers(flood(b"x" * 1000, first=CHUNKED + b"2;x=")),
        MUTILATED,
    ),
    Case("body_endless", "a body without end", answers(flood(b" " * 10_000, first=ENDLESS)), TOO_LARGE),
    Case(
        "length_of_terabytes",
        "a length of terabytes, and the body of it",
        answers(flood(b" " * 10_000, first=head(b"Content-Length: 9999999999999"))),
        TOO_LARGE,
    ),
    Case("lengths_conflict", "two lengths", wire(head(LENGTH, b"Content-Length: 5"), GOOD), UNANSWERED),
    Case("length_negative", "a negative length", wire(head(b"Content-Length: -5"), GOOD), UNANSWERED),
    Case(
        "length_no_number",
        "a length that is not a number",
        wire(head(b"Content-Length: many"), GOOD),
        UNANSWERED,
    ),
    Case(
        "length_of_40_digits",
        "a length of 40 digits",
        wire(head(b"Content-Length: " + b"9" * 40), GOOD),
        UNANSWERED,
    ),
    Case(
        "length_short",
        "a length that ends within the JSON",
        wire(head(b"Content-Length: 20"), GOOD),
        NOT_JSON,
    ),
    Case(
        "transfer_coding_unknown",
        "an unknown transfer coding",
        wire(head(b"Transfer-Encoding: zstd"), GOOD),
        UNANSWERED,
    ),
    Case(
        "garbage",
        "the greeting of a mail server",
        behaves(sends(b"\x00\x01 220 smtp.example ESMTP\r\n\r\n")),
        UNANSWERED,
    ),
    Case(
        "speaks_first",
        "the greeting of an SSH server, before it is asked",
        behaves(sends(b"SSH-2.0-OpenSSH_9.9\r\n", after_request=False)),
        UNANSWERED,
    ),
    Case("blank_lines", "nothing but blank lines", answers(flood(b"\r\n" * 1000)), UNANSWERED),
    Case("http_0_9", "a body without a head, as HTTP/0.9 did", wire(GOOD), UNANSWERED),
    Case(
        "http_2_preface",
        "the settings of HTTP/2",
        wire(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\x00" * 18),
        UNANSWERED,
    ),
    Case(
        "http_2_status_line",
        "a status line of HTTP/2.0",
        wire(head(LENGTH, first=b"HTTP/2.0 200 OK"), GOOD),
        ok(),
    ),
    Case(
        "status_line_no_code",
        "a status line without a code",
        wire(head(LENGTH, first=b"HTTP/1.1 OK"), GOOD),
        UNANSWERED,
    ),
    Case(
        "code_of_four_digits",
        "a code of four digits",
        wire(head(LENGTH, first=b"HTTP/1.1 2000 OK"), GOOD),
        UNANSWERED,
    ),
    Case("code_negative", "a negative code", wire(head(LENGTH, first=b"HTTP/1.1 -20 OK"), GOOD), UNANSWERED),
    Case("header_no_colon", "a header without a colon", wire(head(b"Nonsense", LENGTH), GOOD), UNANSWERED),
    Case("header_no_name", "a header without a name", wire(head(b": x", LENGTH), GOOD), UNANSWERED),
    Case("header_nul", "a NUL in a header", wire(head(b"X: a\x00b", LENGTH), GOOD), UNANSWERED),
)
