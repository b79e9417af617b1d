"""Judge what a soak has left: one row for each bound, as a table and as JSON. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.samples import percentile
from benchmarks.soak.accounting import Matched, floor, growth, match, runs_due
from benchmarks.soak.readings import MAX_SHOWN_LINES, read_seen
from benchmarks.soak.run import Soaked, cut_by_reloads, is_cut

MAX_MEMORY_GROWTH_MB = 1.0
"""Of memory in use, in 10 minutes. What is held free comes and goes in steps of a megabyte and more."""
MAX_FREE_MB = 20.0
"""Memory that is not in use. It was 7 to 11 MB; TLS contexts that each reload built anew left 15 MB more."""
MIN_MEASURED_SECONDS = 300.0
"""A shorter run shows growth and does not judge it: what the exporter keeps of a target is not full yet."""
_SHOWN = 5
_SHOWN_GROWTH = {
    "megabytes": ("memory (PSS)", " MB"),
    "own_megabytes": ("  without files", " MB"),
    "live_megabytes": ("  in use", " MB"),
    "descriptors": ("descriptors", ""),
    "tasks": ("tasks", ""),
    "threads": ("threads", ""),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table.

    Args:
        what: was looked at.
        found: in words.
        kept: whether its bound is kept; None without a bound.
    """

    what: str
    found: str
    kept: bool | None = None


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of one target.

    Args:
        least: that were due.
        most: that were due.
        completed: by the page of metrics.
        logged: by the log.
        skipped: by cause.
    """

    least: int
    most: int
    completed: int
    logged: int
    skipped: dict[str, int]

    @property
    def lost(self) -> int:
        """Due runs that were neither completed nor skipped."""
        return max(0, self.least - self.completed - sum(self.skipped.values()))

    @property
    def doubled(self) -> int:
        """Runs beyond those that were due."""
        return max(0, self.completed + sum(self.skipped.values()) - self.most)


def runs_of(soaked: Soaked) -> dict[str, Runs]:
    """Return the runs of each target that was there all the time."""
    completed = soaked.page.by_target("pingone_flow_probes_total", "reason")
    skipped = soaked.page.by_target("pingone_flow_exporter_probes_skipped_total", "cause")
    found = {}
    for each in soaked.targets:
        if each.lives_all_the_time:
            due = runs_due(each.name, each.journey, each.interval, each.timeout, soaked.lives[each.name])
            found[each.name] = Runs(
                int(due.earliest),
                int(due.latest),
                completed.get(each.name, Counter()).total(),
                soaked.log.targets[each.name],
                dict(skipped.get(each.name, {})),
            )
    return found


def requests_of(soaked: Soaked) -> Matched:
    """Return the exporter's probes beside those that the provider saw."""
    environments = {each.name: each.environments for each in soaked.targets}
    return match(soaked.log.probes, read_seen(soaked.seen), soaked.switches, environments)


def growth_of(soaked: Soaked) -> dict[str, float]:
    """Return by how much each of what is read of the process has grown."""
    return {
        name: growth(floor([(each.at, float(getattr(each, name))) for each in soaked.readings]))
        for name in _SHOWN_GROWTH
    }


def judge(soaked: Soaked, runs: dict[str, Runs], matched: Matched) -> list[Row]:
    """Return every row."""
    return [
        *_rows_of_load(soaked),
        *_rows_of_runs(soaked, runs),
        *_rows_of_requests(soaked, matched),
        *_rows_of_page(soaked),
        *_rows_of_process(soaked),
        *_rows_of_clients(soaked),
        *_rows_of_log(soaked),
    ]


def _rows_of_load(soaked: Soaked) -> Iterator[Row]:
    probes = len(soaked.log.probes)
    cpu, provider_cpu = (
        100 * used / soaked.seconds for used in (soaked.cpu_seconds, soaked.provider_cpu_seconds)
    )
    reasons = Counter(probe.reason for probe in soaked.log.probes.values())
    most = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
    full = "" if soaked.is_full else "; histories were not full when memory was compared"
    measured = soaked.readings[-1].at - soaked.readings[0].at
    yield Row("time", f"{soaked.seconds:.0f} s, {measured:.0f} s of it soak{full}")
    yield Row("probes", f"{probes}, {probes / soaked.seconds:.1f} a second; {soaked.rate} were asked for")
    yield Row("reasons", most)
    yield Row("CPU", f"exporter {cpu:.0f} % of a core, provider {provider_cpu:.0f} %")


def _rows_of_runs(soaked: Soaked, runs: dict[str, Runs]) -> Iterator[Row]:
    skipped: Counter[str] = Counter()
    for each in runs.values():
        skipped.update(each.skipped)
    restarted = {each.name for each in soaked.targets if each.is_restarted}
    for what, of in (
        ("runs due, steady targets", [each for name, each in runs.items() if name not in restarted]),
        ("  targets that reloads restart", [each for name, each in runs.items() if name in restarted]),
    ):
        done = sum(each.completed + sum(each.skipped.values()) for each in of)
        least, most = sum(each.least for each in of), sum(each.most for each in of)
        yield Row(what, f"{least} to {most} of {len(of)} targets; {done} completed or skipped")
    causes = ", ".join(f"{cause} {count}" for cause, count in sorted(skipped.items()))
    yield Row("  completed", str(sum(each.completed for each in runs.values())))
    yield Row("  skipped", causes)
    for what in ("lost", "doubled"):
        off = {name: getattr(each, what) for name, each in runs.items() if getattr(each, what)}
        yield Row(f"  {what}", _numbers(sum(off.values()), off), not off)
    off = {name: each.completed - each.logged for name, each in runs.items() if each.completed != each.logged}
    yield Row("  metrics minus log", _numbers(sum(off.values()), off), not off)


