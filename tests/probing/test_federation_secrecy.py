"""No secret of a federation leaves its probe, whatever the environments answer."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from probing.federation import (
    CLIENT_SECRET,
    PASSWORD,
    STATE,
    STEPS,
    USERNAME,
    Federation,
    Heard,
    Play,
    Probed,
    Response,
    probe,
)

from exporter.outcome import as_json
from exporter.probing.journeys import JOURNEYS
from exporter.probing.messages import Steps
from exporter.target import Journey

FULL = [step for step in STEPS if step != "destination_lookup"]
TOKENS = ("planted-own-nonce", "planted-own-state", "planted-own-verifier" + "x" * 30)


def said(probed: Probed, log: str) -> str:
    """Return all that is visible of a probe."""
    return "".join((repr(probed.outcome), json.dumps(as_json(probed.outcome)), log))


def with_header(step: str, value: str) -> dict[str, Response | Play]:
    """Return the good answer of a step with a correlation id."""

    def answer(played: Federation, heard: Heard) -> Response:
        good = played.good(heard)
        return replace(good, headers=(*good.headers, f"Correlation-Id: {value}"))

    return {step: answer}


PLANTED = [
    USERNAME,
    PASSWORD,
    STATE,
    CLIENT_SECRET,
    *TOKENS,
    "planted-source-code",
    "planted-destination-code",
    "planted-state-of-initiate",
    "planted-nonce-of-initiate",
    "planted-access-token",
    "planted-cookie",
]


@pytest.mark.parametrize("secret", PLANTED)
def test_a_secret_that_is_echoed_as_a_correlation_id_is_dropped(
    secret: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    probed = probe(with_header("token", f"x-{secret}"), token=iter(TOKENS).__next__)
    assert probed.outcome.success
    assert probed.record("token").correlation_id is None
    assert "planted" not in said(probed, caplog.text)


@pytest.mark.parametrize("step", ["destination_authorize", "callback"])
def test_a_login_hint_that_is_echoed_as_a_correlation_id_is_dropped(step: str) -> None:
    probed = probe(with_header(step, "planted.hint"), application={"login_hint": "planted.hint"})
    assert probed.outcome.success
    assert "planted" not in said(probed, "")


def test_client_credentials_that_are_echoed_as_a_correlation_id_are_dropped() -> None:
    """A correlation id has no `=`, so that what is left of them is recognized, too."""

    def token(played: Federation, heard: Heard) -> Response:
        sent = heard.headers["authorization"].removeprefix("Basic ").rstrip("=")
        return replace(played.good(heard), headers=(f"Correlation-Id: {sent}",))

    probed = probe({"token": token})
    assert probed.outcome.success
    assert probed.record("token").correlation_id is None


def test_a_refused_cookie_and_a_token_beside_a_code_are_not_shown_either() -> None:
    cookie = "Set-Cookie: SID=planted-refused; Domain=other.example"

    def resume(played: Federation, _: Heard) -> Response:
        code = {"code": "planted-code", "state": STATE, "access_token": "planted-extra-token"}
        document = played.flow(status="COMPLETED") | {"authorizeResponse": code}
        return Response(document=document, headers=("Correlation-Id: planted-extra-token",))

    def flow(played: Federation, heard: Heard) -> Response:
        return replace(played.good(heard), headers=(cookie, "Correlation-Id: x-planted-refused"))

    probed = probe({"source_resume": resume, "destination_flow": flow})
    assert probed.record("source_resume").correlation_id is None
    assert probed.record("destination_flow").correlation_id is None
    assert "planted" not in said(probed, "")


def test_other_correlation_ids_are_kept_at_every_step() -> None:
    for step in FULL:
        assert probe(with_header(step, "4f1c-9b")).record(step).correlation_id == "4f1c-9b"


@pytest.mark.parametrize("step", FULL)
@pytest.mark.parametrize(
    "echo",
    [
        lambda text: Response(400, document={"code": text, "message": text, "details": [{"code": text}]}),
        lambda text: Response(200, document={"status": text, "error": {"code": text}}),
        lambda text: Response(302, location=f"https://x.example/?error={text}&flowId={text}#{text}"),
        lambda text: Response(302, location=f"http://[{text}"),
        lambda text: Response(200, document={"id": text, "status": text, "resumeUrl": text}),
        lambda text: Response(200, raw=text.encode()),
    ],
)
def test_secrets_that_are_echoed_anywhere_stay_in_the_probe(
    step: str, echo: Callable[[str], Response], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def answer(_: Federation, heard: Heard) -> Response:
        return echo(f"{PASSWORD}{CLIENT_SECRET}{heard.target}")

    probed = probe({step: answer}, token=iter(TOKENS).__next__)
    assert not probed.outcome.success
    assert "planted" not in said(probed, caplog.text)


def test_no_step_of_the_journey_shows_a_secret_in_its_repr() -> None:
    seen: list[str] = []
    original = JOURNEYS[Journey.FEDERATION]

    def spying(*given: Any) -> Steps:  # noqa: ANN401
        steps = original(*given)
        step = next(steps)
        while True:
            seen.append(f"{step!r}{step.request!r}{step}")
            verdict = yield step
            seen.append(repr(verdict))
            try:
                step = steps.send(verdict)
            except StopIteration:
                return

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(JOURNEYS, Journey.FEDERATION, spying)
        probed = probe(token=iter(TOKENS).__next__)
    assert probed.outcome.success
    assert len(seen) == 20
    assert "planted" not in "".join(seen)
