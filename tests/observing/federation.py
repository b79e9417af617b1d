"""A federation to vary in tests: its target, and outcomes that went through its steps."""

from __future__ import annotations

from dataclasses import replace

from observing.examples import PHASES, START, a_certificate, a_step, a_success, a_target

from exporter.outcome import CHECKS, Outcome, Phase, StepRecord
from exporter.target import DestinationApplication, Journey, ProviderKind, SyntheticUser, Target

STEPS = Journey.FEDERATION.steps
FLOWS = {
    "destination_authorize": "SIGN_ON_REQUIRED",
    "destination_lookup": "EXTERNAL_AUTHENTICATION_REQUIRED",
    "source_authorize": "USERNAME_PASSWORD_REQUIRED",
    "sign_on": "COMPLETED",
    "source_resume": "COMPLETED",
    "destination_flow": "COMPLETED",
}
CHECKED = {
    "destination_authorize": CHECKS,
    "destination_lookup": CHECKS,
    "initiate": ("pkce",),
    "source_authorize": CHECKS,
    "token": ("subject",),
}
REDIRECTS = ("initiate", "callback", "destination_resume")
CONNECTING = ("destination_authorize", "source_authorize")


def a_federation(**changes: object) -> Target:
    """Return a target with settings that ask for every step."""
    target = a_target(
        journeys=(Journey.FEDERATION,),
        destination_url="https://sso.example.com:8443",
        application=DestinationApplication(client_id="app", redirect_uri="https://x", client_secret="secret"),
        user=SyntheticUser(username="user", password="secret"),
        secret_expires=START + 90 * 86_400,
    )
    return replace(target, **changes)  # type: ignore[arg-type]


def a_federation_step(step: str, **changes: object) -> StepRecord:
    """Return the record of a step of a healthy federation: two connections, each used again."""
    connects = step in CONNECTING
    checks = dict.fromkeys(CHECKED.get(step, ()), True)
    record = a_step(
        step=step,
        phases=PHASES if connects else {Phase.PROCESSING: 0.2, Phase.TRANSFER: 0.1},
        http_status_code=302 if step in REDIRECTS else 200,
        flow_status=FLOWS.get(step),
        checks=checks,
        lifetime=900.0 if len(checks) > 1 else None,
        clock_skew=0.1 if checks else None,
        clock_skew_error=0.1 if checks else None,
        tls=a_certificate(START + (50 if step in CONNECTING else 60) * 86_400),
    )
    return replace(record, **changes)  # type: ignore[arg-type]


def a_sign_on(reached: int = len(STEPS), **changes: object) -> Outcome:
    """Return a success of the first steps, with the changes given."""
    records = tuple(a_federation_step(step) for step in STEPS[:reached])
    outcome = a_success(
        journey=Journey.FEDERATION,
        step=STEPS[reached - 1],
        steps=records,
        duration=2.5,
        kind=ProviderKind.PINGONE,
    )
    return replace(outcome, **changes)  # type: ignore[arg-type]
