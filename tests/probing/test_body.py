"""A body is read the same however it is cut, and never beyond its bound."""

from __future__ import annotations

import gzip
import random
import tracemalloc
import zlib
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.probing.connection import Body, BodyError
from exporter.probing.messages import MAX_BODY_BYTES

LIMIT = 64
ENCODINGS = ["gzip", "x-gzip", "GZIP", " gzip ", "identity, gzip", "gzip,"]


def read(chunks: Iterable[bytes], encoding: str | None = None, limit: int = LIMIT) -> Body:
    body = Body(encoding, limit)
    for chunk in chunks:
        body.feed(chunk)
    return body


def cut(raw: bytes, places: Iterable[int]) -> list[bytes]:
    """Return `raw` in pieces, cut at `places` (modulo its length)."""
    ends = sorted({place % (len(raw) + 1) for place in places})
    return [raw[start:end] for start, end in zip([0, *ends], [*ends, len(raw)], strict=True)]


PLACES = st.lists(st.integers(0, 10_000), max_size=12)
PAYLOADS = st.binary(max_size=2 * LIMIT) | st.integers(0, 3 * LIMIT).map(lambda size: b"a" * size)


@given(
    payload=PAYLOADS, places=PLACES, encoding=st.sampled_from([None, "", "identity", "Identity, identity"])
)
def test_a_plain_body_is_kept_up_to_the_limit(
    payload: bytes, places: list[int], encoding: str | None
) -> None:
    body = read(cut(payload, places), encoding)
    assert body.content() == payload[:LIMIT]
    assert body.too_large is (len(payload) > LIMIT)


@given(payload=PAYLOADS, places=PLACES, encoding=st.sampled_from(ENCODINGS))
def test_a_gzip_body_is_decoded_and_kept_up_to_the_limit(
    payload: bytes, places: list[int], encoding: str
) -> None:
    body = read(cut(gzip.compress(payload), places), encoding)
    assert body.content() == payload[:LIMIT]
    assert body.too_large is (len(payload) > LIMIT)


def test_a_long_body_may_come_in_many_chunks() -> None:
    """A listing of hundreds of providers, in chunks of 512 bytes."""
    assert not read([b"a" * 512] * 4096, limit=2 * 1024 * 1024).too_large
    assert read([b"a"] * 8_193, limit=2 * 1024 * 1024).too_large
    assert read([b"a"] * 2_001, limit=MAX_BODY_BYTES).too_large


@given(members=st.lists(st.binary(max_size=20), min_size=1, max_size=6), places=PLACES)
def test_the_members_of_a_gzip_body_are_one_payload_wherever_the_chunks_are_cut(
    members: list[bytes], places: list[int]
) -> None:
    raw, payload = b"".join(gzip.compress(member) for member in members), b"".join(members)
    limit = 200  # so that the bound on the wire, twice the limit, is not what is tested here
    assert len(raw) <= 2 * limit
    body = read(cut(raw, places), "gzip", limit)
    assert body.content() == payload
    assert not body.too_large


def test_two_members_cut_in_the_middle_of_the_magic_number_are_both_read() -> None:
    first, second = gzip.compress(b"first "), gzip.compress(b"second")
    assert read([first + second[:1], second[1:]], "gzip").content() == b"first second"
    assert read([bytes([byte]) for byte in first + second], "gzip").content() == b"first second"


@given(payload=st.binary(max_size=LIMIT), junk=st.binary(max_size=40), places=PLACES)
def test_junk_behind_a_gzip_stream_is_ignored_wherever_the_chunks_are_cut(
    payload: bytes, junk: bytes, places: list[int]
) -> None:
    junk = b"\0" + junk.replace(b"\0", gzip.compress(b"no member of ours"))
    body = read(cut(gzip.compress(payload) + junk, places), "gzip", limit=LIMIT * 50)
    assert body.content() == payload
    assert not body.too_large


