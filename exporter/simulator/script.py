"""Weather over time, so that a drill can be repeated.

A script is a list of changes such as `EXAMPLE`. `after` counts from the start of the script, never from the
change before, so that the lines about one environment can be read alone.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

import yaml

from exporter.durations import parse_duration
from exporter.simulator.environments import Environment, check_weather
from exporter.simulator.weather import Weather, WeatherError, parse_weather

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
    """One change of weather, `after` seconds from the start of the script."""

    after: float
    environment: str  # its name
    weather: Weather


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


def read_script(text: str, environments: Iterable[Environment]) -> Script:
    """Read a script for these environments from YAML; raises `ScriptError` with every error."""
    known = {key: environment for environment in environments for key in (environment.name, environment.id)}
    entries, lines = _read_yaml(text)
    if not isinstance(entries, list) or not entries:
        raise ScriptError(f"a script is a list of changes such as {EXAMPLE}")
    changes, errors = [], []
    for number, (line, entry) in enumerate(zip(lines, entries, strict=True), start=1):
        try:
            changes.append(_change(entry, known))
        except ValueError as error:
            errors.append(f"line {line}, change {number}: {error}")
    if errors:
        raise ScriptError("\n".join(errors))
    return Script(changes=tuple(sorted(changes, key=lambda change: change.after)))


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
    entries = node.value if isinstance(node, yaml.SequenceNode) else []
    return document, [entry.start_mark.line + 1 for entry in entries]


def _change(entry: object, known: Mapping[str, Environment]) -> Change:
    if not isinstance(entry, dict):
        raise WeatherError(f"a change is a mapping such as {EXAMPLE}")
    missing = [name for name in ("after", "environment", "weather") if name not in entry]
    if missing:
        raise WeatherError(f"missing {' and '.join(missing)}")
    after, name = _seconds(entry["after"]), entry["environment"]
    weather = parse_weather({key: entry[key] for key in entry if key not in {"after", "environment"}})
    if not isinstance(name, str):
        raise WeatherError(f"environment must be a name or an id, not {name!r}")
    if (environment := known.get(name.lower())) is None:
        raise WeatherError(f"no environment has the name or id {name.lower()}")
    check_weather(environment, weather)
    return Change(after=after, environment=environment.name, weather=weather)


def _seconds(after: object) -> float:
    try:
        seconds = parse_duration(str(after))
    except ValueError as error:
        raise WeatherError(f"after: {error}") from None
    if seconds > MAX_AFTER_SECONDS:
        raise WeatherError("after must be at most a year")
    return seconds
