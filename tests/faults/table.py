"""The fault table: what a provider may do, and what must be said of it. The one home of such rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from faults.codes import CODES
from faults.content import CONTENT
from faults.fields import fields
from faults.framing import HTTP
from faults.names import NAMES
from faults.network import PROXIES, RESOLUTION, TCP, TLS
from faults.pingone import PINGONE
from faults.redirects import REDIRECTS
from faults.tolerated import TOLERATED

if TYPE_CHECKING:
    from faults.case import Case, Found

GROUPS: Mapping[str, tuple[Case, ...]] = {
    "Names": (*RESOLUTION, *NAMES),
    "Connections": TCP,
    "TLS": TLS,
    "Our own proxy": PROXIES,
    "HTTP": HTTP,
    "Status codes": CODES,
    "Redirects": REDIRECTS,
    "Errors of PingOne": PINGONE,
    "Bodies": CONTENT,
    "Fields of another type": tuple(fields()),
    "Odd, and no fault": TOLERATED,
}
"""By heading."""

CASES: tuple[Case, ...] = tuple(case for cases in GROUPS.values() for case in cases if case not in NAMES)
"""What one daemon probes; `NAMES` want one of their own, which asks another name server."""

INTRODUCTION = """\
# What is told of each fault

Made by `make docs` from tests/faults/. `pytest tests/faults` plays every row to the installed command, all
of them at the same time, beside a healthy target whose numbers must stay right, and prints the same table
as it was found.

What a reason means stands in the README. The phase is where the probe ended; `transfer` when the answer was
complete. A code or a status that is not there did not come, or not in a way that counts.
"""

HEADS = ("fault", "what is done", "reason", "fault of", "phase", "code", "status", "error codes")


def reference() -> str:
    """Return the page of the documentation that shows the table."""
    return "\n".join([INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    for heading, cases in GROUPS.items():
        yield f"## {heading}\n"
        yield _line(HEADS)
        yield _line(["---"] * len(HEADS))
        for case in cases:
            yield _line([f"`{case.name}`", case.says, *_found(case.found)])
        yield ""


def _found(found: Found) -> Iterator[str]:
    for word in (found.reason, found.fault, found.phase):
        yield word.value
    for label in (found.code, found.status, ", ".join(found.errors)):
        yield f"`{label}`" if label else ""


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
