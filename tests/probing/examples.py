"""A target and a flow that belong to each other, to vary in tests."""

from __future__ import annotations

from functools import partial
from typing import Any

from harness.targets import changed

from exporter.probing.judge import judge
from exporter.probing.links import endpoints
from exporter.probing.messages import Expectation
from exporter.target import Target

SOURCE = "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"
DESTINATION = "5d1f4f2c-9c4c-4f0a-8a52-0e0f3d1c7b11"
CLIENT = "3b1f6d1e-2c7a-4d0b-9f1f-6a0d0c9a7e55"
FLOW = "03cf5c5a-eb10-4a99-9626-ad7b50f17c80"
STATUS = "USERNAME_PASSWORD_REQUIRED"
SOURCE_URL = f"https://auth.pingone.com/{SOURCE}"

SOURCE_AT = endpoints(SOURCE_URL, SOURCE)
EXPECTATION = Expectation(SOURCE_AT, (STATUS,))
JUDGE = partial(judge, expectation=EXPECTATION)


def a_target(**changes: Any) -> Target:  # noqa: ANN401  any field of a target or of the timing of `authorize`
    """Return a target like the seed's, with the changes given."""
    target = Target(
        name="corporate",
        source_environment_id=SOURCE,
        destination_environment_id=DESTINATION,
        client_id=CLIENT,
        source_url=SOURCE_URL,
        redirect_uri=f"https://auth.pingone.com/{DESTINATION}/rp/callback/openid_connect",
    )
    return changed(target, **changes)


def a_flow(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    """Return the documented answer of step 3, "Send external authorization request to the IdP", changed."""
    flow = f"https://auth.pingone.com/{SOURCE}/flows/{FLOW}"
    return {
        "_links": {
            "usernamePassword.check": {"href": flow},
            "password.forgot": {"href": flow},
            "self": {"href": flow},
            "signOnPage": {"href": f"https://apps.pingone.com/{SOURCE}/signon/?flowId={FLOW}"},
        },
        "_embedded": {"application": {"name": "SourceApp_1776714341"}},
        "id": FLOW,
        "environment": {"id": SOURCE},
        "resumeUrl": f"https://auth.pingone.com/{SOURCE}/as/resume?flowId={FLOW}",
        "status": STATUS,
        "createdAt": "2026-04-20T19:54:09.271Z",
        "expiresAt": "2026-04-20T20:09:09.271Z",
    } | changes
