"""Weather over time, so that a drill can be repeated.

A script is a list of changes such as `EXAMPLE`, or a mapping of `changes` and of `repeat`, after which it
starts again. `after` counts from the start of the script (or of its repetition), never from the change
before, so that the lines about one environment can be read alone.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import yaml

from exporter.durations import parse_duration
from exporter.simulator.environments import Environment, TLSRequiredError, check_weather
from exporter.simulator.weather import Weather, WeatherError, parse_weather

logger = logging.getLogger(__name__)

MAX_AFTER_SECONDS = 366 * 86_400.0
EXAMPLE = "{after: 30s, environment: emea, weather: slow}"


class ScriptError(ValueError):
    """An invalid script; one error per line, each with its place."""


class Clock:
    """Time as the simulator sees it; a test replaces it."""

    def time(self) -> float:
        """Return seconds since the epoch; flows and the `Date` header follow it."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds from any point; the script follows it."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait; may end early."""
        await asyncio.sleep(seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of weather, `after` seconds from the start of the script; `place` is for messages."""

    after: float
    environment: str
    weather: Weather
    place: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Changes sorted by `after`; starts again after `repeat` seconds, if that is not None."""

    changes: tuple[Change, ...]
    repeat: float | None = None

    def over_time(self) -> Iterator[tuple[float, Change]]:
        """Yield each change with its time in seconds from the very start; endless if it repeats."""
        for lap in count():
            for change in self.changes:
                yield lap * (self.repeat or 0.0) + change.after, change
            if self.repeat is None or not self.changes:
                return


class _Loader(yaml.SafeLoader):
    """Refuses duplicate keys, of which YAML's own loader silently takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002  the base's signature
        keys = [key.value for key, _ in node.value]
        for index, (key, _) in enumerate(node.value):
            if key.value in keys[:index]:
                raise yaml.MarkedYAMLError(problem=f"duplicate key {key.value}", problem_mark=key.start_mark)
        return super().construct_mapping(node, deep)


def read_script(text: str) -> Script:
    """Read a script from YAML; raises `ScriptError` with every error."""
    document, lines = _read_yaml(text)
    errors: list[str] = []
    entries, repeat = document, None
    if isinstance(document, dict):
        unknown = [key for key in document if key not in {"repeat", "changes"}]
        errors += [f"unknown key {key!r}; use repeat and changes" for key in unknown]
        entries = document.get("changes")
        try:
            repeat = _seconds(document["repeat"], "repeat") if "repeat" in document else None
        except ValueError as error:
            errors.append(str(error))
    if not isinstance(entries, list) or not entries:
        errors.append(f"a script is a list of changes such as {EXAMPLE}")
        raise ScriptError("\n".join(errors))
    changes = []
    for number, (line, entry) in enumerate(zip(lines, entries, strict=True), start=1):
        place = f"line {line}, change {number}: "
        try:
            changes.append(_change(entry, place))
        except ValueError as error:
            errors.append(f"{place}{error}")
    if repeat is not None and changes and repeat <= max(change.after for change in changes):
        errors.append("repeat must be longer than the last change's after")
    if errors:
        raise ScriptError("\n".join(errors))
    return Script(changes=tuple(sorted(changes, key=lambda change: change.after)), repeat=repeat)


def _read_yaml(text: str) -> tuple[Any, list[int]]:
    """Return the document and the line on which each of its changes begins."""
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        document = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        place = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise ScriptError(f"{place}invalid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        # E.g. nested too deeply, or the 31st of June.
        raise ScriptError(f"invalid YAML: {error}") from None
    if isinstance(node, yaml.MappingNode):
        node = next((value for key, value in node.value if key.value == "changes"), None)
    entries = node.value if isinstance(node, yaml.SequenceNode) else []
    return document, [entry.start_mark.line + 1 for entry in entries]


def _change(entry: object, place: str) -> Change:
    if not isinstance(entry, dict):
        raise WeatherError(f"a change is a mapping such as {EXAMPLE}")
    missing = [name for name in ("after", "environment", "weather") if name not in entry]
    if missing:
        raise WeatherError(f"missing {' and '.join(missing)}")
    match entry:
        case {"after": after, "environment": str(environment), **weather}:
            seconds = _seconds(after, "after")
            return Change(
                after=seconds, environment=environment.lower(), weather=parse_weather(weather), place=place
            )
    raise WeatherError(f"environment must be a name or an id, not {entry['environment']!r}")


def _seconds(value: object, name: str) -> float:
    try:
        seconds = parse_duration(str(value))
    except ValueError as error:
        raise WeatherError(f"{name}: {error}") from None
    if seconds > MAX_AFTER_SECONDS:
        raise WeatherError(f"{name} must be at most a year")
    return seconds


def check_script(script: Script, environments: Iterable[Environment]) -> None:
    """Check a script against the environments it is about; raises `ScriptError` with every error."""
    known = {key: environment for environment in environments for key in (environment.name, environment.id)}
    errors = []
    for change in script.changes:
        if change.environment not in known:
            errors.append(f"{change.place}no environment has the name or id {change.environment}")
            continue
        try:
            check_weather(known[change.environment], change.weather)
        except TLSRequiredError as error:
            errors.append(f"{change.place}{error}")
    if errors:
        raise ScriptError("\n".join(errors))


async def play(script: Script, set_weather: Callable[[str, Weather], Awaitable[None]], clock: Clock) -> None:
    """Make the script's changes when they are due; ends with the script, and never if it repeats."""
    start = clock.monotonic()
    for at, change in script.over_time():
        while (remaining := start + at - clock.monotonic()) > 0:
            await clock.sleep(remaining)
        try:
            await set_weather(change.environment, change.weather)
        except OSError as error:  # another program took its port; the next change may find it free
            logger.error("simulator: %s: %s: %s", change.environment, change.weather.kind, error)  # noqa: TRY400  the text is the cause, not our stack
