"""The command `probe`: probe each target once, or again and again, and print the outcomes.

Probes are started as the daemon starts them, by the same prober and with the same spacing. Nothing is
retried, and a rate limit pauses nothing: the user wants each target's outcome.
"""

from __future__ import annotations

import asyncio
import fnmatch
import os
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from shutil import get_terminal_size
from types import FrameType
from typing import NoReturn, TextIO

from exporter.destinations import Destination, listed_once
from exporter.files import printable
from exporter.observing import LoopWatch, log_to
from exporter.outcome import Outcome, rfc3339
from exporter.probe_command.report import ProbeRun, providers_to_text, to_json, to_text
from exporter.probing import Listing, Prober, SSLContexts, list_providers, warm_up
from exporter.process import CommandError, freeze_gc, stop_signals
from exporter.scheduling import first_delays
from exporter.settings import Config
from exporter.target import Journey, Target

_SPACING = 0.01
"""Seconds between any two starts: hundreds of starts at once would delay each other."""

_REFRESHES_PER_SECOND = 4
_MAX_LISTED_NAMES = 20
_EXIT_FAILED = 1


class UnknownTargetError(CommandError):
    """Names, patterns or labels that no enabled target has; one line each."""

    exit_status = 2


@dataclass(frozen=True, slots=True)
class Selection:
    """What is probed.

    Args:
        names: of targets, discovered ones too, or patterns of names; none means all, unless destinations are
            named.
        destinations: names of destinations; each is listed, and its targets are probed.
        labels: names and values of labels; of these targets, only those that have them all.
    """

    names: Sequence[str] = ()
    destinations: Sequence[str] = ()
    labels: Sequence[tuple[str, str]] = ()


def probe(
    config: Config, selection: Selection, *, watch: bool, every: float | None, as_json: bool, full: bool
) -> bool:
    """Probe each selected target, and print the outcomes.

    Args:
        config: the configuration.
        selection: the targets.
        watch: probe again and again, until a signal.
        every: seconds between the starts of two rounds; None means the shortest interval.
        as_json: print JSON instead of a table.
        full: print all rows of a long table.

    Returns:
        Whether every probe of the last complete round succeeded and the outcomes were written.

    Raises:
        UnknownTargetError: something is selected that does not exist.
    """
    level = "error" if config.log.level == "error" else "warning"
    with log_to(sys.stderr, level=level, style=config.log.format):
        runs = _runs(selection, config, _list(to_list(selection.names, selection.destinations, config)))
        if not runs:
            print("nothing to probe: the destination lists no providers", file=sys.stderr)  # noqa: T201  likewise
            return False
        if watch:
            every = every or min(run.target.timing(run.journey).interval for run in runs)
        session = _Session(runs, every if watch else None, partial(_write, as_json=as_json, full=full))
        asyncio.run(session.probe(config.max_concurrent_probes))
        for number in (signal.SIGTERM, signal.SIGINT):  # a write below may block on the terminal or pipe
            signal.signal(number, _exit)
    if not session.shown:
        session.show()
    return session.written and all(run.outcome is not None and run.outcome.success for run in session.runs)


def list_now(config: Config) -> tuple[str, bool]:
    """List the identity providers of all destinations; return the text, and whether all were listed."""
    listings = _list(config.destinations)
    blocks = (
        providers_to_text(
            listing, each.name, listed_once(each, listing.providers, config.enabled, config.disabled)
        )
        for each, listing in listings.items()
    )
    text = "\n\n".join(blocks) or "no destinations"
    return text, all(listing.outcome.success for listing in listings.values())


def to_list(names: Sequence[str], destinations: Sequence[str], config: Config) -> list[Destination]:
    """Return the destinations with these names, and those that may have these targets; all without names.

    Raises:
        UnknownTargetError: there is no such destination.
    """
    known = {destination.name: destination for destination in config.destinations}
    if unknown := [name for name in destinations if name.lower() not in known]:
        hint = f"known: {', '.join(known)}" if known else "the configuration has none"
        raise UnknownTargetError(
            "\n".join(f'unknown destination "{printable(name)}"; {hint}' for name in unknown)
        )
    wanted = {name.lower() for name in destinations}
    others = {name.lower() for name in names} - _configured(config)
    wanted |= {name for name in known if any(_may_be_of(name, other) for other in others)}
    return [each for name, each in known.items() if name in wanted or not (names or destinations)]


def _may_be_of(destination: str, name: str) -> bool:
    """Return whether a destination may list a target of this name, or one that matches this pattern."""
    prefix, start = f"{destination}_", re.split(r"[*?[]", name)[0]
    return start.startswith(prefix) or (start != name and prefix.startswith(start))


def _configured(config: Config) -> set[str]:
    return {target.name for target in (*config.enabled, *config.disabled)}


