"""Content negotiation: the metrics format, and whether to compress (RFC 9110, 12.5.1 and 12.5.3). No I/O.

A client gets a response whatever it sends: text, the oldest format, rather than 406. Quoted strings with
commas or semicolons are not understood; no client sends them.
"""

from collections.abc import Iterator
from enum import Enum

MAX_HEADER_CHARACTERS = 4096
"""The rest of a header is ignored; real ones have 300."""


class Format(Enum):
    """A metrics format: its media type and the only version of it that is served."""

    TEXT = ("text/plain", "0.0.4")
    OPENMETRICS = ("application/openmetrics-text", "1.0.0")

    def __init__(self, media_type: str, version: str) -> None:
        self.media_type = media_type
        self.version = version

    @property
    def content_type(self) -> str:
        """The `Content-Type`, as the format's specification spells it."""
        return f"{self.media_type}; version={self.version}; charset=utf-8"


def choose_format(accept: str) -> Format:
    """Return the metrics format that the client prefers.

    The most specific range that matches a format gives its weight. At equal weights OpenMetrics wins if it is
    named; a wildcard alone gets text. `accept` is all `Accept` headers, joined by commas; it may be empty.
    """
    ranges = list(_elements(accept))
    named, openmetrics = _weight(Format.OPENMETRICS, ranges)
    _, text = _weight(Format.TEXT, ranges)
    if openmetrics > text or (named and openmetrics == text > 0):
        return Format.OPENMETRICS
    return Format.TEXT


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether all `Accept-Encoding` headers, joined by commas, name gzip and do not prefer plain."""
    weights = {name: weight for name, _, weight in _elements(accept_encoding)}
    gzip = max(weights.get("gzip", 0.0), weights.get("x-gzip", 0.0))
    return gzip > 0 and gzip >= weights.get("identity", weights.get("*", 0.0))


def _weight(form: Format, ranges: list[tuple[str, str | None, float]]) -> tuple[bool, float]:
    """Return whether a format is named, and its weight; 0 if it is not acceptable."""
    for name in (form.media_type, form.media_type.partition("/")[0] + "/*", "*/*"):
        matching = [
            (version is not None, weight)
            for range_name, version, weight in ranges
            if range_name == name and version in {None, form.version}
        ]
        if matching:
            return name == form.media_type, max(matching)[1]
    return False, 0.0


def _elements(header: str) -> Iterator[tuple[str, str | None, float]]:
    """Yield name, `version` and weight of each element of a list."""
    for element in header[:MAX_HEADER_CHARACTERS].lower().split(","):
        name, *parameters = (part.strip() for part in element.split(";"))
        values = dict[str, str]()
        for parameter in parameters:
            key, _, value = parameter.partition("=")
            values.setdefault(key.strip(), value.strip().strip('"'))
        try:
            weight = min(1.0, max(0.0, float(values.get("q", "1"))))
        except ValueError:
            weight = 1.0
        yield name, values.get("version"), weight
