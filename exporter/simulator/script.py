"""Weather over time, so that a drill can be repeated.

A script is a list of changes such as `EXAMPLE`. `after` counts from the start of the script, never from the
change before, so that the lines about one environment can be read alone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from time import time as wall_time

import yaml

from exporter.durations import parse_duration
from exporter.simulator.environments import Environment, check_weather
from exporter.simulator.weather import Weather, WeatherError, parse_weather

EXAMPLE = "{after: 30s, environment: emea, weather: slow}"


@dataclass(slots=True)
class Clock:
    """Time as the simulator sees it; a test replaces it."""

    time: Callable[[], float] = wall_time  # since the epoch; flows and the `Date` header follow it
    monotonic: Callable[[], float] = monotonic  # from any point; the script follows it
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep  # may end early


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


def read_script(text: str, environments: Iterable[Environment]) -> Script:
    """Read a script for these environments from YAML; raises `WeatherError` with a line per error."""
    known = {key: environment for environment in environments for key in (environment.name, environment.id)}
    try:
        entries, node = yaml.safe_load(text), yaml.compose(text, yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        place = "" if error.problem_mark is None else f"line {error.problem_mark.line + 1}: "
        raise WeatherError(f"{place}invalid YAML: {error.problem or error.context}") from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        # E.g. nested too deeply, or the 31st of June.
        raise WeatherError(f"invalid YAML: {error}") from None
    if not isinstance(node, yaml.SequenceNode) or not entries:
        raise WeatherError(f"a script is a list of changes such as {EXAMPLE}")
    changes, errors = [], []
    for number, (entry, at) in enumerate(zip(entries, node.value, strict=True), start=1):
        try:
            changes.append(_change(entry, known))
        except ValueError as error:  # WeatherError, or a number of more digits than can be shown
            errors.append(f"line {at.start_mark.line + 1}, change {number}: {error}")
    if errors:
        raise WeatherError("\n".join(errors))
    return Script(changes=tuple(sorted(changes, key=lambda change: change.after)))


def _change(entry: object, known: Mapping[str, Environment]) -> Change:
    if not isinstance(entry, dict) or not {"after", "environment", "weather"} <= entry.keys():
        raise WeatherError(f"a change has after, environment and weather, as in {EXAMPLE}")
    weather = dict(entry)
    after, name = str(weather.pop("after")), str(weather.pop("environment")).lower()
    if name not in known:
        raise WeatherError(f"no environment has the name or id {name}")
    try:
        seconds = parse_duration(after)
    except ValueError as error:
        raise WeatherError(f"after: {error}") from None
    change = Change(after=seconds, environment=known[name].name, weather=parse_weather(weather))
    check_weather(known[name], change.weather)
    return change
