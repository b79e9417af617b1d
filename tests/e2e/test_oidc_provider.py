"""Another provider for real: oidc-provider from npm behind a destination of ours, asked in both ways."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.npm import installed
from harness.process import Process
from harness.waiting import poll
from probing.examples import DESTINATION
from probing.federation import Federation, Heard, Probed, Response, probe

from exporter.target import ReadyBy, SourceKind

pytestmark = pytest.mark.e2e

CALLBACK = f"/{DESTINATION}/rp/callback/openid_connect"
GOOD = ("ok", "none", ())
ERROR = ("oauth_error", "configuration")


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its issuer."""
    program = installed(Path(__file__).parent / "oidc_provider") / "provider.mjs"
    logs = tmp_path_factory.mktemp("oidc-provider")
    command = ("node", str(program), f"http://127.0.0.1{CALLBACK}")
    process = Process(command, directory=program.parent, environment={}, logs=logs)
    with process:
        yield poll(lambda: process.stdout.read_text().strip(), bool, what="the provider's URL")


def found(
    provider: str,
    ready_by: ReadyBy,
    path: str = "/auth",
    callback: str = "openid_connect",
    **changes: Any,  # noqa: ANN401  parameters
) -> Probed:
    """Probe a destination that leads to the provider with such parameters; None leaves one out."""

    def initiate(played: Federation, _: Heard) -> Response:
        url = played.authorize_url(**{"code_challenge": None, "code_challenge_method": None, **changes})
        url = url.replace(f"{played.source}/as/authorize", f"{provider}{path}")
        return Response(302, location=url.replace("openid_connect", callback))

    return probe(
        {"initiate": initiate},
        source_url="",
        source_environment_id="",
        user=None,
        source_kind=SourceKind.OIDC,
        ready_by=ready_by,
    )


def finding(probed: Probed) -> tuple[str, str, tuple[str, ...]]:
    assert probed.outcome.step == "source_authorize"
    return probed.outcome.reason.value, probed.outcome.fault.value, probed.outcome.steps[-1].error_codes


@pytest.mark.parametrize(
    "mode",
    [None, "query", "fragment", "form_post", "jwt", "query.jwt", "fragment.jwt", "form_post.jwt"],
)
def test_a_healthy_provider_is_ready_by_prompt_none_in_every_response_mode(
    provider: str, mode: str | None
) -> None:
    probed = found(provider, ReadyBy.PROMPT_NONE, response_mode=mode)
    assert finding(probed) == ("ok", "none", ("login_required",))
    assert len(probed.outcome.steps) == 3


@pytest.mark.parametrize("mode", [None, "fragment", "form_post", "query.jwt"])
def test_a_healthy_provider_is_ready_by_its_login_page(provider: str, mode: str | None) -> None:
    """It redirects with 303 to a relative URL, where it wants its cookie back, which is for that path."""
    probed = found(provider, ReadyBy.LOGIN_PAGE, response_mode=mode)
    assert finding(probed) == GOOD
    assert [step.http_status_code for step in probed.outcome.steps[2:]] == [303, 200]


CASES = {
    "unknown client": ({"client_id": "unknown"}, ("client_error",), ("login_page_error", "invalid_client")),
    "wrong redirect_uri": (
        {"callback": "other"},
        ("client_error",),
        ("login_page_error", "invalid_redirect_uri"),
    ),
    "wrong path": ({"path": "/authorize"}, ("client_error",), ("client_error",)),
}


@pytest.mark.parametrize("case", CASES)
def test_an_error_that_cannot_be_sent_back_is_its_own_page(provider: str, case: str) -> None:
    changes, *expected = CASES[case]
    for ready_by, (reason, *codes) in zip(ReadyBy, expected, strict=True):
        probed = found(provider, ready_by, **changes)
        assert finding(probed) == (reason, "configuration", tuple(codes))


RETURNED = {
    "pi.flow": ({"response_mode": "pi.flow"}, "unsupported_response_mode"),
    "response_type=bogus": ({"response_type": "bogus"}, "unsupported_response_type"),
    "response_type=token, in the fragment": ({"response_type": "token"}, "unsupported_response_type"),
    "client without the code flow": ({"client_id": "implicit"}, "invalid_request"),
    "pushed request required": ({"client_id": "par"}, "invalid_request"),
    "signed request required": ({"client_id": "signed"}, "invalid_request"),
    "PKCE required": ({"client_id": "pkce"}, "invalid_request"),
    "PKCE plain": (
        {"client_id": "pkce", "code_challenge": "x" * 43, "code_challenge_method": "plain"},
        "invalid_request",
    ),
    "nonce without openid": ({"scope": "profile"}, "invalid_request"),
    "in a form": ({"response_mode": "form_post", "client_id": "pkce"}, "invalid_request"),
    "inside a JWT": ({"response_mode": "query.jwt", "client_id": "pkce"}, "invalid_request"),
    "inside a JWT in a form": ({"response_mode": "form_post.jwt", "client_id": "pkce"}, "invalid_request"),
}


@pytest.mark.parametrize("case", RETURNED)
@pytest.mark.parametrize("ready_by", ReadyBy)
def test_an_error_that_is_sent_back_is_read_wherever_it_is(
    provider: str, case: str, ready_by: ReadyBy
) -> None:
    changes, code = RETURNED[case]
    assert finding(found(provider, ready_by, **changes)) == (*ERROR, (code,))