def test_after_junk_a_chunk_that_looks_like_a_member_is_junk_too() -> None:
    body = read([gzip.compress(b"payload") + b"\x1fjunk", gzip.compress(b"no member of ours")], "gzip")
    assert body.content() == b"payload"
    assert read([gzip.compress(b"payload"), b"\x1f", b"junk"], "gzip").content() == b"payload"


@given(st.integers(0, 10_000))
def test_a_gzip_stream_that_ends_early_is_undecodable(place: int) -> None:
    raw = gzip.compress(b"payload" * 3)
    with pytest.raises(BodyError, match="the gzip stream ended early"):
        read([raw[: 1 + place % (len(raw) - 1)]], "gzip").content()


def test_a_second_member_that_ends_early_is_undecodable() -> None:
    second = gzip.compress(b"second")
    for length in range(2, len(second)):
        with pytest.raises(BodyError, match="the gzip stream ended early"):
            read([gzip.compress(b"first"), second[:length]], "gzip").content()


@pytest.mark.parametrize(
    "raw",
    [
        b"plain text",
        zlib.compress(b"deflate, not gzip"),
        gzip.compress(b"payload")[:-8] + b"\0" * 8,
        b"\x1f\x8b" + b"\xff" * 30,
        gzip.compress(b"first") + b"\x1f\x8b" + b"\xff" * 30,
    ],
    ids=["plain", "zlib", "wrong checksum", "wrong header", "wrong second header"],
)
def test_an_invalid_gzip_stream_is_undecodable(raw: bytes) -> None:
    with pytest.raises(BodyError, match="the gzip stream is broken"):
        read([raw], "gzip").content()


@pytest.mark.parametrize(
    "encoding", ["br", "deflate", "zstd", "gzip, gzip", "gzip, br", "br, gzip", "compress", "x"]
)
def test_an_encoding_that_was_not_requested_is_undecodable(encoding: str) -> None:
    with pytest.raises(BodyError, match="the content encoding was not asked for"):
        read([gzip.compress(b"payload")], encoding).content()


@pytest.mark.parametrize("encoding", [None, "gzip", "br", "gzip, gzip"])
@pytest.mark.parametrize("chunks", [[], [b""], [b"", b""]])
def test_an_empty_body_is_empty_in_any_encoding(chunks: list[bytes], encoding: str | None) -> None:
    # Redirects and 204 carry the header without a body.
    body = read(chunks, encoding)
    assert body.content() == b""
    assert not body.too_large


@given(st.binary())
def test_any_bytes_are_a_gzip_body_or_undecodable(raw: bytes) -> None:
    body = Body("gzip", LIMIT)
    try:
        body.feed(raw)
        content = body.content()
    except BodyError:
        return
    assert len(content) <= LIMIT


def test_a_gzip_bomb_in_one_chunk_never_takes_more_than_the_limit() -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    body = Body("gzip")
    tracemalloc.start()
    try:
        body.feed(bomb)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert body.too_large
    assert body.content() == bytes(MAX_BODY_BYTES)
    # The content, the piece it was made of, and what of the chunk was not read.
    assert peak < 3 * MAX_BODY_BYTES + len(bomb)


def test_a_plain_chunk_of_any_size_is_not_copied_beyond_the_limit() -> None:
    chunk = bytes(16 * 1024 * 1024)
    body = Body(None)
    tracemalloc.start()
    try:
        body.feed(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert body.too_large
    assert peak < 4 * MAX_BODY_BYTES


def test_members_that_hold_nothing_are_given_up_at_twice_the_limit() -> None:
    member = gzip.compress(b"")
    fed = 0
    body = Body("gzip", 10 * len(member))
    while not body.too_large:
        body.feed(member)
        fed += 1
    assert fed == 21
    assert body.content() == b""


def test_after_the_limit_nothing_more_is_looked_at() -> None:
    noise = random.Random(1).randbytes(LIMIT + 1)
    body = read([gzip.compress(noise), b"not gzip at all"], "gzip")
    assert body.too_large
    assert body.content() == noise[:LIMIT]
