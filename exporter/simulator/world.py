"""What the simulator simulates: environments, their applications and their users.

world                    one or more environments
  └─ Environment         on a port of its own
       ├─ Application    what a client_id stands for
       └─ User           who can sign on
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from exporter.simulator.weather import NEEDS_TLS, Weather

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAME = re.compile(r"(?=.{1,63}\Z)[a-z0-9]+(_[a-z0-9]+)*")


class SignOnPolicy(StrEnum):
    """What an application asks of a user first."""

    LOGIN = "login"
    IDENTIFIER_FIRST = "identifier_first"
    DAVINCI = "davinci"


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An OIDC application.

    Args:
        client_id: its UUID.
        redirect_uris: where it may be sent back to, compared as exact strings.
        name: as in the flow's `_embedded.application.name`.
        sign_on_policy: decides the first status of its flows.
        pkce_required: whether an authorize request without `code_challenge` is refused.
    """

    client_id: str
    redirect_uris: tuple[str, ...]
    name: str = "SourceApp"
    sign_on_policy: SignOnPolicy = SignOnPolicy.LOGIN
    pkce_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Someone who can sign on."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A PingOne environment.

    Args:
        name: for people and for the control API; fit to be the name of a target.
        id: its UUID, lower case.
        applications: those that clients may ask for.
        users: those who can sign on.
        https: whether its port speaks TLS.
        custom_domain: whether paths lack the environment's id, as on a domain of one's own; such a
            domain is always served over https.
        port: 0 means any free one.
        weather: what it starts with.
    """

    name: str
    id: str
    applications: tuple[Application, ...]
    users: tuple[User, ...] = ()
    https: bool = False
    custom_domain: bool = False
    port: int = 0
    weather: Weather = field(default_factory=Weather)


class WorldError(ValueError):
    """A world that cannot be; the text has one line per mistake."""


class NoTLSError(ValueError):
    """Weather that needs https was asked of an environment that is served over http."""


def check_world(world: Iterable[Environment]) -> tuple[Environment, ...]:
    """Return the environments; raises `WorldError` with all mistakes at once."""
    environments = tuple(world)
    mistakes = [] if environments else ["a world has at least one environment"]
    for environment in environments:
        mistakes += _mistakes(environment)
    for what, values in (
        ("name", [environment.name for environment in environments]),
        ("id", [environment.id for environment in environments]),
        ("port", [str(environment.port) for environment in environments if environment.port]),
    ):
        twice = sorted({value for value in values if values.count(value) > 1})
        mistakes += [f"two environments have the {what} {value}" for value in twice]
    if mistakes:
        raise WorldError("\n".join(mistakes))
    return environments


def _mistakes(environment: Environment) -> list[str]:
    found = []
    if not _NAME.fullmatch(environment.name):
        right = "lower case words and digits, joined by _, at most 63 characters"
        found.append(f"{environment.name!r} is no name; {right}")
    if not UUID.fullmatch(environment.id):
        found.append(f"{environment.name}: the id must be a UUID in lower case")
    if environment.custom_domain and not environment.https:
        found.append(f"{environment.name}: a custom domain is served over https")
    try:
        check_weather(environment, environment.weather)
    except NoTLSError as error:
        found.append(str(error))
    if not environment.applications:
        found.append(f"{environment.name}: an environment has at least one application")
    bare = [application for application in environment.applications if not application.redirect_uris]
    found += [
        f"{environment.name}: application {application.client_id} has no redirect_uri" for application in bare
    ]
    clients = [application.client_id for application in environment.applications]
    found += [
        f"{environment.name}: two applications have the client_id {client}"
        for client in sorted(set(clients))
        if clients.count(client) > 1
    ]
    return found


def check_weather(environment: Environment, weather: Weather) -> None:
    """Raise `NoTLSError` when `environment` cannot have such weather."""
    if weather.kind in NEEDS_TLS and not environment.https:
        raise NoTLSError(
            f"{environment.name} is served over http; {weather.kind} needs an environment with https"
        )
