"""The demo's environments, and a minute of weather over them.

Eight are watched by the authorize request. `uk_partners` signs users on for `uk_hub`, the whole way. `hub`
lists seven identity providers: four environments at its port, one with SAML, and two with OpenID Connect, one
of which is missing at times.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import NAMESPACE_URL, uuid5

from exporter.simulator.environments import Application, Environment, IdentityProvider, SignOnPolicy, User
from exporter.simulator.script import Change, Script
from exporter.simulator.weather import Flaky, Healthy, Slow, Weather, parse_weather
from exporter.target import ProviderKind

_SEED = "https://simulator.example/"
_SECRET = "demo"  # noqa: S105  of made-up applications


def demo_environments() -> tuple[Environment, ...]:
    """Return the demo's environments; their ids are the same each time, their ports any free ones."""
    return (
        _environment("emea_workforce"),
        _environment("us_retail", weather=Slow(ms=350, jitter=250)),
        _environment("apac_partners", weather=Flaky(ratio=0.3)),
        _environment("ca_customers"),
        _environment("au_suppliers", https=True),
        _environment("sg_contractors", policy=SignOnPolicy.IDENTIFIER_FIRST),
        _environment("latam_franchise", policy=SignOnPolicy.DAVINCI),
        _environment("nordics_workforce", custom_domain=True, pkce=True),
        *demo_federation(),
        *demo_hub(),
    )


def demo_hub() -> tuple[Environment, ...]:
    """Return a destination that lists seven identity providers, and the four environments among them."""
    listed = [replace(_environment(name), port_of="hub") for name in ("retail", "finance", "legal", "travel")]
    others = {"Partner": ProviderKind.OIDC, "Pilot": ProviderKind.OIDC, "Archive": ProviderKind.SAML}
    providers = [
        IdentityProvider(
            id=_id(f"hub/{each.name}"),
            name=each.name.title(),
            source=each.name,
            client_id=each.applications[0].client_id,
        )
        for each in listed
    ]
    providers += [
        IdentityProvider(id=_id(f"hub/{name}"), name=name, source="", client_id=name, kind=kind)
        for name, kind in others.items()
    ]
    return replace(_environment("hub"), providers=tuple(providers)), *listed


def demo_federation() -> tuple[Environment, Environment]:
    """Return a source and its destination, with all that a sign-on needs."""
    source = _environment("uk_partners", https=True, pkce=True)
    provider = IdentityProvider(
        id=_id("uk_hub/provider"),
        name="Partners",
        source=source.name,
        client_id=source.applications[0].client_id,
        client_secret=_SECRET,
    )
    return source, replace(_environment("uk_hub", https=True), providers=(provider,))


def plain_environments(number: int) -> tuple[Environment, ...]:
    """Return healthy environments over http, `environment_1` and on; their ids are the same each time."""
    return tuple(_environment(f"environment_{index}") for index in range(1, number + 1))


def demo_script() -> Script:
    """Return a minute of weather for `demo_environments`, after which it starts again."""
    changes = [
        *_story("emea_workforce", (0, "healthy"), (35, "clock_skewed", {"seconds": 180}), (50, "healthy")),
        *_story(
            "us_retail", (0, "slow", {"ms": 350, "jitter": 250}), (20, "slow", {"ms": 1500}), (40, "healthy")
        ),
        *_story("apac_partners", (0, "flaky", {"ratio": 0.3}), (45, "error_json", {"code": 500})),
        *_story("ca_customers", (0, "healthy"), (10, "rate_limited", {"retry_after": 10}), (25, "healthy")),
        *_story("au_suppliers", (0, "healthy"), (15, "tls_expired"), (30, "healthy"), (40, "tls_wrong_name")),
        *_story(
            "sg_contractors", (0, "healthy"), (10, "policy_changed"), (25, "healthy"), (40, "client_deleted")
        ),
        *_story(
            "latam_franchise", (0, "healthy"), (15, "refused"), (25, "silent"), (40, "reset"), (50, "healthy")
        ),
        *_story("nordics_workforce", (0, "healthy"), (20, "error_html", {"code": 502}), (30, "maintenance")),
        *_story("uk_partners", (0, "healthy")),
        *_story("uk_hub", (0, "healthy"), (15, "secret_expired"), (45, "healthy")),
        *_story("nordics_workforce", (40, "flow_failed"), (50, "redirect_uri_removed")),
        *_story("hub", (0, "healthy"), (20, "provider_missing", {"name": "Pilot"}), (50, "healthy")),
        *_story("travel", (0, "healthy"), (25, "client_deleted"), (45, "healthy")),
        *(change for name in ("retail", "finance", "legal") for change in _story(name, (0, "healthy"))),
    ]
    return Script(changes=tuple(sorted(changes, key=lambda change: change.after)), repeat=60.0)


def _environment(
    name: str,
    *,
    policy: SignOnPolicy = SignOnPolicy.LOGIN,
    https: bool = False,
    custom_domain: bool = False,
    pkce: bool = False,
    weather: Weather | None = None,
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
    return Environment(
        name=name,
        id=_id(name),
        applications=(application,),
        users=(User(username="demo", password="demo"),),  # noqa: S106  a made-up user of a made-up provider
        https=https or custom_domain,
        custom_domain=custom_domain,
        weather=weather or Healthy(),
    )


def _story(
    environment: str, *changes: tuple[float, str] | tuple[float, str, dict[str, float | str]]
) -> list[Change]:
    return [
        Change(
            after=after,
            environment=environment,
            weather=parse_weather({"weather": kind, **(rest[0] if rest else {})}),
        )
        for after, kind, *rest in changes
    ]


def _id(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, _SEED + name))
