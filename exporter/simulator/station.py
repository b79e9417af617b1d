"""An environment that runs: its port, its provider, its weather, and what it has seen."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from exporter.simulator.climate import delay, interposed
from exporter.simulator.listener import Listener
from exporter.simulator.message import Misdeed, Reply, Request
from exporter.simulator.provider import Provider, skew
from exporter.simulator.surroundings import Surroundings
from exporter.simulator.urls import Urls
from exporter.simulator.weather import Kind, Weather
from exporter.simulator.world import Environment, check_weather


@dataclass(slots=True)
class Seen:
    """What came to an environment and what became of it.

    Args:
        requests: that were read to their end, whatever the weather.
        paths: how many for each endpoint; ids are left out, unknown paths are `other`.
        answers: how many per status code, and per `silence` and `reset`.
    """

    requests: int = 0
    paths: Counter[str] = field(default_factory=Counter)
    answers: Counter[str] = field(default_factory=Counter)


class Station:
    """One environment on its port.

    Args:
        environment: what is simulated.
        host: where it listens.
        public_host: what its URLs say, in brackets if it is an IPv6 address.
        key: the public JWK it publishes.
        contexts: a TLS context per kind of weather, `healthy` at least; None for http.
        surroundings: time and chance.

    Raises:
        OSError: its port is in use.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        host: str,
        public_host: str,
        key: Mapping[str, str],
        contexts: Mapping[Kind, ssl.SSLContext] | None,
        surroundings: Surroundings,
    ) -> None:
        self.environment = environment
        self.seen = Seen()
        self._listener = Listener(host, environment.port, self._respond)
        scheme = "http" if contexts is None else "https"
        self.base_url = f"{scheme}://{public_host}:{self._listener.port}"
        """Scheme, host and port, without a trailing slash."""
        self._urls = Urls.of(environment, self.base_url)
        self._provider = Provider(environment, self._urls, key, surroundings.clock)
        self._contexts = contexts
        self._surroundings = surroundings
        self._weather = environment.weather

    @property
    def source_url(self) -> str:
        """What an exporter's endpoints start with: the base URL and, unless on a custom domain, the id."""
        return self._urls.root

    @property
    def port(self) -> int:
        """Its port, also while that is closed."""
        return self._listener.port

    @property
    def connections(self) -> int:
        """TCP connections accepted so far."""
        return self._listener.accepted

    @property
    def weather(self) -> Weather:
        """What it suffers from now."""
        return self._weather

    def start(self) -> None:
        """Begin to listen, unless it starts with `refused`."""
        self.set_weather(self._weather)

    def set_weather(self, weather: Weather) -> None:
        """Change the weather, for the next connection or request.

        Raises:
            NoTLSError: such weather needs https and this environment has none.
            OSError: its port was taken by another program while it was closed.
        """
        check_weather(self.environment, weather)
        if self._contexts is not None:
            self._listener.present(self._contexts.get(weather.kind, self._contexts[Kind.HEALTHY]))
        if weather.kind is Kind.REFUSED:
            self._listener.refuse()
        else:
            self._listener.listen()
        self._weather = weather

    async def stop(self) -> None:
        """Close its port and every connection."""
        await self._listener.stop()

    def as_json(self) -> dict[str, Any]:
        """Tell name, id, URL and weather."""
        environment = self.environment
        return {
            "environment": environment.name,
            "id": environment.id,
            "url": self.source_url,
            **self._weather.as_json(),
        }

    async def _respond(self, request: Request) -> Reply | Misdeed:
        weather = self._weather
        self.seen.requests += 1
        self.seen.paths[self._urls.place(request.path).route.value] += 1
        seconds = delay(weather, self._surroundings.random)
        if seconds > 0:
            await self._surroundings.sleep(seconds)
        reply = interposed(weather, self._surroundings.random)
        if reply is None:
            reply = self._provider.answer(request, weather)
        if isinstance(reply, Misdeed):
            self.seen.answers[reply.value] += 1
            return reply
        self.seen.answers[str(reply.status)] += 1
        now = self._surroundings.clock() + skew(weather)
        return reply.with_headers(("Date", formatdate(now, usegmt=True)))
