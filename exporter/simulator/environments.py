"""What the simulator simulates: environments, their applications and users, and the URLs of their endpoints.

    Environment              on a port of its own
      ├─ Application         identified by a client_id
      ├─ User                can sign on
      ├─ IdentityProvider    lets users of another environment sign on here
      └─ Weather             what is wrong at the start

    https://auth.pingone.com/{environment}/as/authorize     the provider's own domain
    https://login.example.com/as/authorize                  a custom domain: the id is dropped

The simulator has one host where the provider has several (auth, apps). That a custom domain does not serve
the paths with the id, and that flows drop it too, is inferred.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator
from pydantic import dataclasses as checked

from exporter.simulator.weather import Healthy, Weather
from exporter.target import ClientAuth

UUID_PATTERN = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
Uuid = Annotated[str, Field(pattern=rf"^{UUID_PATTERN}$")]
_QUIET = ConfigDict(hide_input_in_errors=True)


class SignOnPolicy(StrEnum):
    """What an application asks of a user first."""

    LOGIN = "login"
    IDENTIFIER_FIRST = "identifier_first"
    DAVINCI = "davinci"
    IDENTITY_PROVIDER = "identity_provider"
    """No page of its own: the first identity provider signs the user on."""


@checked.dataclass(frozen=True, slots=True, kw_only=True, config=_QUIET)
class Application:
    """An OIDC application.

    Args:
        client_id: its UUID.
        redirect_uris: where it may be sent back to, compared as exact strings.
        name: as in the flow's `_embedded.application.name`.
        sign_on_policy: decides the first status of its flows.
        pkce_required: whether an authorize request without `code_challenge` is refused.
        client_secret: authenticates it at the token endpoint.
        client_auth: how it authenticates there; `none` for a public client.
    """

    client_id: Uuid
    redirect_uris: Annotated[tuple[str, ...], Field(min_length=1)]
    name: str = "SourceApp"
    sign_on_policy: SignOnPolicy = SignOnPolicy.LOGIN
    pkce_required: bool = False
    client_secret: str = Field(default="", repr=False)
    client_auth: ClientAuth = ClientAuth.BASIC


@checked.dataclass(frozen=True, slots=True, kw_only=True, config=_QUIET)
class User:
    """A user who can sign on."""

    username: str
    password: str = Field(repr=False)


@checked.dataclass(frozen=True, slots=True, kw_only=True, config=_QUIET)
class IdentityProvider:
    """An entry in a destination: lets users of another environment of the simulator sign on here.

    Args:
        id: its UUID.
        source: name of the environment that signs users on.
        client_id: the application there; that its redirect URI is registered there goes without saying.
        name: as users see it.
        client_secret: the destination's copy of that application's secret.
        client_auth: how the destination sends it.
        pkce: whether the destination sends a code challenge.
    """

    id: Uuid
    source: str
    client_id: Uuid
    name: str = "Simulated source"
    client_secret: str = Field(default="", repr=False)
    client_auth: ClientAuth = ClientAuth.BASIC
    pkce: bool = True


@checked.dataclass(frozen=True, slots=True, kw_only=True, config=_QUIET)
class Environment:
    """A PingOne environment.

    Args:
        name: for people and for the control API; valid as the name of a target.
        id: its UUID, lower case.
        applications: those that clients may ask for.
        users: those who can sign on.
        providers: identity providers that its applications offer; one with any is a destination.
        https: whether its port speaks TLS.
        custom_domain: whether paths lack the environment's id; such a domain is always served over https.
        port: 0 means any free one.
        weather: what it starts with.

    Raises:
        ValueError: for each invalid field.
    """

    name: Annotated[str, Field(pattern="^[a-z0-9]+(_[a-z0-9]+)*$", max_length=63)]
    id: Uuid
    applications: Annotated[tuple[Application, ...], Field(min_length=1)]
    users: tuple[User, ...] = ()
    providers: tuple[IdentityProvider, ...] = ()
    https: bool = False
    custom_domain: bool = False
    port: int = 0
    weather: Weather = Field(default_factory=Healthy)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.custom_domain and not self.https:
            raise ValueError("a custom domain needs https")
        clients = [application.client_id for application in self.applications]
        if len(set(clients)) < len(clients):
            raise ValueError("two applications have the same client_id")
        return self


class SimulationError(ValueError):
    """Environments that do not fit together; one error per line."""


class TLSRequiredError(SimulationError):
    """Weather that needs https was set for an environment that is served over http."""


def check_environments(environments: Iterable[Environment]) -> tuple[Environment, ...]:
    """Return the environments; raises `SimulationError` with every error."""
    given = tuple(environments)
    errors = [] if given else ["there must be at least one environment"]
    for field in ("name", "id", "port"):
        values = [getattr(environment, field) for environment in given]
        duplicates = sorted({value for value in values if value and values.count(value) > 1})
        errors += [f"two environments have the {field} {value}" for value in duplicates]
    clients = {(each.name, application.client_id) for each in given for application in each.applications}
    for environment in given:
        errors += [
            f"{environment.name}: there is no environment {each.source} with the application {each.client_id}"
            for each in environment.providers
            if (each.source, each.client_id) not in clients
        ]
        try:
            check_weather(environment, environment.weather)
        except TLSRequiredError as error:
            errors.append(str(error))
    if errors:
        raise SimulationError("\n".join(errors))
    return given


def check_weather(environment: Environment, weather: Weather) -> None:
    """Raise `TLSRequiredError` if `environment` cannot have such weather."""
    if weather.needs_tls and not environment.https:
        raise TLSRequiredError(
            f"{environment.name} is served over http; {weather.kind} needs an environment with https"
        )


@dataclass(frozen=True, slots=True)
class Urls:
    """The URLs of one environment.

    Args:
        base_url: scheme, host and port, without a trailing slash.
        environment_id: the environment's.
        custom_domain: whether the id is left out of paths.
    """

    base_url: str
    environment_id: str
    custom_domain: bool = False

    @property
    def root(self) -> str:
        """What every endpoint's URL starts with."""
        return self.base_url if self.custom_domain else f"{self.base_url}/{self.environment_id}"

    @property
    def sign_on_page(self) -> str:
        """Where browsers sign on."""
        return f"{self.root}/signon/"

    @property
    def issuer(self) -> str:
        """What its tokens name as `iss`."""
        return f"{self.root}/as"

    @property
    def callback(self) -> str:
        """Where identity providers send users back to."""
        return f"{self.root}/rp/callback/openid_connect"

    def authenticate(self, provider_id: str, flow_id: str) -> str:
        """Return the link to an identity provider in a flow."""
        return f"{self.root}/rp/authenticate?providerId={provider_id}&flowId={flow_id}"

    def flow(self, flow_id: str) -> str:
        """Return a flow's self link, which its actions are posted to."""
        return f"{self.root}/flows/{flow_id}"

    def resume(self, flow_id: str) -> str:
        """Return where a client continues once the flow is completed."""
        return f"{self.root}/as/resume?flowId={flow_id}"

    def davinci(self, connection_id: str) -> str:
        """Return where a DaVinci flow continues; the simulator does not serve it."""
        return f"{self.root}/davinci/connections/{connection_id}/capabilities/customHTMLTemplate"
