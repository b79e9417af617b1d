"""The control API: weather over HTTP, on a port of its own so that no weather reaches it.

GET /weather                      all environments
GET /weather/<name or id>         one
PUT /weather/<name or id>         {"weather": "slow", "ms": 800}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import unquote

from exporter.simulator.message import Reply, Request, json_reply, read_json, text_reply
from exporter.simulator.weather import PARAMETERS, Weather, WeatherError
from exporter.simulator.world import NoTLSError

BODY_LIMIT = 4096
"""Bytes; weather takes less than a hundred."""


class Station(Protocol):
    """An environment as the control API sees it."""

    def as_json(self) -> dict[str, Any]:
        """Tell name, id, URL and weather."""
        ...

    def set_weather(self, weather: Weather) -> None:
        """Change the weather; raises `NoTLSError` and, when its port was taken meanwhile, `OSError`."""
        ...


def control(request: Request, stations: Mapping[str, Station]) -> Reply:
    """Answer a request to the control API.

    Args:
        request: what came in.
        stations: environments by name.
    """
    if request.path == "/":
        return _only({"GET", "HEAD"}, request) or text_reply(200, _explanation(stations))
    if request.path == "/weather":
        listed = {"environments": [station.as_json() for station in stations.values()]}
        return _only({"GET", "HEAD"}, request) or json_reply(200, listed)
    if not request.path.startswith("/weather/"):
        return _error(404, "there is / and /weather and /weather/<environment>")
    wanted = unquote(request.path.removeprefix("/weather/")).lower()
    station = _find(wanted, stations)
    if station is None:
        return _error(404, f"no environment has this name or id; there are {', '.join(stations)}")
    refusal = _only({"GET", "HEAD", "PUT"}, request)
    if refusal is not None:
        return refusal
    return _put(request, station) if request.method == "PUT" else json_reply(200, station.as_json())


def _find(wanted: str, stations: Mapping[str, Station]) -> Station | None:
    by_id = (station for station in stations.values() if station.as_json()["id"] == wanted)
    return stations.get(wanted) or next(by_id, None)


def _put(request: Request, station: Station) -> Reply:
    if not request.whole or len(request.body) > BODY_LIMIT:
        return _error(413, f"the body must be at most {BODY_LIMIT} bytes long")
    try:
        document = read_json(request.body)
    except ValueError:
        return _error(400, 'the body must be JSON such as {"weather": "slow", "ms": 800}')
    try:
        station.set_weather(Weather.parse(document))
    except WeatherError as error:
        return _error(400, str(error))
    except NoTLSError as error:
        return _error(409, str(error))
    except OSError as error:
        return _error(503, f"its port could not be opened or closed: {error.strerror or error}")
    return json_reply(200, station.as_json())


def _only(methods: set[str], request: Request) -> Reply | None:
    if request.method in methods:
        return None
    allowed = ", ".join(sorted(methods))
    return _error(405, f"the method must be one of {allowed}", ("Allow", allowed))


def _error(status: int, text: str, *headers: tuple[str, str]) -> Reply:
    return json_reply(status, {"error": text}, *headers)


def _explanation(stations: Mapping[str, Station]) -> str:
    kinds = []
    for kind, parameters in PARAMETERS.items():
        told = "; ".join(f"{name}: {parameter}" for name, parameter in parameters.items())
        kinds.append(f"  {kind:<22}{told}".rstrip())
    environments = [f"  {name:<22}{station.as_json()['url']}" for name, station in stations.items()]
    return "\n".join([
        "A simulated PingOne; this is the control of its weather.",
        "",
        "  GET /weather                  all environments",
        "  GET /weather/<environment>    one, by name or id",
        "  PUT /weather/<environment>    change it, for example:",
        f"""    curl -X PUT -d '{{"weather": "slow", "ms": 800}}' URL/weather/{next(iter(stations))}""",
        "",
        "Environments:",
        *environments,
        "",
        "Weather and its parameters:",
        *kinds,
        "",
    ])  # fmt: skip
