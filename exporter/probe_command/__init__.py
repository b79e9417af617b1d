"""The command `probe`: probe each target once, or again and again, and print the outcomes.

Probes are started as the daemon starts them, by the same prober and with the same spacing. Nothing is
retried, and a rate limit only delays the next round: the user wants each target's outcome.
"""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from shutil import get_terminal_size
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress

from exporter.destinations import Destination, plan_from_one_listing
from exporter.durations import format_duration
from exporter.observing import LoopWatch, log_to
from exporter.outcome import Outcome, rfc3339
from exporter.probe_command.report import ProbeRun, providers_to_text, to_json, to_text
from exporter.probe_command.selection import Selection, select, select_destinations
from exporter.probing import Listing, Prober, SSLContexts, warm_up
from exporter.process import CommandError, freeze_gc, stop_signals, write_output
from exporter.scheduling import first_delays
from exporter.settings import Config
from exporter.status import MAX_BACKOFF_SECONDS
from exporter.target import Journey, Target

T = TypeVar("T")

_EXIT_FAILED = 1


def probe(
    config: Config, selection: Selection, *, watch: bool, every: float | None, as_json: bool, full: bool
) -> bool:
    """Probe each selected target, and print the outcomes; with `watch` again and again, until a signal.

    Two rounds start `every` seconds apart; None means the shortest interval, or one round without `watch`.

    Returns:
        Whether every probe of the last complete round succeeded.

    Raises:
        InvalidArgumentError: something is selected that does not exist.
        CommandError: the outcomes cannot be written.
    """
    level = "error" if config.log.level == "error" else "warning"
    with log_to(sys.stderr, level=level, style=config.log.format):
        destinations = select_destinations(selection.names, selection.destinations, config)
        runs = select(selection, config, _list_destinations(destinations))
        if not runs:
            print("nothing to probe: the destination lists no providers", file=sys.stderr)  # noqa: T201  apart from the output
            return False
        if watch:
            every = every or min(run.target.timing(run.journey).interval for run in runs)
        show = partial(_print, as_json=as_json, full=full, several=watch)
        runs, shown = asyncio.run(_probe(runs, config.max_concurrent_probes, every, show))
        for number in (signal.SIGTERM, signal.SIGINT):  # a write below may block on the terminal or pipe
            signal.signal(number, lambda *_: os._exit(_EXIT_FAILED))
    if not shown:
        show(runs)
    return all(run.outcome is not None and run.outcome.success for run in runs)


def list_all_providers(config: Config) -> tuple[str, bool]:
    """List the identity providers of all destinations; return the text, and whether all were listed."""
    listings, blocks = _list_destinations(config.destinations), []
    for each, listing in listings.items():
        plan = plan_from_one_listing(each, listing.providers, config.enabled, config.disabled)
        blocks.append(providers_to_text(listing, each.name, plan))
    all_listed = all(listing.outcome.success for listing in listings.values())
    return "\n\n".join(blocks) or "no destinations", all_listed


def _list_destinations(destinations: Sequence[Destination]) -> Mapping[Destination, Listing]:
    """List each destination once, or raise CommandError if a signal ends it."""

    async def list_all() -> dict[Destination, Listing]:
        prober = Prober(SSLContexts([each.template for each in destinations]), one_shot=True)
        await warm_up(prober)
        return {each: await prober.list_providers(each) for each in destinations}

    listings = asyncio.run(until_stopped(list_all())) if destinations else {}
    if listings is None:
        raise CommandError("stopped before the identity providers were listed")
    return listings


