"""The flow that servers answer has the documented shape."""

from __future__ import annotations

from datetime import UTC, datetime

from harness.seed import seed_flow


def test_a_flow_is_the_documented_one() -> None:
    flow = seed_flow(
        "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6",
        base_url="https://auth.pingone.com",
        flow_id="03cf5c5a-eb10-4a99-9626-ad7b50f17c80",
        now=datetime(2026, 4, 20, 19, 54, 9, 271_000, tzinfo=UTC),
    )
    url = "https://auth.pingone.com/abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"
    href = {"href": f"{url}/flows/03cf5c5a-eb10-4a99-9626-ad7b50f17c80"}
    assert flow == {
        "_links": {
            "usernamePassword.check": href,
            "password.forgot": href,
            "self": href,
            "signOnPage": {"href": f"{url}/signon/?flowId=03cf5c5a-eb10-4a99-9626-ad7b50f17c80"},
        },
        "_embedded": {"application": {"name": "SourceApp_1776714341"}},
        "id": "03cf5c5a-eb10-4a99-9626-ad7b50f17c80",
        "environment": {"id": "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"},
        "resumeUrl": f"{url}/as/resume?flowId=03cf5c5a-eb10-4a99-9626-ad7b50f17c80",
        "status": "USERNAME_PASSWORD_REQUIRED",
        "createdAt": "2026-04-20T19:54:09.271Z",
        "expiresAt": "2026-04-20T20:09:09.271Z",
    }


def test_a_custom_domain_drops_the_environment_from_urls_alone() -> None:
    flow = seed_flow("e", base_url="https://login.example", flow_id="f", custom_domain=True)
    assert flow["_links"]["self"]["href"] == "https://login.example/flows/f"
    assert flow["environment"]["id"] == "e"
