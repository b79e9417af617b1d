"""The demo's environments, and a minute of weather over them.

Eight are watched by the authorize request. `uk_partners` signs users on for `uk_hub`, the whole way. `hub`
lists seven identity providers: four environments at its port, one with SAML, and two with OpenID Connect, one
of which is missing at times.
"""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

from exporter.simulator.environments import Application, Environment, IdentityProvider, SignOnPolicy, User
from exporter.simulator.script import Change, Script
from exporter.simulator.weather import parse_weather_text
from exporter.target import ProviderKind

_SECRET = "demo"  # noqa: S105  of made-up applications

_CHANGES = {
    "emea_workforce": {35: "clock_skewed,seconds=180", 50: "healthy"},
    "us_retail": {20: "slow,ms=1500", 40: "healthy"},
    "apac_partners": {45: "error_json,code=500"},
    "ca_customers": {10: "rate_limited,retry_after=10", 25: "healthy"},
    "au_suppliers": {15: "tls_expired", 30: "healthy", 40: "tls_wrong_name"},
    "sg_contractors": {10: "policy_changed", 25: "healthy", 40: "client_deleted"},
    "latam_franchise": {15: "refused", 25: "silent", 40: "reset", 50: "healthy"},
    "nordics_workforce": {
        20: "error_html,code=502",
        30: "maintenance",
        40: "flow_failed",
        50: "redirect_uri_removed",
    },
    "uk_hub": {15: "secret_expired", 45: "healthy"},
    "hub": {20: "provider_missing,name=Pilot", 50: "healthy"},
    "travel": {25: "client_deleted", 45: "healthy"},
}
"""Weather by environment and second, after the weather at the start."""


def demo_environments() -> tuple[Environment, ...]:
    """Return the demo's environments; their ids are the same each time, their ports any free ones."""
    partners = _environment("uk_partners", https=True, pkce=True)
    partner = _provider("uk_hub/provider", "Partners", partners, _SECRET)
    listed = [_environment(name, port_of="hub") for name in ("retail", "finance", "legal", "travel")]
    providers = [_provider(f"hub/{each.name}", each.name.title(), each) for each in listed]
    others = {"Partner": ProviderKind.OIDC, "Pilot": ProviderKind.OIDC, "Archive": ProviderKind.SAML}
    providers += [
        IdentityProvider(id=_id(f"hub/{name}"), name=name, source="", client_id=name, kind=kind)
        for name, kind in others.items()
    ]
    return (
        _environment("emea_workforce"),
        _environment("us_retail", weather=parse_weather_text("slow,ms=350,jitter=250")),
        _environment("apac_partners", weather=parse_weather_text("flaky,ratio=0.3")),
        _environment("ca_customers"),
        _environment("au_suppliers", https=True),
        _environment("sg_contractors", policy=SignOnPolicy.IDENTIFIER_FIRST),
        _environment("latam_franchise", policy=SignOnPolicy.DAVINCI),
        _environment("nordics_workforce", https=True, custom_domain=True, pkce=True),
        partners,
        _environment("uk_hub", https=True, providers=(partner,)),
        _environment("hub", providers=tuple(providers)),
        *listed,
    )


def plain_environments(number: int) -> tuple[Environment, ...]:
    """Return healthy environments over http, `environment_1` and on; their ids are the same each time."""
    return tuple(_environment(f"environment_{index}") for index in range(1, number + 1))


def demo_script() -> Script:
    """Return a minute of weather for `demo_environments`, after which it starts again as they do."""
    changes = [Change(after=0, environment=each.name, weather=each.weather) for each in demo_environments()]
    changes += [
        Change(after=after, environment=name, weather=parse_weather_text(weather))
        for name, story in _CHANGES.items()
        for after, weather in story.items()
    ]
    return Script(changes=tuple(sorted(changes, key=lambda change: change.after)), repeat=60.0)


def _environment(
    name: str,
    *,
    policy: SignOnPolicy = SignOnPolicy.LOGIN,
    pkce: bool = False,
    **more: Any,  # noqa: ANN401  further fields of an environment
) -> Environment:
    destination = _id(f"{name}/destination")
    application = Application(
        client_id=_id(f"{name}/application"),
        redirect_uris=(f"https://destination.example/{destination}/rp/callback/openid_connect",),
        name=name.replace("_", " ").title(),
        sign_on_policy=policy,
        pkce_required=pkce,
        client_secret=_SECRET,
    )
    user = User(username="demo", password=_SECRET)
    return Environment(name=name, id=_id(name), applications=(application,), users=(user,), **more)


def _provider(id_from: str, name: str, source: Environment, secret: str = "") -> IdentityProvider:
    client_id = source.applications[0].client_id
    return IdentityProvider(
        id=_id(id_from), name=name, source=source.name, client_id=client_id, client_secret=secret
    )


def _id(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"https://simulator.example/{name}"))
