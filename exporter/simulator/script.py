"""Weather over time, so that a drill can be repeated.

    # weather.yaml: a list of changes ...
    - {after: 30s, environment: emea, weather: slow, ms: 800}
    - {after: 1m, environment: emea, weather: healthy}

    # ... or the same with a period after which it begins anew
    repeat: 2m
    changes:
      - {after: 30s, environment: emea, weather: refused}

`after` counts from the start of the script (or of its repetition), never from the change before, so that
the lines about one environment can be read alone.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import yaml

from exporter.simulator.weather import Weather, WeatherError
from exporter.simulator.world import Environment, NoTLSError, check_weather

logger = logging.getLogger(__name__)

_DURATION = re.compile(
    r"(?=[0-9])(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m(?!s))?(?:([0-9]+)s)?(?:([0-9]+)ms)?"
)
_SECONDS = (86_400.0, 3_600.0, 60.0, 1.0, 0.001)
_LONGEST = 366 * 86_400.0


class ScriptError(ValueError):
    """A script that cannot be played; the text has one line per mistake, each with its place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of weather.

    Args:
        after: seconds from the start of the script.
        environment: whose weather changes, by name or id.
        weather: the new one.
        where: the place in the file, for messages.
    """

    after: float
    environment: str
    weather: Weather
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Changes in the order of time.

    Args:
        changes: at least one, sorted by `after`.
        repeat: seconds after which the script begins anew; None means that it ends.
    """

    changes: tuple[Change, ...]
    repeat: float | None = None

    def over_time(self) -> Iterator[tuple[float, Change]]:
        """Yield each change with its time in seconds from the very start; without end if it repeats."""
        for lap in count():
            for change in self.changes:
                yield lap * (self.repeat or 0.0) + change.after, change
            if self.repeat is None or not self.changes:
                return


# Reading


def read_script(text: str) -> Script:
    """Read a script from YAML; raises `ScriptError` with every mistake."""
    document, lines = _read_yaml(text)
    mistakes: list[str] = []
    repeat: float | None = None
    entries: object = document
    if isinstance(document, dict):
        unknown = [key for key in document if key not in {"repeat", "changes"}]
        mistakes += [f"unknown key {key!r}; there are repeat and changes" for key in unknown]
        entries = document.get("changes")
        try:
            repeat = _seconds(document["repeat"], "repeat") if "repeat" in document else None
        except WeatherError as error:
            mistakes.append(str(error))
    if not isinstance(entries, list) or not entries:
        mistakes.append(
            "a script is a list of changes such as {after: 30s, environment: emea, weather: slow}"
        )
        raise ScriptError("\n".join(mistakes))
    changes = []
    for number, (line, entry) in enumerate(zip(lines, entries, strict=True), start=1):
        where = f"line {line}, change {number}"
        try:
            changes.append(_change(entry, where))
        except WeatherError as error:
            mistakes.append(f"{where}: {error}")
    if repeat is not None and changes and repeat <= max(change.after for change in changes):
        mistakes.append("repeat must be longer than the last change's after")
    if mistakes:
        raise ScriptError("\n".join(mistakes))
    return Script(changes=tuple(sorted(changes, key=lambda change: change.after)), repeat=repeat)


def _change(entry: object, where: str) -> Change:
    if not isinstance(entry, dict):
        raise WeatherError("a change is a mapping such as {after: 30s, environment: emea, weather: slow}")
    missing = [name for name in ("after", "environment", "weather") if name not in entry]
    if missing:
        raise WeatherError(f"{' and '.join(missing)} must be there")
    environment = entry["environment"]
    if not isinstance(environment, str):
        raise WeatherError(f"environment must be a name or an id, not {environment!r}")
    weather = {name: value for name, value in entry.items() if name not in {"after", "environment"}}
    return Change(
        after=_seconds(entry["after"], "after"),
        environment=environment.lower(),
        weather=Weather.parse(weather),
        where=where,
    )


def _seconds(value: object, name: str) -> float:
    if value == 0 and not isinstance(value, bool):
        return 0.0
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise WeatherError(f"{name} must be a duration such as 500ms, 30s or 1m30s, not {value!r}")
    seconds = sum(int(part) * unit for part, unit in zip(match.groups(), _SECONDS, strict=True) if part)
    if seconds > _LONGEST:
        raise WeatherError(f"{name} must be at most a year")
    return seconds


def _read_yaml(text: str) -> tuple[Any, list[int]]:
    """Return the document and the line on which each of its changes begins."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f"line {mark.line + 1}: "
        raise ScriptError(f"{place}not YAML: {getattr(error, 'problem', None) or error}") from None
    except (RecursionError, ValueError) as error:  # nested without end, or a date that is none
        raise ScriptError(f"not YAML: {error}") from None
    entries = node
    if isinstance(node, yaml.MappingNode):
        entries = next((value for key, value in node.value if key.value == "changes"), None)
    if not isinstance(entries, yaml.SequenceNode):
        return document, []
    # YAML's loader takes the last of two equal keys without a word; here that would lose a change.
    mistakes = [
        f"line {line}, change {number}: {key} is given twice"
        for number, entry in enumerate(entries.value, start=1)
        if isinstance(entry, yaml.MappingNode)
        for key, line in _repeated([(key.value, key.start_mark.line + 1) for key, _ in entry.value])
    ]
    if mistakes:
        raise ScriptError("\n".join(mistakes))
    return document, [entry.start_mark.line + 1 for entry in entries.value]


def _repeated(keys: Sequence[tuple[Any, int]]) -> list[tuple[Any, int]]:
    seen = [key for key, _ in keys]
    return [(key, line) for index, (key, line) in enumerate(keys) if key in seen[:index]]


# Playing


def check_script(script: Script, world: Iterable[Environment]) -> None:
    """Check a script against the environments it is about; raises `ScriptError` with every mistake."""
    known: Mapping[str, Environment] = {
        key: environment for environment in world for key in (environment.name, environment.id)
    }
    mistakes = []
    for change in script.changes:
        place = f"{change.where}: " if change.where else ""
        if change.environment not in known:
            mistakes.append(f"{place}no environment has the name or id {change.environment}")
            continue
        try:
            check_weather(known[change.environment], change.weather)
        except NoTLSError as error:
            mistakes.append(f"{place}{error}")
    if mistakes:
        raise ScriptError("\n".join(mistakes))


async def play(
    script: Script,
    set_weather: Callable[[str, Weather], None],
    monotonic: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
) -> None:
    """Make the script's changes when they are due; ends with the script, and never if it repeats.

    Args:
        script: what to play.
        set_weather: changes an environment's weather.
        monotonic: seconds from any point; only differences count.
        sleep: waits for that many seconds; may wake too early.
    """
    start = monotonic()
    for at, change in script.over_time():
        while (remaining := start + at - monotonic()) > 0:
            await sleep(remaining)
        try:
            set_weather(change.environment, change.weather)
        except OSError as error:  # its port was taken in the meantime; the next change may find it free
            logger.error("simulator: %s: %s: %s", change.environment, change.weather.kind, error)  # noqa: TRY400  the cause is the text, not our stack
