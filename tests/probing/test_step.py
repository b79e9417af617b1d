"""No secret in what a value says of itself."""

from __future__ import annotations

import pytest
from probing.examples import JUDGE, STATUS, a_flow, a_target

from exporter.probing.journeys.authorize import authorize
from exporter.probing.messages import Answer, Request, Step, Verdict
from exporter.probing.transport import Exchange
from exporter.reasons import Fault, Reason

NONCE, STATE, VERIFIER, TOKEN = "planted-nonce", "planted-state", "planted-verifier" * 3, "planted-token"
REQUEST = Request("GET", f"https://auth.pingone.com/e/as/authorize?nonce={NONCE}&state={STATE}#{TOKEN}")
ANSWER = Answer(
    302,
    f'{{"session": "{TOKEN}"}}'.encode(),
    {"location": f"https://rp.example/?code={TOKEN}&state={STATE}", "correlation-id": NONCE},
)


@pytest.mark.parametrize(
    "value",
    [
        REQUEST,
        Step("authorize", REQUEST, JUDGE, (NONCE, STATE, VERIFIER)),
        next(authorize(a_target(pkce=True, login_hint=TOKEN), iter([NONCE, STATE, VERIFIER]).__next__)),
        ANSWER,
        Verdict(Reason.OK, Fault.NONE, STATUS, (), a_flow(session={"id": TOKEN})),
        Verdict(Reason.UNEXPECTED_STATUS, Fault.CONFIGURATION, TOKEN),
        Exchange(answer=ANSWER, error=RuntimeError(TOKEN), headers=((b"x", TOKEN.encode()),)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_no_secret_shows_in_a_repr(value: object) -> None:
    for text in (repr(value), str(value), f"{value}", repr([value])):
        assert "planted" not in text
