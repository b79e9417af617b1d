"""The command `probe`: probe each target once, then print the outcomes.

Probes are started as the daemon starts them, by the same prober and with the same spacing. Nothing is
retried, and a rate limit pauses nothing: the user wants each target's outcome.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from shutil import get_terminal_size
from types import FrameType
from typing import NoReturn, TextIO

from exporter.destinations import Destination, listed_once
from exporter.files import printable
from exporter.observing import LoopWatch, log_to
from exporter.outcome import Outcome
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
    """Names that are not those of enabled targets; one line per name."""

    exit_status = 2


def probe(config: Config, names: Sequence[str], *, destinations: Sequence[str] = (), as_json: bool) -> bool:
    """Probe each of these targets once, and print the outcomes.

    Args:
        config: the configuration.
        names: of targets, discovered ones too; none means all, unless destinations are named.
        destinations: names of destinations; each is listed, and its targets are probed.
        as_json: print JSON instead of a table.

    Returns:
        Whether every probe succeeded and the outcomes were written.

    Raises:
        UnknownTargetError: a name is not that of an enabled target or of a destination.
    """
    level = "error" if config.log.level == "error" else "warning"
    with log_to(sys.stderr, level=level, style=config.log.format):
        runs = _runs(names, destinations, config, _list(to_list(names, destinations, config)))
        if not runs:
            print("nothing to probe: the destination lists no providers", file=sys.stderr)  # noqa: T201  likewise
            return False
        to_run = [run for run in runs if run.outcome is None]
        with _progress_bar(len(to_run)) as advance:
            asyncio.run(_probe(to_run, config.max_concurrent_probes, advance))
        for number in (signal.SIGTERM, signal.SIGINT):  # a write below may block on the terminal or pipe
            signal.signal(number, _exit)
    written = _write(runs, sys.stdout, as_json=as_json)
    return written and all(run.outcome is not None and run.outcome.success for run in runs)


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
    wanted |= {name for name in known if any(other.startswith(f"{name}_") for other in others)}
    return [each for name, each in known.items() if name in wanted or not (names or destinations)]


def _configured(config: Config) -> set[str]:
    return {target.name for target in (*config.enabled, *config.disabled)}


def choose(names: Sequence[str], config: Config, discovered: Iterable[Target] = ()) -> tuple[Target, ...]:
    """Return the targets with these names, each once and in their order; all that are enabled without names.

    Targets of other shards count too, so that the command works in any pod.

    Raises:
        UnknownTargetError: a name is not that of an enabled target.
    """
    targets = sorted((*config.enabled, *discovered), key=lambda target: target.name)
    enabled = {target.name: target for target in targets}
    if not names:
        return tuple(targets)
    wanted = dict.fromkeys(name.lower() for name in names)
    if unknown := [name for name in wanted if name not in enabled]:
        disabled = [target.name for target in config.disabled]
        raise UnknownTargetError("\n".join(_explain(name, enabled, disabled) for name in unknown))
    return tuple(enabled[name] for name in wanted)


def _explain(name: str, enabled: Iterable[str], disabled: Sequence[str]) -> str:
    if name in disabled:
        return f'target "{name}" is disabled; set its ENABLED to true'
    known = sorted(enabled)
    if similar := get_close_matches(name, (*known, *disabled), n=1):
        hint = f"did you mean {similar[0]}?"
    else:
        more = len(known) - _MAX_LISTED_NAMES
        hint = f"known: {', '.join(known[:_MAX_LISTED_NAMES])}{f' and {more} more' if more > 0 else ''}"
    return f'unknown target "{printable(name)}"; {hint}'


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


def _runs(
    names: Sequence[str], destinations: Sequence[str], config: Config, listings: Mapping[Destination, Listing]
) -> list[ProbeRun]:
    """Return what to probe; a listing that failed is a run that has ended."""
    wanted = {name.lower() for name in destinations}
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
    unlisted = tuple(f"{run.target.name}_" for run in failed)
    known = _configured(config) | discovered.keys()
    named = [name for name in names if name.lower() in known or not name.lower().startswith(unlisted)]
    if named or not (names or destinations):
        chosen = {target.name: target for target in choose(named, config, discovered.values())} | chosen
    return [ProbeRun(target, journey) for target in chosen.values() for journey in target.journeys] + failed


async def _probe(runs: Sequence[ProbeRun], max_concurrent_probes: int, advance: Callable[[], None]) -> None:
    watch = LoopWatch(asyncio.get_running_loop().time, lambda _lag: None)
    prober = Prober(SSLContexts([run.target for run in runs]), stalls=watch.stalls, one_shot=True)
    await warm_up(prober)
    freeze_gc()
    watching = asyncio.create_task(watch.run())
    try:
        await run_probes(runs, prober, max_concurrent_probes=max_concurrent_probes, advance=advance)
    finally:
        watching.cancel()


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
    loop = asyncio.get_running_loop()
    free, start = asyncio.Semaphore(max_concurrent_probes), loop.time()

    async def run_one(run: ProbeRun, delay: float) -> None:
        await asyncio.sleep(start + delay - loop.time())
        async with free:
            run.outcome = await prober(run.target, run.journey)
        advance()

    async def run_all() -> None:
        async with asyncio.TaskGroup() as group:
            delays = start_delays([(run.target, run.journey) for run in runs])
            for run, delay in zip(runs, delays, strict=True):
                group.create_task(run_one(run, delay))

    await _until_stopped(run_all())


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


def _write(runs: Sequence[ProbeRun], stream: TextIO, *, as_json: bool) -> bool:
    """Print the outcomes, and return whether they were written, or the reader closed the pipe."""
    terminal = stream.isatty()
    width = get_terminal_size().columns if terminal else None
    colors = terminal and not os.environ.get("NO_COLOR")
    text = to_json(runs) if as_json else to_text(runs, width=width, colors=colors)
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:  # the reader has read enough, as `head` does
        written = True
    except OSError as error:
        print(f"cannot write the outcomes: {error.strerror}", file=sys.stderr)  # noqa: T201  the log has ended
        written = False
    else:
        return True
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # the interpreter flushes once more at exit
    return written


def _exit(_number: int, _frame: FrameType | None) -> NoReturn:
    os._exit(_EXIT_FAILED)
