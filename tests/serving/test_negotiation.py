"""Content negotiation: what scrapers really send, what RFC 9110 requires, and any text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.serving.negotiation import Format, accepts_gzip, choose_format

MAX_HEADER = 4096

TEXT, OPENMETRICS = Format.TEXT, Format.OPENMETRICS

PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

OM_100 = "application/openmetrics-text;version=1.0.0"
OM_001 = "application/openmetrics-text;version=0.0.1"
TEXT_100 = "text/plain;version=1.0.0"
TEXT_004 = "text/plain;version=0.0.4"
UTF8 = ";escaping=allow-utf-8"
HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp"

CLIENTS = {
    "Prometheus 2.22": (f"application/openmetrics-text; version=0.0.1,{TEXT_004};q=0.5,*/*;q=0.1", TEXT),
    "Prometheus 2.42": (f"{OM_100},{OM_001};q=0.75,{TEXT_004};q=0.5,*/*;q=0.1", OPENMETRICS),
    "Prometheus 2.53": (f"{OM_100};q=0.5,{OM_001};q=0.4,{TEXT_004};q=0.3,*/*;q=0.2", OPENMETRICS),
    "Prometheus 3": (
        f"{OM_100}{UTF8};q=0.6,{OM_001};q=0.5,{TEXT_100}{UTF8};q=0.4,{TEXT_004};q=0.3,*/*;q=0.2",
        OPENMETRICS,
    ),
    "Prometheus 3.3": (
        f"{OM_100}{UTF8};q=0.6,{OM_001}{UTF8};q=0.5,{TEXT_100}{UTF8};q=0.4,{TEXT_004}{UTF8};q=0.3,*/*;q=0.2",
        OPENMETRICS,
    ),
    "Prometheus 3 with native histograms": (
        f"{PROTOBUF};q=0.7,{OM_100}{UTF8};q=0.6,{OM_001};q=0.5,{TEXT_100}{UTF8};q=0.4,{TEXT_004};q=0.3,*/*;q=0.2",
        OPENMETRICS,
    ),
    "Prometheus 3 that is set to prefer text": (
        f"{TEXT_100}{UTF8};q=0.6,{TEXT_004};q=0.5,{OM_100}{UTF8};q=0.4,*/*;q=0.3",
        TEXT,
    ),
    "Datadog Agent 7.46": (f"{OM_100},{OM_001};q=0.75,{TEXT_004};q=0.5,*/*;q=0.1", OPENMETRICS),
    "Datadog Agent, older check": ("text/plain", TEXT),
    "Telegraf": (f"{PROTOBUF};q=0.7,{TEXT_004};q=0.3,*/*;q=0.1", TEXT),
    "prom2json": (f"{PROTOBUF};q=0.7,{TEXT_004};q=0.3", TEXT),
    "curl": ("*/*", TEXT),
    "Firefox": (
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        TEXT,
    ),
    "Chrome": (
        f"{HTML},image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
        TEXT,
    ),
    "Go's http client": ("", TEXT),
}


@pytest.mark.parametrize(("accept", "expected"), CLIENTS.values(), ids=CLIENTS)
def test_each_scraper_gets_the_format_it_prefers(accept: str, expected: Format) -> None:
    assert choose_format(accept) is expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text;version=1.0.0", OPENMETRICS),
        ('application/openmetrics-text; VERSION="1.0.0" ; charset=utf-8', OPENMETRICS),
        ("Application/OpenMetrics-Text", OPENMETRICS),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0.1,text/plain;version=1.0.0", OPENMETRICS),
    ],
)
def test_a_version_matches_exactly_and_its_absence_matches_any(accept: str, expected: Format) -> None:
    assert choose_format(accept) is expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/*", TEXT),
        ("application/*", OPENMETRICS),
        ("application/*,text/*", TEXT),
        ("application/*,*/*", TEXT),
        ("application/*;q=0.9,text/plain;q=0.8", OPENMETRICS),
        ("application/openmetrics-text,*/*", OPENMETRICS),
        ("text/plain,*/*", TEXT),
        ("text/*,application/openmetrics-text", OPENMETRICS),
        ("*/*;q=0.5,text/plain;q=0", OPENMETRICS),
        ("application/openmetrics-text;q=0,*/*", TEXT),
        ("application/openmetrics-text;q=0,application/*", TEXT),
        (
            "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text,text/plain;q=0.7",
            TEXT,
        ),
        ("text/plain;q=0.2,text/*;q=0.9,application/openmetrics-text;q=0.5", OPENMETRICS),
    ],
)
def test_the_most_specific_range_decides_and_a_wildcard_alone_gets_text(
    accept: str, expected: Format
) -> None:
    assert choose_format(accept) is expected


@pytest.mark.parametrize(
    "accept", ["", ",", ";", "application/json", "image/*", "text/plain;q=0", "*/*;q=0", "application", "/"]
)
def test_nothing_acceptable_gets_text(accept: str) -> None:
    assert choose_format(accept) is TEXT


@pytest.mark.parametrize(
    ("weight", "stronger_than_half"),
    [
        ("0", False), ("0.000", False), ("0.499", False), ("0.501", True), ("1", True), ("1.000", True),
        (".9", True), ("1.", True), ("7", True), ("-1", False),
        ('"0.9"', True), ('"0.1"', False), (" 0.1 ", False),
        ("", True), ("high", True), ("0,9", False), ("٣", True), ("9" * 400, True),
    ],
)  # fmt: skip
def test_a_weight_is_clamped_and_an_invalid_one_counts_as_absent(
    weight: str, *, stronger_than_half: bool
) -> None:
    chosen = choose_format(f"application/openmetrics-text;q={weight},text/plain;q=0.5")

    assert (chosen is OPENMETRICS) is stronger_than_half


def test_only_the_beginning_of_a_very_long_header_counts() -> None:
    named = "application/openmetrics-text"

    assert choose_format("a/b," * ((MAX_HEADER - len(named)) // 4) + named) is OPENMETRICS
    assert choose_format("a/b," * (MAX_HEADER // 4) + named) is TEXT


def test_content_types_follow_the_specifications() -> None:
    assert TEXT.content_type == "text/plain; version=0.0.4; charset=utf-8"
    assert OPENMETRICS.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("GZip", True),
        ("x-gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("identity", False),
        ("deflate, br", False),
        ("*", False),
        ("*;q=0", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=0.000", False),
        ("gzip;q=0.1", True),
        ("gzip;q=0.5, identity", False),
        ("gzip, identity;q=0.5", True),
        ("gzip;q=0.5, identity;q=0.5", True),
        ("gzip;q=1.0, identity;q=0.5, *;q=0", True),
        ("identity, *;q=0.5", False),
        ("gzip;q=0.5, *", False),
    ],
)
def test_gzip_is_accepted_if_it_is_named_and_not_ranked_below_the_plain_body(
    accept_encoding: str, *, expected: bool
) -> None:
    assert accepts_gzip(accept_encoding) is expected


MARKS = ',;="\\ /\t\x00é'
WORDS = [
    "text/plain", "application/openmetrics-text", "*/*", "gzip", "*", "identity",
    "q=", "version=", "0.5", "1.0.0",
]  # fmt: skip
HEADER_LIKE = st.lists(st.sampled_from([*WORDS, *MARKS])).map("".join)


@given(st.text() | HEADER_LIKE)
def test_any_header_gets_a_format(header: str) -> None:
    assert choose_format(header) in Format
    assert accepts_gzip(header) in {True, False}


THOUSANDTHS = st.integers(0, 1000)
NOISE = st.sampled_from(["", ";escaping=dots", ";charset=utf-8", ';x="a"', " "])


@given(openmetrics=THOUSANDTHS, text=THOUSANDTHS, rest=THOUSANDTHS, noise=NOISE, data=st.data())
def test_the_format_with_the_higher_weight_wins_in_any_order(
    openmetrics: int, text: int, rest: int, noise: str, data: st.DataObject
) -> None:
    ranges = [
        f"application/openmetrics-text;version=1.0.0{noise};q={openmetrics / 1000:.3f}",
        f"text/plain;version=0.0.4{noise};q={text / 1000:.3f}",
        f"*/*;q={rest / 1000:.3f}",
        f"application/json;q={rest / 1000:.3f}",
    ]
    accept = ",".join(data.draw(st.permutations(ranges)))

    assert (choose_format(accept) is OPENMETRICS) is (openmetrics >= text and openmetrics > 0)


@given(gzip=THOUSANDTHS, identity=THOUSANDTHS, rest=THOUSANDTHS, data=st.data())
def test_the_coding_with_the_higher_weight_wins_in_any_order(
    gzip: int, identity: int, rest: int, data: st.DataObject
) -> None:
    codings = [
        f"gzip;q={gzip / 1000:.3f}",
        f"identity;q={identity / 1000:.3f}",
        f"*;q={rest / 1000:.3f}",
        "br",
    ]
    accept_encoding = ", ".join(data.draw(st.permutations(codings)))

    assert accepts_gzip(accept_encoding) is (gzip >= identity and gzip > 0)
