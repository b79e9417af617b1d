"""What weather does to a request before the application behind the edge sees it.

What an HTML error of the edge looks like, and that it has no `Correlation-Id`, is inferred.
"""

from __future__ import annotations

from random import Random
from uuid import uuid4

from exporter.simulator.message import Misdeed, Reply, redirect, text_reply
from exporter.simulator.problem import LIMITED, unexpected
from exporter.simulator.weather import Kind, Weather

MAINTENANCE_URL = "https://maintenance.example/"
"""Elsewhere; a reserved name, which never resolves."""

_UNAVAILABLE = 503


def delay(weather: Weather, random: Random) -> float:
    """Seconds that an answer waits in such weather."""
    if weather.kind is not Kind.SLOW:
        return 0.0
    return (weather.number("ms") + random.random() * weather.number("jitter")) / 1000


def interposed(weather: Weather, random: Random) -> Reply | Misdeed | None:
    """Say what becomes of a request in such weather; None when the application answers it."""
    match weather.kind:
        case Kind.FLAKY if random.random() < weather.number("ratio"):
            return _error(_UNAVAILABLE)
        case Kind.RATE_LIMITED:
            return LIMITED.as_json(_correlation(), ("Retry-After", f"{weather.number('retry_after'):.0f}"))
        case Kind.ERROR_JSON:
            return _error(int(weather.number("code")))
        case Kind.ERROR_HTML:
            return _page(int(weather.number("code")))
        case Kind.MAINTENANCE:
            return redirect(MAINTENANCE_URL, _correlation())
        case Kind.SILENT:
            return Misdeed.SILENCE
        case Kind.RESET:
            return Misdeed.RESET
        case _:
            return None


def _correlation() -> tuple[str, str]:
    return ("Correlation-Id", str(uuid4()))


def _error(code: int) -> Reply:
    return unexpected(code).as_json(_correlation())


def _page(code: int) -> Reply:
    title = f"{code} ERROR"
    page = f"<title>{title}</title><h1>{title}</h1><p>The request could not be satisfied.</p>"
    text = f"<!DOCTYPE html><html lang=en>{page}</html>"
    return text_reply(code, text, ("Server", "CloudFront"), kind="html")
