"""The outcomes of probes, as a table for people or as JSON for scripts. No I/O."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import StringIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from exporter.destinations import Plan
from exporter.durations import format_latency
from exporter.files import printable
from exporter.outcome import Outcome, Phase, StepRecord, as_json, rfc3339
from exporter.probing import Listing
from exporter.reasons import reason_text
from exporter.target import Journey, Target

_NUMBERS = frozenset({"code", "total", *Phase})
_OPTIONAL_COLUMNS = (("address",), ("status",), ("code",), tuple(Phase))
"""Columns left out on a narrow terminal, in this order; the details of a failure have them all."""

_NAME_WIDTH = 16
_STEPS_PER_LINE = 3
_GAP = 2
_MAX_WIDTH = 100_000
_MAX_ROWS = 40
"""A longer table leaves out the probes that are just ok."""

_MAX_DETAILED = 10
"""More failures than this are grouped by cause, two lines per group."""
_MAX_NAMES = 10


@dataclass(slots=True)
class ProbeRun:
    """One probe of the command; its outcome is None until it has ended."""

    target: Target
    journey: Journey
    outcome: Outcome | None = None

    @property
    def failed(self) -> bool:
        """Whether it ended and did not succeed."""
        return self.outcome is not None and not self.outcome.success


def to_json(runs: Iterable[ProbeRun], *, indent: int | None = 2) -> str:
    """Return the JSON of all probes that ended, each in the public shape of an outcome."""
    outcomes = [as_json(run.outcome) for run in runs if run.outcome is not None]
    return json.dumps({"outcomes": outcomes}, indent=indent)


def to_text(
    runs: Sequence[ProbeRun], *, width: int | None, colors: bool, full: bool = True, brief: bool = False
) -> str:
    """Return a table of all probes, then the details of each failure, then a summary.

    Args:
        runs: at least one.
        width: columns of the terminal; None if nothing has to be folded or left out.
        colors: whether to use escape sequences.
        full: whether a long table has rows for probes that are just ok, too.
        brief: whether also few failures take two lines per cause.
    """
    file = StringIO()
    console = Console(file=file, width=width or _MAX_WIDTH, force_terminal=colors)
    short = not full and len(runs) > _MAX_ROWS
    rows = [run for run in runs if not short or result(run) != "ok"]
    left_out = len(runs) - len(rows)
    notes = [f"left out of the table: {left_out} ok; --full shows every probe"] if left_out else []
    if rows:
        table, more = _table(rows, console.width)
        console.print(table)
        notes += more
    failed = [run for run in runs if run.failed]
    for text in _groups(failed) if brief or len(failed) > _MAX_DETAILED else map(_details, failed):
        console.print()
        for line in text:
            console.print(line, soft_wrap=True)
    notes += [note for run in runs if (note := _failed_checks(run))]
    lines = [*file.getvalue().splitlines(), *(["", *notes] if notes else ()), "", summary(runs)]
    return "\n".join(line.rstrip() for line in lines).lstrip("\n")


def summary(runs: Sequence[ProbeRun]) -> str:
    """Return how many probes succeeded, failed, were inconclusive or incomplete, and did not finish."""
    ended = [run.outcome for run in runs if run.outcome is not None]
    counts = {
        "failed": sum(outcome.conclusive and not outcome.success for outcome in ended),
        "inconclusive": sum(not (outcome.conclusive or outcome.success) for outcome in ended),
        "without sign-on": sum(outcome.incomplete for outcome in ended),
        "not finished": sum(run.outcome is None for run in runs),
    }
    ok = f"{len(runs) - sum(counts.values())} of {len(runs)} ok"
    return ", ".join([ok, *(f"{number} {text}" for text, number in counts.items() if number)])


def result(run: ProbeRun) -> str:
    """Return how a probe ended, in a few words."""
    outcome = run.outcome
    if outcome is None:
        return "not finished"
    if not outcome.success:
        return reason_text(outcome.reason, outcome.fault)
    if outcome.incomplete:
        return "ok, no sign-on"  # `probe` sends the password of a user once, in the first round
    if outcome.stalled:
        return "ok, not timed"  # the exporter's event loop stalled meanwhile
    return "ok, slow" if outcome.duration > run.target.timing(run.journey).latency_objective else "ok"


def providers_to_text(listing: Listing, destination: str, found: Plan) -> str:
    """Return the identity providers that a destination lists, or why there is no listing."""
    outcome = listing.outcome
    if not outcome.success:
        cause = f": {outcome.detail}" if outcome.detail else ""
        return f"destination {destination}: {reason_text(outcome.reason, outcome.fault)}{cause}"
    rows = [(state.value, each.id, target, printable(each.name)) for state, target, each in found.states]
    rows = [("state", "id", "target", "name"), *rows] if rows else []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    number = len(listing.providers)
    head = f"destination {destination}: {number} identity provider{'' if number == 1 else 's'}"
    return "\n".join([head, *("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)])


def _table(runs: Sequence[ProbeRun], width: int) -> tuple[Table, list[str]]:
    """Return the table, and what explains cells that are empty and columns that are not there."""
    several = any(run.journey is not Journey.AUTHORIZE for run in runs)
    rows = [{"target": run.target.name, "journey": run.journey * several, **_cells(run)} for run in runs]
    columns = [name for name in rows[0] if any(row[name] for row in rows)]
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in columns}
    for names in _OPTIONAL_COLUMNS:
        if sum(widths.values()) + _GAP * (len(widths) - 1) <= width:
            break
        widths = {name: number for name, number in widths.items() if name not in names}
    notes = []
    if hidden := ", ".join(name for name in columns if name not in widths):
        notes.append(f"columns left out, the terminal is too narrow: {hidden}; --json has everything")
    stalled = any(run.outcome is not None and run.outcome.stalled for run in runs)
    if stalled:
        notes.append("probes without times: this machine or the exporter stalled, so they are not exact")
    unreached = [phase for phase in Phase if phase.value not in columns]
    # All but TLS were completed: it is plain HTTP.
    if unreached not in ([], [Phase.TLS]) and not stalled and any(run.failed for run in runs):
        notes.append(f"phases that no probe completed: {', '.join(unreached)}")
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
    for name in widths:
        is_number = name in _NUMBERS
        table.add_column(name, justify="right" if is_number else "left", overflow="fold", no_wrap=is_number)
    for run, row in zip(runs, rows, strict=True):
        table.add_row(*(Text(row[name], style=_style(run) if name == "result" else "") for name in widths))
    return table, notes


def _failed_checks(run: ProbeRun) -> str:
    """Return the contract checks that a probe found failing, whether it succeeded or not."""
    steps = run.outcome.steps if run.outcome is not None else ()
    failed = [f"{check} ({step.step})" for step in steps for check, ok in step.checks.items() if not ok]
    return f"{run.target.name} {run.journey}: contract checks failed: {', '.join(failed)}" if failed else ""


def _cells(run: ProbeRun) -> dict[str, str]:
    outcome, step = run.outcome, _last(run.outcome)
    timed = outcome is not None and not outcome.stalled
    return {
        "result": result(run),
        "step": outcome.step if outcome is not None and run.journey is Journey.FEDERATION else "",
        "status": (step and step.flow_status) or "",
        "code": str(step.http_status_code) if step and step.http_status_code is not None else "",
        **{phase.value: _total(outcome, phase) if outcome and timed else "" for phase in Phase},
        "total": format_latency(outcome.duration) if outcome is not None and timed else "",
        "address": (step and step.address) or "",
    }


def _groups(failed: Iterable[ProbeRun]) -> Iterator[Iterable[Text]]:
    """Yield the lines about failures that have the same cause."""
    groups: dict[tuple[str, str], list[ProbeRun]] = {}
    for run in failed:
        cause = run.outcome and (run.outcome.detail or run.outcome.transaction_id)
        groups.setdefault((result(run), cause or ""), []).append(run)
    for (text, cause), runs in groups.items():
        names, more = ", ".join(map(_name, runs[:_MAX_NAMES])), len(runs) - _MAX_NAMES
        names += f" and {more} more" if more > 0 else ""
        yield Text.assemble((names, "bold"), ": ", (text, _style(runs[0]))), Text(f"  {cause}")


def _name(run: ProbeRun) -> str:
    return run.target.name if run.journey is Journey.AUTHORIZE else f"{run.target.name} {run.journey}"


def _details(run: ProbeRun) -> Iterator[Text]:
    yield Text.assemble((_name(run), "bold"), ": ", (result(run), _style(run)))
    if (outcome := run.outcome) is None:
        return
    multi, step = run.journey is not Journey.AUTHORIZE, _last(outcome)
    facts = {
        "detail": outcome.detail,
        "reason": outcome.reason.value,
        "fault": outcome.fault.value,
        "who acts": outcome.fault.who_acts,
        "step": outcome.step,
        "side": outcome.side.value if multi else None,
        "phase": outcome.phase.value,
        "steps": _timed_steps(outcome) if multi else None,
        "code": step and step.http_status_code,
        "status": step and step.flow_status,
        "error codes": step and ", ".join(step.error_codes),
        "host": step and step.host,
        "address": step and step.address,
        "addresses tried": step and ", ".join(step.addresses_tried),
        "certificate": step and _certificate(step, outcome.started_at),
        "correlation ID": step and step.correlation_id,
        "transaction ID": outcome.transaction_id,
        "started at": rfc3339(outcome.started_at),
    }
    for name, fact in facts.items():
        if fact:
            yield Text(f"  {name:<{_NAME_WIDTH}}{fact}")


def _timed_steps(outcome: Outcome) -> str:
    """Return each step with its completed phases in total: where the time went; a few steps per line."""
    texts = [
        f"{step.step} {format_latency(sum(step.phases.values()))}"
        if step.phases and not outcome.stalled
        else step.step
        for step in outcome.steps
    ]
    lines = [", ".join(texts[at : at + _STEPS_PER_LINE]) for at in range(0, len(texts), _STEPS_PER_LINE)]
    return f",\n{'':<{_NAME_WIDTH + 2}}".join(lines)


def _total(outcome: Outcome, phase: Phase) -> str:
    """Return the time of a phase over all steps; empty if it never completed."""
    seconds = [step.phases[phase] for step in outcome.steps if phase in step.phases]
    return format_latency(sum(seconds)) if seconds else ""


def _certificate(step: StepRecord, seen_at: float) -> str:
    """Return when the certificate expires, or expired."""
    if step.tls is None or step.tls.not_after is None:
        return ""
    return f"{'expired' if step.tls.not_after < seen_at else 'expires'} {rfc3339(step.tls.not_after)}"


def _last(outcome: Outcome | None) -> StepRecord | None:
    return outcome.steps[-1] if outcome is not None and outcome.steps else None


def _style(run: ProbeRun) -> str:
    return "dim" if run.outcome is None else run.outcome.fault.color