def _rows_of_requests(soaked: Soaked, matched: Matched) -> Iterator[Row]:
    cut = {name: count for name, count in matched.unreported.items() if is_cut(name)}
    strange = {name: count for name, count in matched.unreported.items() if not is_cut(name)}
    most = cut_by_reloads(soaked)
    yield Row("requests", f"{matched.sent} sent, {matched.seen} of them seen by the provider")
    yield Row("  in a queue that was closed", str(matched.closing))
    yield Row("  repeated, connection had ended", str(matched.repeated))
    yield Row("  lost", _texts(_probes(soaked, matched.lost)), not matched.lost)
    yield Row("  doubled", _texts(_probes(soaked, matched.doubled)), not matched.doubled)
    yield Row("  probes cut by a reload", f"{sum(cut.values())} of at most {most}", sum(cut.values()) <= most)
    yield Row("  probes never reported", _numbers(sum(strange.values()), strange), not strange)


def _probes(soaked: Soaked, transactions: list[str]) -> list[str]:
    return [f"{transaction} {soaked.log.probes[transaction]}" for transaction in transactions]


def _rows_of_page(soaked: Soaked) -> Iterator[Row]:
    wrong = soaked.page.wrong_series(soaked.at_the_end)
    yield Row(
        "series",
        f"{len(soaked.page.samples)} of {len(soaked.at_the_end)} targets; wrong: {_texts(wrong)}",
        not wrong,
    )


def _rows_of_process(soaked: Soaked) -> Iterator[Row]:
    readings = soaked.readings
    for name, grown in growth_of(soaked).items():
        what, unit = _SHOWN_GROWTH[name]
        values = [getattr(each, name) for each in readings]
        yield Row(
            what,
            f"{min(values):.1f} to {max(values):.1f}{unit}, floor {grown:+.2f}{unit} by least squares",
        )
    before, after = soaked.before, soaked.after
    between = after[0].at - before[0].at
    is_judged = soaked.is_full and between >= MIN_MEASURED_SECONDS
    was, now = (median(each.live_megabytes for each in stage) for stage in (before, after))
    grown = growth([(before[0].at, was), (after[0].at, now)])
    yield Row(
        "memory in use, compared",
        f"{was:.2f} MB, after {between:.0f} s {now:.2f}: {grown:+.2f} MB in 10 minutes",
        grown <= MAX_MEMORY_GROWTH_MB if is_judged else None,
    )
    free = median(each.own_megabytes - each.live_megabytes for each in readings)
    yield Row("memory not in use", f"{free:.1f} MB by the median", free <= MAX_FREE_MB if is_judged else None)
    rest = soaked.at_rest
    if rest is not None:
        found = f"{rest.descriptors} descriptors, {rest.tasks} tasks, {rest.threads} threads"
        yield Row("at rest, one probe in flight", found, rest.is_at_rest)


def _rows_of_clients(soaked: Soaked) -> Iterator[Row]:
    visits = soaked.visits
    p50, p99, worst = (percentile(visits.scrapes_ms, share) for share in (0.5, 0.99, 1.0))
    yield Row("scrapes", f"{len(visits.scrapes_ms)}; p50 {p50:.0f}, p99 {p99:.0f}, worst {worst:.0f} ms")
    yield Row("answers to scrapes and visits", _counts(visits.answers), not visits.failed)
    yield Row(
        "answers to wrong passwords", _counts(visits.refusals), not set(visits.refusals) - {"401", "503"}
    )
    yield Row("connections held by hostile clients", _counts(visits.held))
    yield Row("reloads", f"{soaked.reloads}; failed: {_texts(soaked.bad_reloads)}", not soaked.bad_reloads)


def _rows_of_log(soaked: Soaked) -> Iterator[Row]:
    log = soaked.log
    yield Row("lines of the log", str(log.lines))
    yield Row("  not expected", _texts(log.unexpected), not log.unexpected)
    yield Row("  probes reported twice", str(len(log.repeated)), not log.repeated)
    yield Row("exit status", str(soaked.exit_status), soaked.exit_status == 0)


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items())) or "none"


def _numbers(total: int, of: dict[str, int]) -> str:
    named = ", ".join(f"{name} {count}" for name, count in list(of.items())[:_SHOWN])
    return f"{total} ({named})" if of else "0"


def _texts(texts: list[str]) -> str:
    return "; ".join([str(len(texts)), *(text[:400] for text in texts[:_SHOWN])])


def table(rows: list[Row]) -> list[str]:
    """Return the lines of the table."""
    marks = {None: "", True: "ok", False: "BROKEN"}
    return [f"{row.what:<36}{marks[row.kept]:<8}{row.found}" for row in rows]


def as_json(soaked: Soaked, rows: list[Row], runs: dict[str, Runs], matched: Matched) -> dict[str, Any]:
    """Return what can be compared with another run."""
    return {
        "kept": all(row.kept is not False for row in rows),
        "rows": [asdict(row) for row in rows],
        "runs": {name: asdict(each) for name, each in runs.items()},
        "requests": asdict(matched),
        "growth": growth_of(soaked),
        **{
            name: [asdict(each) for each in getattr(soaked, name)] for name in ("before", "readings", "after")
        },
        "unexpected_lines": soaked.log.unexpected[:MAX_SHOWN_LINES],
    }
