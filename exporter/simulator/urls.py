"""Where things are in one environment: from an endpoint to its URL, and from a path back to the endpoint.

    https://auth.pingone.com/{environment}/as/authorize     the provider's own domain
    https://login.example.com/as/authorize                  a custom domain: the id is dropped

The simulator has one host where the provider has several (auth, apps). That a custom domain does not
serve the paths with the id, and that flows drop it too, is inferred.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from exporter.simulator.world import UUID, Environment


class Route(StrEnum):
    """The endpoints, named by their paths; what nobody serves is `other`."""

    AUTHORIZE = "/as/authorize"
    RESUME = "/as/resume"
    DISCOVERY = "/as/.well-known/openid-configuration"
    JWKS = "/as/jwks"
    FLOW = "/flows/{flowID}"
    SIGN_ON_PAGE = "/signon/"
    OTHER = "other"


_FLOW = re.compile(rf"/flows/({UUID.pattern})")
_WITH_ID = re.compile(rf"/({UUID.pattern})(/.*)")


@dataclass(frozen=True, slots=True)
class Place:
    """What a path leads to.

    Args:
        route: the endpoint.
        environment_id: of the path, or None on a custom domain.
        flow_id: of the path, where there is one.
    """

    route: Route
    environment_id: str | None = None
    flow_id: str | None = None


@dataclass(frozen=True, slots=True)
class Urls:
    """The URLs of one environment.

    Args:
        base_url: scheme, host and port, without a trailing slash.
        environment_id: whose they are.
        custom_domain: whether the id is dropped from paths.
    """

    base_url: str
    environment_id: str
    custom_domain: bool = False

    @classmethod
    def of(cls, environment: Environment, base_url: str) -> Urls:
        """Return the URLs of `environment`, served at `base_url`."""
        return cls(base_url, environment.id, environment.custom_domain)

    @property
    def root(self) -> str:
        """What every endpoint's URL starts with."""
        return self.base_url if self.custom_domain else f"{self.base_url}/{self.environment_id}"

    @property
    def sign_on_page(self) -> str:
        """Where browsers sign on."""
        return f"{self.root}{Route.SIGN_ON_PAGE}"

    def flow(self, identifier: str) -> str:
        """A flow's self link, and where its actions are posted to."""
        return f"{self.root}/flows/{identifier}"

    def resume(self, identifier: str) -> str:
        """Where a client goes on once the flow is completed."""
        return f"{self.root}{Route.RESUME}?flowId={identifier}"

    def davinci(self, identifier: str) -> str:
        """Where a DaVinci flow goes on; the simulator does not serve it."""
        return f"{self.root}/davinci/connections/{identifier}/capabilities/customHTMLTemplate"

    def place(self, path: str) -> Place:
        """Say what `path` leads to."""
        if self.custom_domain:
            return _place(path, None)
        match = _WITH_ID.fullmatch(path)
        return Place(Route.OTHER) if match is None else _place(match[2], match[1])


def _place(path: str, environment_id: str | None) -> Place:
    flow = _FLOW.fullmatch(path)
    if flow is not None:
        return Place(Route.FLOW, environment_id, flow[1])
    if path in {Route.AUTHORIZE, Route.RESUME, Route.DISCOVERY, Route.JWKS, Route.SIGN_ON_PAGE}:
        return Place(Route(path), environment_id)
    return Place(Route.OTHER)