def choose(names: Sequence[str], config: Config, discovered: Iterable[Target] = ()) -> tuple[Target, ...]:
    """Return the targets with these names or patterns, each once and in order; without any, all of them.

    Targets of other shards count too, so that the command works in any pod.

    Raises:
        UnknownTargetError: a name is not that of an enabled target, or no name matches a pattern.
    """
    targets = sorted((*config.enabled, *discovered), key=lambda target: target.name)
    enabled = {target.name: target for target in targets}
    if not names:
        return tuple(targets)
    wanted = {name: fnmatch.filter(enabled, name) for name in (name.lower() for name in names)}
    if unknown := [name for name, found in wanted.items() if not found]:
        disabled = [target.name for target in config.disabled]
        raise UnknownTargetError("\n".join(_explain(name, enabled, disabled) for name in unknown))
    return tuple(enabled[name] for name in dict.fromkeys(name for found in wanted.values() for name in found))


def _explain(name: str, enabled: Iterable[str], disabled: Sequence[str]) -> str:
    if name in disabled:
        return f'target "{name}" is disabled; set its ENABLED to true'
    known = sorted(enabled)
    if re.search(r"[*?[]", name):
        return f'no target matches "{printable(name)}"; {_known(known)}'
    if similar := get_close_matches(name, (*known, *disabled), n=1):
        hint = f"did you mean {similar[0]}?"
    else:
        hint = _known(known)
    return f'unknown target "{printable(name)}"; {hint}'


def _known(texts: Sequence[str]) -> str:
    more = len(texts) - _MAX_LISTED_NAMES
    return f"known: {', '.join(texts[:_MAX_LISTED_NAMES])}{f' and {more} more' if more > 0 else ''}"


def _with_labels(targets: Collection[Target], labels: Sequence[tuple[str, str]]) -> list[Target]:
    """Return the targets that have all these labels.

    Raises:
        UnknownTargetError: none of them has.
    """
    found = [target for target in targets if set(labels) <= set(target.labels)]
    if targets and not found:
        names = {name for name, _ in labels}
        known = sorted(
            {f"{name}={value}" for each in targets for name, value in each.labels if name in names}
        )
        wanted = ", ".join(f"{name}={value}" for name, value in labels)
        hint = (
            printable(_known(known)) if known else f"none has a label {printable(' or '.join(sorted(names)))}"
        )
        plural = "s" if len(labels) > 1 else ""
        raise UnknownTargetError(f"no target has the label{plural} {printable(wanted)}; {hint}")
    return found


def _list(destinations: Sequence[Destination]) -> Mapping[Destination, Listing]:
    """List each destination once, or raise CommandError if a signal ends it."""
    found: dict[Destination, Listing] = {}

    async def list_all() -> None:
        prober = Prober(SSLContexts([each.template for each in destinations]), one_shot=True)
        await warm_up(prober)
        for each in destinations:
            found[each] = await list_providers(prober, each)

    if destinations:
        asyncio.run(_until_stopped(list_all()))
    if len(found) < len(destinations):
        raise CommandError("stopped before the identity providers were listed")
    return found


def _runs(selection: Selection, config: Config, listings: Mapping[Destination, Listing]) -> list[ProbeRun]:
    """Return what to probe; a listing that failed is a run that has ended."""
    names, wanted = selection.names, {name.lower() for name in selection.destinations}
    failed, discovered, chosen = list[ProbeRun](), dict[str, Target](), dict[str, Target]()
    for each, listing in listings.items():
        if not listing.outcome.success:
            failed.append(ProbeRun(each.template, Journey.FEDERATION, listing.outcome))
            continue
        found = listed_once(each, listing.providers, config.enabled, config.disabled)
        discovered |= {target.name: target for target in found.targets}
        if each.name in wanted:
            chosen |= {target.name: target for target in found.targets}
    # A name that only a listing can explain is not wrong if there is none.
    known = _configured(config) | discovered.keys()
    named = [
        name
        for name in map(str.lower, names)
        if fnmatch.filter(known, name) or not any(_may_be_of(run.target.name, name) for run in failed)
    ]
    if named or not (names or wanted):
        chosen = {target.name: target for target in choose(named, config, discovered.values())} | chosen
    targets = _with_labels(chosen.values(), selection.labels)
    return [ProbeRun(target, journey) for target in targets for journey in target.journeys] + failed


