"""The filter of the overview and the API: `state:failing owner:identity emea`. No I/O.

Every term must match. A word matches if it is part of a target's name, host, label or state; `field:value`
matches that field alone. A value with spaces is put in double quotes.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from exporter.internal_errors import InternalErrors, Part
from exporter.serving.health import Row

MAX_QUERY_LENGTH = 200

SYNTAX = (
    "Each term must match a name, host, label or state. Fields: "
    "state:failing owner:identity host:pingone.eu tier:1"
)

_TERM = re.compile(r'(?:(?P<field>[A-Za-z][A-Za-z0-9_]*):)?(?:"(?P<quoted>[^"]*)"?|(?P<word>\S+))')
_STATE = "state"
_PARTIAL = frozenset({"name", "host", "destination", "provider"})
"""Fields in which a part of a word is enough: `host:pingone`. In labels `tier:1` must not match 10."""


class Term(NamedTuple):
    """One term of a filter, in lower case; without a field it may match any."""

    field: str | None
    value: str
    text: str


def parse_filter(query: str) -> tuple[Term, ...]:
    """Return the terms of a filter; any text is one."""
    return tuple(
        Term(match["field"], match["word"] if match["quoted"] is None else match["quoted"], match[0])
        for match in _TERM.finditer(query[:MAX_QUERY_LENGTH].lower())
    )


def matches(row: Row, terms: tuple[Term, ...], errors: InternalErrors) -> bool:
    """Return whether every term matches; True after a bug, so that a failing target stays visible."""
    with errors.catching(Part.PAGE, "cannot filter a target", target=row.status.target.name):
        fields = list(_fields(row))
        return all(_term_matches(term, fields) for term in terms)
    return True


def _fields(row: Row) -> Iterator[tuple[str, str]]:
    """Yield the fields of a target with their values, in lower case."""
    target, status = row.status.target, row.status
    yield "name", target.name
    hosts = {target.auth_host, target.destination_auth_host}
    if status.last is not None and not target.auth_host:  # the probe knows where the source is
        hosts |= {record.host or "" for record in status.last.steps}
    yield from (("host", host) for host in hosts - {""})
    for state in {row.health.badge, row.health.api, row.health.heading.lower()}:
        yield _STATE, state
    if target.listed is not None:
        yield "destination", target.listed.destination
        yield "provider", target.listed.name.lower()
    yield from ((key, value.lower()) for key, value in target.labels)


def _term_matches(term: Term, fields: list[tuple[str, str]]) -> bool:
    known = [value for name, value in fields if name == term.field]
    if term.field is None or not known:
        # A colon may also be part of a word, as in localhost:9443.
        return any(term.text.strip('"') in value for _, value in fields)
    if term.field in _PARTIAL:
        return any(term.value in value for value in known)
    if term.field == _STATE:
        return any(value.startswith(term.value) for value in known)
    whole = re.compile(rf"(?<!\w){re.escape(term.value)}(?!\w)")
    return any(whole.search(value) for value in known)
