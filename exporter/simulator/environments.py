"""What the simulator simulates: environments, their applications and users, and the URLs of their endpoints.

    https://auth.pingone.com/{environment}/as/authorize     the provider's own domain
    https://login.example.com/as/authorize                  a custom domain: the id is dropped

The simulator has one host where the provider has several (auth, apps). That a custom domain does not serve
the paths with the id, and that flows drop it too, is inferred.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from exporter import outcome
from exporter.simulator.weather import HEALTHY, Weather, WeatherError
from exporter.target import ClientAuth, ProviderKind

CALLBACK_PATH = "/rp/callback/openid_connect"
"""Where identity providers send users back to."""


class SignOnPolicy(StrEnum):
    """What an application asks of a user without a session: the first status of its flows."""

    LOGIN = "USERNAME_PASSWORD_REQUIRED"
    IDENTIFIER_FIRST = "SIGN_ON_REQUIRED"
    DAVINCI = outcome.DAVINCI
    IDENTITY_PROVIDER = "EXTERNAL_AUTHENTICATION_REQUIRED"
    """No page of its own: the first identity provider signs the user on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """An OIDC application."""

    client_id: str
    redirect_uris: tuple[str, ...]  # where it may be sent back to, compared as exact strings
    name: str = "SourceApp"  # as in the flow's `_embedded.application.name`
    sign_on_policy: SignOnPolicy = SignOnPolicy.LOGIN
    pkce_required: bool = False  # whether an authorize request without `code_challenge` is refused
    client_secret: str = field(default="", repr=False)
    client_auth: ClientAuth = ClientAuth.BASIC
    """How it authenticates at the token endpoint; `none` for a public client."""


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user who can sign on."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """An entry in a destination: lets users of another environment of the simulator sign on here."""

    id: str
    source: str  # name of the environment that signs users on; empty if that is not PingOne
    client_id: str  # the application there; the callback counts as registered there
    name: str = "Simulated source"
    client_secret: str = field(default="", repr=False)
    """The destination's copy of that application's secret, sent by HTTP basic authentication."""
    kind: ProviderKind = ProviderKind.PINGONE
    """What it is; one that is not PingOne answers at the destination's own port."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A PingOne environment."""

    name: str  # for people and for the control API; valid as the name of a target
    id: str  # its UUID, lower case
    applications: tuple[Application, ...]
    users: tuple[User, ...] = ()
    providers: tuple[IdentityProvider, ...] = ()
    """Identity providers that its applications offer; one with any is a destination."""
    https: bool = False
    custom_domain: bool = False
    """Whether paths lack the environment's id; such a domain is always served over https."""
    port_of: str = ""
    """Name of the earlier environment that it shares a port with; empty for a port of its own."""
    weather: Weather = HEALTHY


def check_weather(environment: Environment, weather: Weather) -> None:
    """Raise `WeatherError` if `environment` lacks the https or the port of its own that `weather` needs."""
    if environment.port_of and (weather.needs_tls or weather.kind == "refused"):
        name, host = environment.name, environment.port_of
        raise WeatherError(f"{name} answers at the port of {host}; set {weather.kind} for {host}")
    if weather.needs_tls and not environment.https:
        name = environment.name
        raise WeatherError(f"{name} is served over http; {weather.kind} needs an environment with https")


class Urls:
    """The URLs of an environment; `base_url` is scheme, host and port, without a trailing slash."""

    def __init__(self, base_url: str, environment: Environment) -> None:
        # What every endpoint's path and URL start with.
        self.path = "" if environment.custom_domain else f"/{environment.id}"
        self.root = f"{base_url}{self.path}"
        self.environment_id = environment.id
        self.sign_on_page = f"{self.root}/signon/"
        self.issuer = f"{self.root}/as"
        self.callback = f"{self.root}{CALLBACK_PATH}"

    def authenticate(self, provider_id: str, flow_id: str) -> str:
        """Return the link to an identity provider in a flow."""
        return f"{self.root}/rp/authenticate?providerId={provider_id}&flowId={flow_id}"
