"""Content negotiation for the metrics page: which format, and whether it is compressed. Pure.

    Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2
            └──────── range ───────────┘└─ version ──┘└ weight

RFC 9110, sections 12.4.2 (weights), 12.5.1 (Accept) and 12.5.3 (Accept-Encoding). Whatever a client
sends, there is an answer: a scraper that cannot say what it wants is better served with the oldest
format than with an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum

LONGEST = 4096
"""Characters of a header that are read. Honest ones have 300; work must be bounded whatever is sent."""

_QUOTED = r'"(?:\\.|[^"\\])*+"?'
_SEPARATORS = {mark: re.compile(f"{_QUOTED}|{mark}", re.DOTALL) for mark in ",;"}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_WEIGHT = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)")

_UNMATCHED, _ANYTHING, _TYPE, _NAMED = range(4)


class Format(Enum):
    """A metrics format: its media type and the one version of it that is served."""

    TEXT = ("text/plain", "0.0.4")
    OPENMETRICS = ("application/openmetrics-text", "1.0.0")

    def __init__(self, media_type: str, version: str) -> None:
        self.media_type = media_type
        self.version = version

    @property
    def content_type(self) -> str:
        """The whole `Content-Type`, as the formats' specifications spell it."""
        return f"{self.media_type}; version={self.version}; charset=utf-8"


def choose(accept: str | None) -> Format:
    """Choose the format that the client likes best.

    The most specific range that matches a format gives its weight. At equal weights OpenMetrics wins
    if it was named, since it says more; a wildcard alone is a person or an old scraper, and gets text.
    Nothing acceptable means text as well, as Prometheus' Go client does it, never 406.

    Args:
        accept: the `Accept` header, several joined by commas; None if there was none.
    """
    ranges = list(_elements(accept or ""))
    level, openmetrics = _appeal(Format.OPENMETRICS, ranges)
    _, text = _appeal(Format.TEXT, ranges)
    if openmetrics > text or (openmetrics == text > 0 and level == _NAMED):
        return Format.OPENMETRICS
    return Format.TEXT


def wants_gzip(accept_encoding: str | None) -> bool:
    """Tell whether the client would rather have gzip than the plain body.

    Args:
        accept_encoding: the `Accept-Encoding` header, several joined by commas; None if there was
            none, which permits any coding but asks for none.
    """
    weights: dict[str, float] = {}
    for name, _, weight in _elements(accept_encoding or ""):
        # RFC 9110, 8.4.1.3: x-gzip is to be taken for gzip
        coding = "gzip" if name == "x-gzip" else name
        weights[coding] = max(weight, weights.get(coding, 0.0))
    others = weights.get("*", 0.0)
    gzip = weights.get("gzip", others)
    return gzip > 0 and gzip >= weights.get("identity", others)


def _appeal(form: Format, ranges: list[tuple[str, frozenset[str], float]]) -> tuple[int, float]:
    """How specifically a format is accepted, and with what weight; 0 and 0.0 when it is not."""
    level, _, weight = max(
        (
            (_level(name, form), bool(versions), weight)
            for name, versions, weight in ranges
            if versions <= {form.version}
        ),
        default=(_UNMATCHED, False, 0.0),
    )
    return level, weight if level else 0.0


def _level(name: str, form: Format) -> int:
    if name == form.media_type:
        return _NAMED
    if name == form.media_type.partition("/")[0] + "/*":
        return _TYPE
    return _ANYTHING if name == "*/*" else _UNMATCHED


def _elements(header: str) -> Iterator[tuple[str, frozenset[str], float]]:
    """Read a list of names with parameters: lower-cased name, values of `version`, weight."""
    for element in _split(header[:LONGEST], ","):
        name, *parameters = _split(element, ";")
        weight, versions = 1.0, set()
        for parameter in reversed(parameters):  # so that the first of several weights counts
            key, _, value = parameter.partition("=")
            match key.strip().lower():
                case "q":
                    weight = _weight(_unquoted(value.strip()))
                case "version":
                    versions.add(_unquoted(value.strip()))
        yield name.strip().lower(), frozenset(versions), weight


def _weight(text: str) -> float:
    """Read a q-value. Out of bounds is brought within; what is no number is taken as not written."""
    return min(1.0, max(0.0, float(text))) if _WEIGHT.fullmatch(text) else 1.0


def _split(text: str, separator: str) -> Iterator[str]:
    """Split at a separator, but not inside quoted strings; an unclosed quote lasts to the end."""
    start = 0
    for match in _SEPARATORS[separator].finditer(text):
        if match[0] == separator:
            yield text[start : match.start()]
            start = match.end()
    yield text[start:]


def _unquoted(value: str) -> str:
    return _ESCAPED.sub(r"\1", value[1:].removesuffix('"')) if value.startswith('"') else value