class _Session:
    """One call of the command: a round of probes or, every some seconds, one after the other until a signal.

    Attributes:
        runs: the last round that has ended, or the first.
        shown: whether it is written.
        written: whether all that was to be written is, or the reader closed the pipe.
    """

    def __init__(
        self, runs: list[ProbeRun], every: float | None, write: Callable[..., OSError | None]
    ) -> None:
        self.runs, self.shown, self.written = runs, False, True
        self._every = every
        self._write = write

    def show(self) -> bool:
        """Write the last round, and return whether more can be written."""
        error = self._write(self.runs, sys.stdout, several=self._every is not None)
        self.shown, self.written = True, error is None or isinstance(error, BrokenPipeError)
        return error is None

    async def probe(self, max_concurrent_probes: int) -> None:
        """Run all rounds. SIGTERM, SIGINT or SIGHUP ends them."""
        watch = LoopWatch(asyncio.get_running_loop().time, lambda _lag: None)
        # One for all rounds: it remembers which passwords were sent.
        prober = Prober(SSLContexts([run.target for run in self.runs]), stalls=watch.stalls, one_shot=True)
        await warm_up(prober)
        freeze_gc()
        watching = asyncio.create_task(watch.run())
        try:
            await _until_stopped(self._rounds(prober, max_concurrent_probes))
        finally:
            watching.cancel()

    async def _rounds(self, prober: Prober, max_concurrent_probes: int) -> None:
        loop, runs = asyncio.get_running_loop(), self.runs
        while True:
            started, to_run = loop.time(), [run for run in runs if run.outcome is None]
            with _progress_bar(len(to_run)) as advance:
                await _run_all(to_run, prober, max_concurrent_probes, advance)
            failed_listings, self.runs = runs[len(to_run) :], runs
            if self._every is None or not self.show():
                return
            pauses = [run.outcome.retry_after or 0.0 for run in to_run if run.outcome is not None]
            await asyncio.sleep(started + max(self._every, *pauses) - loop.time())
            runs = [ProbeRun(run.target, run.journey) for run in to_run] + failed_listings


async def run_probes(
    runs: Sequence[ProbeRun],
    prober: Callable[[Target, Journey], Awaitable[Outcome]],
    *,
    max_concurrent_probes: int,
    advance: Callable[[], None] = lambda: None,
) -> None:
    """Run each probe once and set its outcome. SIGTERM, SIGINT or SIGHUP ends it; running probes have none.

    Args:
        runs: the probes.
        prober: probes a target.
        max_concurrent_probes: that may run at once.
        advance: called after each probe.
    """
    await _until_stopped(_run_all(runs, prober, max_concurrent_probes, advance))


async def _run_all(
    runs: Sequence[ProbeRun],
    prober: Callable[[Target, Journey], Awaitable[Outcome]],
    max_concurrent_probes: int,
    advance: Callable[[], None],
) -> None:
    loop = asyncio.get_running_loop()
    free, start = asyncio.Semaphore(max_concurrent_probes), loop.time()

    async def run_one(run: ProbeRun, delay: float) -> None:
        await asyncio.sleep(start + delay - loop.time())
        async with free:
            run.outcome = await prober(run.target, run.journey)
        advance()

    async with asyncio.TaskGroup() as group:
        delays = start_delays([(run.target, run.journey) for run in runs])
        for run, delay in zip(runs, delays, strict=True):
            group.create_task(run_one(run, delay))


async def _until_stopped(coroutine: Coroutine[None, None, None]) -> None:
    """Run it until SIGTERM, SIGINT or SIGHUP."""
    async with stop_signals() as stopping:
        # The terminal was closed.
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, stopping.set)
        stop, work = asyncio.create_task(stopping.wait()), asyncio.create_task(coroutine)
        await asyncio.wait({stop, work}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not work.done():
            work.cancel()
            await asyncio.wait({work})
        elif not work.cancelled():
            work.result()  # raises if there is a bug in the exporter


def start_delays(planned: Sequence[tuple[Target, Journey]]) -> list[float]:
    """Return the delay of each probe: on one auth host as far apart as the daemon's, any two a little."""
    by_host = first_delays(target.first_host(journey) for target, journey in planned)
    return [max(delay, number * _SPACING) for number, delay in enumerate(by_host)]


@contextmanager
def _progress_bar(count: int) -> Iterator[Callable[[], None]]:
    """Show a bar on standard error if that is a terminal, and yield what advances it by one probe."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console  # noqa: PLC0415  only a terminal needs it while probing
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn  # noqa: PLC0415  likewise

    console = Console(stderr=True)
    progress = Progress(
        TextColumn("probing"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        refresh_per_second=_REFRESHES_PER_SECOND,
        disable=not console.is_interactive,
    )
    task = progress.add_task("", total=count)
    with suppress(OSError):  # the terminal was closed
        progress.start()
    try:
        yield lambda: progress.advance(task)
    finally:
        with suppress(OSError):
            progress.stop()


def _write(
    runs: Sequence[ProbeRun], stream: TextIO, *, as_json: bool, full: bool, several: bool
) -> OSError | None:
    """Print the outcomes, and return what prevented it.

    Args:
        runs: the probes.
        stream: where to print.
        as_json: JSON instead of a table.
        full: all rows of a long table, as in a pipe.
        several: it is one of several rounds.
    """
    terminal = stream.isatty()
    width = get_terminal_size().columns if terminal else None
    colors = terminal and not os.environ.get("NO_COLOR")
    if as_json:
        text = to_json(runs, indent=None if several else 2)
    else:
        text = to_text(runs, width=width, colors=colors, full=full or not terminal, brief=several)
        text = f"{rfc3339(time.time())}\n{text}\n" if several else text
    try:
        print(text, file=stream, flush=True)
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # else the reader has read enough, as `head` does
            print(f"cannot write the outcomes: {error.strerror}", file=sys.stderr)  # noqa: T201  the log has ended
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), stream.fileno()
        )  # the interpreter flushes once more at exit
        return error
    return None


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(_EXIT_FAILED)
