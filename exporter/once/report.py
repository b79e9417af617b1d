"""What was found, as a table for people or as JSON for scripts. Pure.

target  result        status                      code  resolve  …   total  address
apac    ok            USERNAME_PASSWORD_REQUIRED   200   1.2 ms  …  143 ms  192.0.2.7
emea    server error                               503   0.9 ms  …   98 ms  192.0.2.7

emea: server error
  reason          server_error
  fault           provider
  …

1 of 2 ok, 1 failed
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.outcome import Outcome, Phase, StepRecord, as_json, rfc3339
from exporter.palette import COLORS
from exporter.reasons import Fault, Reason
from exporter.target import Journey, Target

if TYPE_CHECKING:
    from rich.console import JustifyMethod


_WORDS = {
    Reason.OK: "ok",
    Reason.DNS: "name did not resolve",
    Reason.CONNECT: "no connection",
    Reason.PROXY: "proxy failed",
    Reason.TLS: "TLS handshake failed",
    Reason.TIMEOUT: "no answer in time",
    Reason.PROTOCOL: "broken answer",
    Reason.RATE_LIMITED: "rate limited",
    Reason.SERVER_ERROR: "server error",
    Reason.REDIRECTED: "redirected",
    Reason.OAUTH_ERROR: "OAuth error",
    Reason.BLOCKED: "blocked",
    Reason.CLIENT_ERROR: "request refused",
    Reason.TOO_LARGE: "answer too large",
    Reason.NOT_JSON: "answer is no JSON",
    Reason.FLOW_FAILED: "flow failed",
    Reason.NOT_A_FLOW: "answer is no flow",
    Reason.UNEXPECTED_STATUS: "unexpected status",
    Reason.INTERNAL: "exporter's own fault",
}
_CLOSER = {
    (Reason.TLS, Fault.PROVIDER): "bad certificate",
    (Reason.TIMEOUT, Fault.NETWORK): "no connection in time",
    (Reason.REDIRECTED, Fault.CONFIGURATION): "sent to the sign-on page",
}
"""Where the fault says more."""

_NUMBERS = frozenset({"code", "total", *Phase})
_EXPENDABLE = (("address",), ("status",), ("code",), tuple(Phase))
"""Left out of a narrow table, the first ones first; what failed has it all below."""

_GAP = 2
_ENDLESS = 100_000


@dataclass(slots=True)
class Walk:
    """One walk that was asked for.

    Args:
        target: of what.
        journey: which way.
        outcome: what came of it; None as long as it is not over.
    """

    target: Target
    journey: Journey
    outcome: Outcome | None = None

    @property
    def failed(self) -> bool:
        """Whether it is over and was no success."""
        return self.outcome is not None and not self.outcome.success


def tally(walks: Iterable[Walk]) -> tuple[int, int, int]:
    """Return how many walks there are, are over, and have failed."""
    seen = [(walk.outcome is not None, walk.failed) for walk in walks]
    return len(seen), sum(over for over, _ in seen), sum(failed for _, failed in seen)


def to_json(walks: Iterable[Walk]) -> str:
    """Write every outcome that is known in the one public shape."""
    outcomes = [as_json(walk.outcome) for walk in walks if walk.outcome is not None]
    return json.dumps({"outcomes": outcomes}, indent=2)


def to_text(walks: Sequence[Walk], *, room: int | None, colors: bool) -> str:
    """Write a table, then more of each failure, then what it comes to.

    Args:
        walks: at least one.
        room: columns of the terminal; None where nothing has to be folded or left out.
        colors: whether escape sequences are understood.
    """
    file = StringIO()
    console = Console(file=file, width=room or _ENDLESS, force_terminal=colors)
    console.print(_table(walks, console.width))
    for walk in walks:
        if walk.outcome is not None and walk.failed:
            console.print()
            for line in _details(walk, walk.outcome):
                console.print(line, soft_wrap=True)
    lines = [*file.getvalue().splitlines(), "", sentence(walks)]
    return "\n".join(line.rstrip() for line in lines)


def sentence(walks: Sequence[Walk]) -> str:
    """Say what it comes to."""
    total, over, failed = tally(walks)
    parts = [f"{over - failed} of {total} ok"]
    if failed:
        parts.append(f"{failed} failed")
    if over < total:
        parts.append(f"{total - over} not finished when told to stop")
    return ", ".join(parts)


def words(walk: Walk) -> str:
    """Say in a few words how a walk ended."""
    outcome = walk.outcome
    if outcome is None:
        return "not finished"
    if not outcome.success:
        return _CLOSER.get((outcome.reason, outcome.fault), _WORDS[outcome.reason])
    if outcome.stalled:
        return "ok, not timed"  # our own loop stood still meanwhile
    return "ok, slow" if outcome.duration > walk.target.latency_objective else "ok"


def _table(walks: Sequence[Walk], room: int) -> Table:
    rows = [_cells(walk) for walk in walks]
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in columns}
    for names in _EXPENDABLE:
        if sum(widths.values()) + _GAP * (len(widths) - 1) <= room:
            break
        for name in names:
            widths.pop(name, None)
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name in widths:
        justify: JustifyMethod = "right" if name in _NUMBERS else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=name in _NUMBERS)
    for walk, row in zip(walks, rows, strict=True):
        table.add_row(*(Text(row[name], style=_style(walk) if name == "result" else "") for name in widths))
    return table


def _cells(walk: Walk) -> dict[str, str]:
    outcome, step = walk.outcome, _last(walk.outcome)
    timed = outcome is not None and not outcome.stalled
    return {
        "target": walk.target.name,
        "result": words(walk),
        "status": (step and step.flow_status) or "",
        "code": str(step.http_status_code) if step and step.http_status_code is not None else "",
        **{phase.value: _seconds(step.phases.get(phase)) if step and timed else "" for phase in Phase},
        "total": _seconds(outcome.duration) if outcome is not None and timed else "",
        "address": (step and step.address) or "",
    }


def _details(walk: Walk, outcome: Outcome) -> Iterator[Text]:
    yield Text.assemble((walk.target.name, "bold"), ": ", (words(walk), _style(walk)))
    step = _last(outcome)
    facts = {
        "reason": outcome.reason.value,
        "fault": outcome.fault.value,
        "step": outcome.step,
        "phase": outcome.phase.value,
        "code": step and step.http_status_code,
        "status": step and step.flow_status,
        "error codes": step and ", ".join(step.error_codes),
        "address": step and step.address,
        "certificate": step and _certificate(step, outcome.started_at),
        "correlation id": step and step.correlation_id,
        "transaction id": outcome.transaction_id,
        "started at": rfc3339(outcome.started_at),
    }
    for name, fact in facts.items():
        if fact:
            yield Text(f"  {name:<16}{fact}")


def _certificate(step: StepRecord, seen_at: float) -> str:
    """Say until when the certificate is good, the date being what a page about it is opened for."""
    if step.tls is None or step.tls.not_after is None:
        return ""
    word = "expired" if step.tls.not_after < seen_at else "good until"
    return f"{word} {rfc3339(step.tls.not_after)}"


def _last(outcome: Outcome | None) -> StepRecord | None:
    return outcome.steps[-1] if outcome is not None and outcome.steps else None


def _style(walk: Walk) -> str:
    return "dim" if walk.outcome is None else COLORS[walk.outcome.fault]


def _seconds(seconds: float | None) -> str:
    """Write a duration to three digits or so: `0.4 ms`, `98 ms`, `1.23 s`."""
    if seconds is None:
        return ""
    milliseconds = seconds * 1000
    if milliseconds >= 999.5:  # noqa: PLR2004  would be written as 1000
        return f"{seconds:.2f} s"
    return f"{milliseconds:.1f} ms" if milliseconds < 9.95 else f"{milliseconds:.0f} ms"  # noqa: PLR2004  as 10.0
