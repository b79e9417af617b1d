"""The fault table: what a provider may do, and what the exporter must report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from faults.codes import CODES
from faults.content import CONTENT
from faults.details import DETAILS
from faults.discovery import FAULTS as DISCOVERY_FAULTS
from faults.federation import FAULTS as FEDERATION_FAULTS
from faults.fields import fields
from faults.framing import HTTP
from faults.names import NAMES
from faults.network import PROXIES, RESOLUTION, TCP, TLS
from faults.pingone import PINGONE
from faults.redirects import REDIRECTS
from faults.tolerated import TOLERATED
from network import conditions as network

if TYPE_CHECKING:
    from faults.case import Case, Found
    from faults.discovery import Published
    from faults.federation import Broken

GROUPS: Mapping[str, tuple[Case, ...]] = {
    "Names": (*RESOLUTION, *NAMES),
    "Connections": TCP,
    "TLS": TLS,
    "Our own proxy": PROXIES,
    "HTTP": HTTP,
    "Status codes": CODES,
    "Redirects": REDIRECTS,
    "PingOne errors": PINGONE,
    "Bodies": CONTENT,
    "Fields of the wrong type": tuple(fields()),
    "Odd, but not a fault": TOLERATED,
}
"""By heading."""

CASES: tuple[Case, ...] = tuple(case for cases in GROUPS.values() for case in cases if case not in NAMES)
"""The cases for one daemon; `NAMES` need a daemon with another name server."""

INTRODUCTION = """\
# What is reported for each fault

Generated from tests/faults/ by `make docs`. `pytest tests/faults` plays all rows to the installed command at
the same time, next to a healthy target that must not be affected, and prints the table as observed.

The [README](../README.md#reasons) explains the reasons. The phase is where the probe ended; `transfer` if the
response was complete. If code or status is empty, there was none, or it was invalid. The detail is the exact
cause, as log, pages, JSON and `probe` show it, with `host:port` in place of the real ones.
"""

FEDERATION = """\
## Federation

By step: all earlier steps succeed, and the probe ends at this one. The test runs `probe --json` for each row,
with one sign-on each.
"""

DISCOVERY = """\
## Discovery

By step. The test runs `probe --json` for each row. Other deviations in metadata and keys are contract checks,
which never fail a probe.
"""

STEP_HEADS = ("step", "what the environment does", "reason", "fault", "phase", "detail")
HEADS = ("name", "what the provider does", *STEP_HEADS[2:5], "code", "status", "error codes", "detail")


def reference() -> str:
    """Return the documentation page with the table."""
    return "\n".join([INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    for heading, cases in GROUPS.items():
        yield f"## {heading}\n"
        yield _line(HEADS)
        yield _line(["---"] * len(HEADS))
        for case in cases:
            yield _line([f"`{case.name}`", case.says, *_found(case.found), DETAILS.get(case.name, "")])
        yield ""
    yield network.INTRODUCTION
    yield _line(network.HEADS)
    yield _line(["---"] * len(network.HEADS))
    yield from map(_line, network.rows())
    yield ""
    for introduction, rows in ((FEDERATION, FEDERATION_FAULTS), (DISCOVERY, DISCOVERY_FAULTS)):
        yield introduction
        yield _line(STEP_HEADS)
        yield _line(["---"] * len(STEP_HEADS))
        for row in rows:
            detail = DETAILS.get(detail_key(row), "")
            yield _line([f"`{row.step}`", row.says, row.reason, row.fault, row.phase, detail])
        yield ""


def detail_key(row: Broken | Published) -> str:
    """Return the name of a step's row in `details.txt`."""
    return f"{row.step}: {row.says}"


def _found(found: Found) -> Iterator[str]:
    for word in (found.reason, found.fault, found.phase):
        yield word.value
    for label in (found.code, found.status, ", ".join(found.errors)):
        yield f"`{label}`" if label else ""


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