async def _probe(
    runs: list[ProbeRun],
    max_concurrent_probes: int,
    every: float | None,
    show: Callable[[Sequence[ProbeRun]], bool],
) -> tuple[list[ProbeRun], bool]:
    """Run one round of probes or, with `every`, repeated rounds until a signal or `show` ends them.

    Returns:
        the last round that has ended, or the first; and whether it was shown, as rounds are with `every`.
    """
    loop, last, shown = asyncio.get_running_loop(), runs, False
    watch = LoopWatch(loop.time, lambda _lag: None)
    # One for all rounds: it remembers which passwords were sent.
    prober = Prober(SSLContexts([run.target for run in runs]), stalls=watch.stalls, one_shot=True)

    async def run_rounds() -> None:
        nonlocal last, shown
        to_run = [run for run in runs if run.outcome is None]
        failed_listings = runs[len(to_run) :]
        while True:
            started = loop.time()
            with _progress_bar(len(to_run)) as advance:
                await run_probes(to_run, prober, max_concurrent_probes, advance)
            last = to_run + failed_listings
            if every is None:
                return
            shown = True
            if not show(last):
                return
            pauses = [run.outcome.retry_after or 0.0 for run in to_run if run.outcome is not None]
            pause = min(max(pauses, default=0.0), MAX_BACKOFF_SECONDS)
            if pause > every:
                print(f"rate-limited: next round after {format_duration(pause)}", file=sys.stderr)  # noqa: T201  likewise
            await asyncio.sleep(started + max(every, pause) - loop.time())
            to_run = [ProbeRun(run.target, run.journey) for run in to_run]

    await warm_up(prober)
    freeze_gc()
    watching = asyncio.create_task(watch.run())
    try:
        await until_stopped(run_rounds())
    finally:
        watching.cancel()
    return last, shown


async def run_probes(
    runs: Sequence[ProbeRun],
    prober: Callable[[Target, Journey], Awaitable[Outcome]],
    max_concurrent_probes: int,
    advance: Callable[[], None],
) -> None:
    """Run each probe once and set its outcome; `advance` is called after each."""
    loop = asyncio.get_running_loop()
    free, start = asyncio.Semaphore(max_concurrent_probes), loop.time()
    delays = first_delays(run.target.first_host(run.journey) for run in runs)

    async def run_one(run: ProbeRun, delay: float) -> None:
        await asyncio.sleep(start + delay - loop.time())
        async with free:
            run.outcome = await prober(run.target, run.journey)
        advance()

    async with asyncio.TaskGroup() as group:
        for run, delay in zip(runs, delays, strict=True):
            group.create_task(run_one(run, delay))


async def until_stopped(coroutine: Coroutine[None, None, T]) -> T | None:
    """Return the coroutine's result; None if SIGTERM, SIGINT or SIGHUP cancels it and all running probes."""
    async with stop_signals() as stopping:
        stop, work = asyncio.create_task(stopping.wait()), asyncio.create_task(coroutine)
        await asyncio.wait({stop, work}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if work.done():
            return work.result()  # raises if there is a bug in the exporter
        work.cancel()
        await asyncio.wait({work})
        return None


@contextmanager
def _progress_bar(count: int) -> Iterator[Callable[[], None]]:
    """Show a bar on standard error if that is a terminal, and yield what advances it by one probe."""
    console, columns = Console(stderr=True), ("probing", BarColumn(), MofNCompleteColumn())
    # With FORCE_COLOR, rich takes a pipe for a terminal.
    hidden = not (sys.stderr.isatty() and console.is_interactive)
    progress = Progress(*columns, console=console, transient=True, disable=hidden)
    task = progress.add_task("", total=count)
    with suppress(OSError):  # the terminal was closed
        progress.start()
    try:
        yield lambda: progress.advance(task)
    finally:
        with suppress(OSError):
            progress.stop()


def _print(runs: Sequence[ProbeRun], *, as_json: bool, full: bool, several: bool) -> bool:
    """Print the outcomes, of one round or of one of several; return whether the reader takes more."""
    terminal = sys.stdout.isatty()
    width = get_terminal_size().columns if terminal else None
    colors = terminal and not os.environ.get("NO_COLOR")
    if as_json:
        text = to_json(runs, indent=None if several else 2)
    else:
        text = to_text(runs, width=width, colors=colors, full=full or not terminal, brief=several)
        text = f"{rfc3339(time.time())}\n{text}\n" if several else text
    return write_output(text)
