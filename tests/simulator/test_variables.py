"""The printed settings are those with which an exporter watches each environment."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from simulator.desk import APPLICATION, CLIENT_ID, DESTINATION_ID, ENVIRONMENT_ID, emea

from exporter.simulator import Application, Environment, SignOnPolicy, simulator, variables


def of(environment: Environment) -> tuple[dict[str, str], str, str]:
    """Return the variables without their common prefix, the base URL and the authority's file."""

    async def scenario() -> tuple[dict[str, str], str, str]:
        async with simulator([environment]) as running:
            prefix = "FLOW_EXPORTER_TARGETS__EMEA__"
            found = variables(running)
            assert all(name.startswith(prefix) for name in found)
            short = {name.removeprefix(prefix): value for name, value in found.items()}
            return short, running.environments["emea"].base_url, str(running.ca_file)

    return asyncio.run(scenario())


def with_application(**changes: object) -> tuple[Application, ...]:
    return (replace(APPLICATION, **changes),)  # type: ignore[arg-type]  # whatever the test changes


def test_an_ordinary_environment_needs_ids_and_urls() -> None:
    found, base_url, _ = of(emea())
    assert found == {
        "SOURCE_ENVIRONMENT_ID": ENVIRONMENT_ID,
        "DESTINATION_ENVIRONMENT_ID": DESTINATION_ID,
        "CLIENT_ID": CLIENT_ID,
        "AUTH_URL": base_url,
        "DESTINATION_AUTH_URL": "https://auth.pingone.com",
    }


def test_https_needs_the_authority() -> None:
    found, base_url, ca_file = of(emea(https=True))
    assert (found["CA_FILE"], found["AUTH_URL"]) == (ca_file, base_url)


def test_a_custom_domain_is_named_with_its_port() -> None:
    found, base_url, _ = of(emea(https=True, custom_domain=True))
    assert found["CUSTOM_DOMAIN"] == base_url.removeprefix("https://")
    assert "AUTH_URL" not in found


def test_policy_and_pkce_are_expected_of_the_exporter() -> None:
    identifier_first = with_application(sign_on_policy=SignOnPolicy.IDENTIFIER_FIRST)
    assert of(emea(applications=identifier_first))[0]["EXPECTED_STATUSES"] == "SIGN_ON_REQUIRED"
    davinci = with_application(sign_on_policy=SignOnPolicy.DAVINCI, pkce_required=True)
    found = of(emea(applications=davinci))[0]
    assert (found["EXPECTED_STATUSES"], found["PKCE"]) == ("DAVINCI", "true")


def test_a_redirect_uri_of_another_form_is_given_as_it_is() -> None:
    found, base_url, _ = of(emea(applications=with_application(redirect_uris=("https://rp.example/back",))))
    assert found["REDIRECT_URI"] == "https://rp.example/back"
    assert found["DESTINATION_AUTH_URL"] == base_url
    assert found["DESTINATION_ENVIRONMENT_ID"] != DESTINATION_ID
