"""From an endpoint to its URL and back, with and without the environment's id."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from simulator.desk import ENVIRONMENT_ID, emea

from exporter.simulator.urls import Place, Route, Urls

OWN = Urls.of(emea(), "http://127.0.0.1:8080")
CUSTOM = Urls.of(emea(https=True, custom_domain=True), "https://login.example.com")
FLOW_ID = "03cf5c5a-eb10-4a99-9626-ad7b50f17c80"


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/as/authorize", Route.AUTHORIZE),
        ("/as/resume", Route.RESUME),
        ("/as/.well-known/openid-configuration", Route.DISCOVERY),
        ("/as/jwks", Route.JWKS),
        ("/signon/", Route.SIGN_ON_PAGE),
    ],
)
def test_an_endpoint_is_found_with_the_id_or_on_a_custom_domain_without(path: str, route: Route) -> None:
    assert OWN.place(f"/{ENVIRONMENT_ID}{path}") == Place(route, ENVIRONMENT_ID)
    assert CUSTOM.place(path) == Place(route, None)
    assert OWN.place(path).route is Route.OTHER
    assert CUSTOM.place(f"/{ENVIRONMENT_ID}{path}").route is Route.OTHER


@pytest.mark.parametrize("urls", [OWN, CUSTOM])
def test_what_is_written_leads_back_to_where_it_was_written_for(urls: Urls) -> None:
    assert urls.place(urlsplit(urls.flow(FLOW_ID)).path).flow_id == FLOW_ID
    assert urls.place(urlsplit(urls.resume(FLOW_ID)).path).route is Route.RESUME
    assert urls.place(urlsplit(urls.sign_on_page).path).route is Route.SIGN_ON_PAGE


def test_only_a_custom_domain_drops_the_id() -> None:
    assert OWN.root == f"http://127.0.0.1:8080/{ENVIRONMENT_ID}"
    assert CUSTOM.root == "https://login.example.com"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/as/authorize/",
        f"/{ENVIRONMENT_ID}",
        f"/{ENVIRONMENT_ID}/other",
        f"/{ENVIRONMENT_ID}/as/authorize/",
        f"/{ENVIRONMENT_ID}/flows/none",
        f"//{ENVIRONMENT_ID}/as/authorize",
        "/not-an-id/as/authorize",
    ],
)
def test_any_other_path_is_none_of_the_providers(path: str) -> None:
    assert OWN.place(path) == Place(Route.OTHER)
