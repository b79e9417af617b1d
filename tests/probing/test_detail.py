"""The sentence that names the exact cause: a closed set of templates, and nothing that a provider wrote."""

from __future__ import annotations

import errno
import socket
import ssl
import string
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import h11
import pytest
from harness.details import templates_of
from hypothesis import given
from hypothesis import strategies as st
from probing.examples import SOURCE_AT, SOURCE_URL, STATUS
from probing.federation import a_federation_target
from probing.test_federation_totality import ANSWERS, GOOD
from probing.test_judge_totality import BODIES, LOCATIONS

from exporter.outcome import Phase, TlsFacts
from exporter.probing.certificate import RefusedCertificate
from exporter.probing.detail import (
    MAX_CHARACTERS,
    NOT_SHOWN,
    PATTERNS,
    VIOLATIONS,
    Detail,
    Template,
    origin_of,
    sentence,
)
from exporter.probing.failure import OUR_BUG, STALLED
from exporter.probing.findings import describe, evaluate
from exporter.probing.journeys.federation import federation
from exporter.probing.judge import judge
from exporter.probing.links import parse_link
from exporter.probing.messages import Answer, Expectation, Request, Step, Verdict
from exporter.probing.resolver import ResolutionError
from exporter.probing.timing import DeadlineError, OwnDelayError
from exporter.probing.transport import Exchange
from exporter.reasons import Reason

HOST = "auth.pingone.com:443"
LONG_HOST = f"{'x' * 240}.example:65535"
SECRET = "Zm9vYmFyYmF6cXV4LXN0YXRlLXRoYXQtaXMtc2VjcmV0"
TLS = TlsFacts(version="TLSv1.3", cipher="TLS_AES_256_GCM_SHA384", not_after=1_763_596_800.0)
AT = 1_764_000_000.0
LONGEST: dict[str, object] = {
    "host": LONG_HOST,
    "address": f"[{'2001:0db8:' * 4}1]:65535",
    "name": "n" * 253,
    "origin": f"https://{'o' * 240}:65535",
    "code": 999,
    "count": 999_999,
    "seconds": "the probe's 86400.123 s",
    "size": "2048",
    "date": "2026-11-20",
    "errno": "EADDRNOTAVAIL",
    "eai": "EAI_ADDRFAMILY",
    "tls": "t" * 60,
    "verify": "v" * 60,
    "names": ("*." + "n" * 100,) * 999,
    "codes": ("unmet_authentication_requirements",) * 999,
    "status": "MULTI_FACTOR_AUTHENTICATION_REQUIRED",
    "statuses": ("S" * 64,) * 20,
    "reason": max(Reason, key=len),
    "while": "during the TLS handshake",
    "member": "id_token_signing_alg_values_supported",
    "value": "pi.flow",
    "claim": "not signed by a published key",
    "violation": max(VIOLATIONS.values(), key=len),
}


def described(
    exchange: Exchange,
    step: Step,
    verdict: Verdict,
    secrets: Collection[str] = (),
    **changes: Any,  # noqa: ANN401
) -> str:
    known: dict[str, Any] = {"within": "10 s", "refused": None, "at": AT}
    return describe(exchange, step, verdict, secrets, **known | changes)


def answered(answer: Answer, url: str = f"{SOURCE_URL}/as/authorize?nonce=x") -> Exchange:
    return Exchange(phase=Phase.TRANSFER, answer=answer, link=parse_link(url), address="192.0.2.7")


# The templates


@pytest.mark.parametrize("cause", Template)
def test_each_template_names_where_the_request_went_and_checks_each_parameter(cause: Template) -> None:
    parameters = {name for _, name, _, _ in string.Formatter().parse(cause) if name is not None}
    assert parameters & {"host", "address", "name"}
    assert parameters <= PATTERNS.keys() == LONGEST.keys()


@pytest.mark.parametrize("cause", Template)
def test_the_longest_parameters_fit(cause: Template) -> None:
    text = sentence(Detail(cause, LONGEST), LONG_HOST)
    assert cause in templates_of(text)
    assert NOT_SHOWN not in text
    assert len(text) <= MAX_CHARACTERS


@pytest.mark.parametrize("cause", Template)
@pytest.mark.parametrize("value", ["a b?c=d", "x\ny", "", "\u00e4", "1" * 999, "<b>"])
def test_a_parameter_of_another_form_is_not_shown(cause: Template, value: str) -> None:
    parameters = {name for _, name, _, _ in string.Formatter().parse(cause) if name is not None}
    text = sentence(Detail(cause, dict.fromkeys(parameters - {"host"}, value)), HOST)
    assert cause in templates_of(text)
    assert value not in text or not value or parameters == {"host"} or set(value) == {"1"}


@pytest.mark.parametrize("name", ["origin", "names"])
def test_what_a_provider_chose_is_not_shown_if_it_holds_a_secret_however_it_is_written(name: str) -> None:
    host = f"{SECRET.lower()}.{'x' * 100}.example"
    cause, value = (
        (Template.REDIRECT, f"https://{host}")
        if name == "origin"
        else (Template.OTHER_NAME, ("a.example", host))
    )
    text = sentence(Detail(cause, {"code": 302, name: value}), HOST, (SECRET,))
    assert NOT_SHOWN in text
    assert SECRET[:8].lower() not in text.lower()


def test_a_foreign_host_that_holds_a_secret_is_not_shown() -> None:
    url = f"https://{SECRET}.example/authorize"
    step = Step("source_authorize", Request("GET", url), partial(judge, expectation=_any()), foreign=True)
    for error in (None, TimeoutError()):
        exchange = replace(answered(Answer(503), url), error=error, peer=(f"{SECRET}.example", 443))
        exchange.phase = Phase.RESOLVE if error else Phase.TRANSFER
        text = described(exchange, step, evaluate(exchange, step), secrets=(SECRET,))
        assert NOT_SHOWN in text
        assert SECRET.lower() not in text.lower()


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://idp.example/a?b=c#d", "https://idp.example"),
        ("https://idp.example:8443/", "https://idp.example:8443"),
        ("http://[2001:db8::1]/", "http://[2001:db8::1]"),
        ("http://[2001:db8::1]:443/", "http://[2001:db8::1]:443"),
    ],
)
def test_of_a_url_scheme_and_host_are_shown(url: str, origin: str) -> None:
    link = parse_link(url)
    assert link is not None
    assert origin_of(link) == origin


# Answers


def _any(*statuses: str) -> Expectation:
    return Expectation(SOURCE_AT, statuses or (STATUS,))


def of(answer: Answer) -> str:
    step = Step(
        "authorize", Request("GET", f"{SOURCE_URL}/as/authorize?x"), partial(judge, expectation=_any())
    )
    exchange = answered(answer)
    return described(exchange, step, evaluate(exchange, step))


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(503), "503 from auth.pingone.com:443"),
        (
            Answer(302, headers={"location": "https://login.example/x?code=1#y"}),
            "302 to https://login.example (auth.pingone.com:443)",
        ),
        (
            Answer(302, headers={"location": "https://app.example/signon/?flowId=1"}),
            "302 to a sign-on page at https://app.example (auth.pingone.com:443)",
        ),
        (
            Answer(303, headers={"location": "/x?error=access_denied"}),
            "303 to https://auth.pingone.com: access_denied (auth.pingone.com:443)",
        ),
        (Answer(307), "307 without a Location (auth.pingone.com:443)"),
        (
            Answer(301, headers={"location": "http://["}),
            "301 with a malformed Location (auth.pingone.com:443)",
        ),
        (
            Answer(400, b'{"code": "INVALID_DATA", "details": [{"code": "INVALID_VALUE"}]}'),
            "400 with error INVALID_DATA, INVALID_VALUE from auth.pingone.com:443",
        ),
        (Answer(400, b'{"error": "what I like"}'), "400 with error OTHER from auth.pingone.com:443"),
        (Answer(403, b"<html>"), "403 without JSON from auth.pingone.com:443"),
        (
            Answer(405, headers={"x-amzn-waf-action": "captcha"}),
            "405 with x-amzn-waf-action from auth.pingone.com:443",
        ),
        (Answer(200, b"  "), "200 with an empty body from auth.pingone.com:443"),
        (Answer(200, b"<html>"), "200 with HTML or XML from auth.pingone.com:443"),
        (Answer(200, b"[]"), "200 with a body that is not a JSON object from auth.pingone.com:443"),
        (Answer(200, b"{}", too_large=True), "body larger than 256 KiB from auth.pingone.com:443"),
        (Answer(200, b"{}"), "response has no flow status (auth.pingone.com:443)"),
        (
            Answer(200, b'{"status": "OTP_REQUIRED"}'),
            "status OTP_REQUIRED, expected USERNAME_PASSWORD_REQUIRED (auth.pingone.com:443)",
        ),
        (
            Answer(200, b'{"status": "BRAND_NEW_REQUIRED"}'),
            "status UNKNOWN, expected USERNAME_PASSWORD_REQUIRED (auth.pingone.com:443)",
        ),
        (
            Answer(200, b'{"status": "FAILED", "error": {"code": "login_required"}}'),
            "200 with status FAILED, error login_required from auth.pingone.com:443",
        ),
        (
            Answer(200, b'{"status": "X_REQUIRED", "environment": {"id": "other"}}'),
            "flow belongs to another environment (auth.pingone.com:443)",
        ),
        (Answer(999), "999 is not a valid status code (auth.pingone.com:443)"),
    ],
)
def test_an_answer_is_described_by_what_it_is(answer: Answer, expected: str) -> None:
    assert of(answer) == expected


# Parameters


@pytest.mark.parametrize("port", [1, 443, 8443, 65535])
@pytest.mark.parametrize("length", [*range(36, 52), 253])
def test_a_host_of_any_length_is_shown_and_the_sentence_fits(length: int, port: int) -> None:
    host = "x" * length
    text = sentence(Detail(Template.REDIRECT, {"code": 302, "origin": f"http://{host}"}), f"{host}:{port}")
    assert NOT_SHOWN not in text
    assert f":{port})" in text
    assert len(text) <= MAX_CHARACTERS


@pytest.mark.parametrize(
    ("detail", "expected"),
    [
        (
            Detail(Template.OTHER_NAME, {"names": ("a.example", "*.b.example", "c", "d", "e")}),
            f"hostname mismatch: certificate is for a.example, *.b.example and 3 more ({HOST})",
        ),
        (
            Detail(Template.REDIRECT, {"code": 302, "origin": f"https://{'a' * 20}{'b' * 20}{'c' * 20}"}),
            f"302 to https://{'a' * 19}...{'b' * 6}{'c' * 20} ({HOST})",
        ),
        (Detail(Template.EAI_NONAME, {"name": "2001:db8::1"}), "no such host 2001:db8::1 (NXDOMAIN)"),
        *(
            (Detail(Template.MEMBER_MISSING, {"member": name}), f"{name} missing in the response ({HOST})")
            for name in (
                "authenticate link", "resumeUrl", "flowId", "code", "client_id", "redirect_uri", "state",
                "issuer", "authorization_endpoint", "token_endpoint", "jwks_uri", "response_types_supported",
                "response_modes_supported", "subject_types_supported",
                "id_token_signing_alg_values_supported",
            )
        ),
    ],
)  # fmt: skip
def test_a_parameter_is_shown_shortened_where_it_is_long(detail: Detail, expected: str) -> None:
    assert sentence(detail, HOST) == expected


@pytest.mark.parametrize(
    "detail",
    [
        Detail(Template.REDIRECT, {"code": 302, "origin": "https://Planted.example"}),
        Detail(Template.OTHER_NAME, {"names": ("a.example", "planted.example")}),
    ],
)
def test_a_short_secret_in_what_a_provider_chose_is_not_shown_either(detail: Detail) -> None:
    assert "planted" in sentence(detail, HOST).lower()
    shown = sentence(detail, HOST, ("pLanted",))
    assert NOT_SHOWN in shown
    assert "planted" not in shown.lower()


def test_a_cause_shows_no_parameter_before_it_was_checked() -> None:
    assert repr(Detail(Template.NO_STATE, {"state": SECRET})) == "Detail(NO_STATE)"


def test_no_url_has_no_origin() -> None:
    assert origin_of(None) == ""


# Failed exchanges


def of_error(error: Exception, phase: Phase, **known: Any) -> str:  # noqa: ANN401  any field
    step = Step(
        "authorize", Request("GET", f"{SOURCE_URL}/as/authorize?x"), partial(judge, expectation=_any())
    )
    fields = {"address": "203.0.113.7", "peer": ("auth.pingone.com", 443), **known}
    exchange = replace(answered(Answer(200)), answer=None, error=error, phase=phase, **fields)
    return described(exchange, step, evaluate(exchange, step))


def unresolved(cause: BaseException | None) -> ResolutionError:
    error = ResolutionError()
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errno.ECONNREFUSED, "connection refused by 203.0.113.7:443"),
        (errno.EHOSTUNREACH, "no route to 203.0.113.7:443 (EHOSTUNREACH)"),
        (errno.ENETUNREACH, "network unreachable for 203.0.113.7:443 (ENETUNREACH)"),
        (errno.EADDRNOTAVAIL, "this machine has no address to reach 203.0.113.7:443 (EADDRNOTAVAIL)"),
        (errno.ETIMEDOUT, "connection to 203.0.113.7:443 timed out in the kernel (ETIMEDOUT)"),
        (errno.EACCES, "connection to 203.0.113.7:443 failed (EACCES)"),
        (errno.EMFILE, "exporter out of resources, EMFILE (auth.pingone.com:443)"),
    ],
)
def test_a_failed_connection_is_described_by_its_errno_and_address(error: int, expected: str) -> None:
    assert of_error(OSError(error, "text of the system"), Phase.CONNECT) == expected


def test_of_several_addresses_the_one_that_failed_is_named() -> None:
    error = OSError(errno.ECONNREFUSED, "refused", "2001:db8::1")
    assert of_error(error, Phase.CONNECT) == "connection refused by [2001:db8::1]:443"


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "no such host auth.pingone.com (NXDOMAIN)"),
        (
            socket.gaierror(socket.EAI_AGAIN, "x"),
            "name server failed or did not respond for auth.pingone.com (EAI_AGAIN)",
        ),
        (
            socket.gaierror(socket.EAI_FAIL, "x"),
            "name server refused auth.pingone.com, or its response is invalid (EAI_FAIL)",
        ),
        (socket.gaierror(socket.EAI_MEMORY, "x"), "auth.pingone.com did not resolve (EAI_MEMORY)"),
        (UnicodeError(), "auth.pingone.com is not a valid host name"),
        (None, "auth.pingone.com has no address that IP_FAMILY allows"),
    ],
)
def test_a_name_that_does_not_resolve_is_described_by_its_code(
    cause: Exception | None, expected: str
) -> None:
    assert of_error(unresolved(cause), Phase.RESOLVE) == expected


def test_a_request_that_is_not_acknowledged_is_a_cause_of_its_own() -> None:
    error = DeadlineError()
    assert of_error(error, Phase.PROCESSING) == "no response within 10 s (auth.pingone.com:443)"
    assert of_error(error, Phase.PROCESSING, unacknowledged=True) == (
        "request not acknowledged by 203.0.113.7:443 within 10 s"
    )


def test_what_h11_words_in_a_new_way_is_not_readable() -> None:
    assert of_error(h11.RemoteProtocolError("new words"), Phase.PROCESSING) == (
        "response is not valid HTTP: not readable (auth.pingone.com:443)"
    )


# Whatever a provider sends


@given(
    code=st.integers(0, 999),
    body=BODIES,
    too_large=st.booleans(),
    location=LOCATIONS | st.just(f"https://{SECRET}.example/?code={SECRET}"),
    edge=st.sampled_from(["x-amzn-waf-action", "cf-mitigated", "x-amzn-errortype", "date"]),
    word=st.text() | st.just("challenge") | st.just(SECRET),
)
def test_whatever_is_answered_a_detail_is_one_of_the_templates(
    code: int,
    body: bytes,
    too_large: bool,  # noqa: FBT001  hypothesis passes by keyword
    location: str | None,
    edge: str,
    word: str,
) -> None:
    headers = {edge: word} | ({} if location is None else {"location": location})
    for proxied in (False, True):
        exchange = replace(answered(Answer(code, body, headers, too_large=too_large)), proxied=proxied)
        step = Step(
            "authorize", Request("GET", f"{SOURCE_URL}/as/authorize?x"), partial(judge, expectation=_any())
        )
        verdict = evaluate(exchange, step)
        if verdict.reason is Reason.OK:
            continue
        text = described(exchange, step, verdict, secrets=(SECRET,))
        assert templates_of(text)
        assert SECRET.lower() not in text.lower()


@given(st.lists(ANSWERS, max_size=12), st.integers(0, len(GOOD)))
def test_whatever_environments_answer_a_detail_is_one_of_the_templates(
    answers: list[Answer], good: int
) -> None:
    target = a_federation_target("https://auth.pingone.com")
    steps = federation(target, iter(["planted-n", "planted-s", "v" * 43]).__next__)
    step = next(steps)
    secrets: set[str] = set()
    for answer in [*GOOD[:good], *answers]:
        exchange = answered(answer, step.request.url)
        secrets |= set(step.secrets)
        verdict = evaluate(exchange, step)
        secrets |= set(verdict.secrets)
        if verdict.reason is not Reason.OK:
            text = described(exchange, step, verdict, secrets=secrets)
            assert templates_of(text)
            break
        try:
            step = steps.send(verdict)
        except StopIteration:
            break
    steps.close()


@given(
    st.lists(st.text(), max_size=5).map(tuple),
    st.floats(0, 2e10),
    st.sampled_from([9, 10, 18, 20, 62, 64, 99]),
)
def test_whatever_a_certificate_says_a_detail_is_one_of_the_templates(
    names: tuple[str, ...], at: float, code: int
) -> None:
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    step = Step("authorize", Request("GET", SOURCE_URL), partial(judge, expectation=_any()))
    exchange = replace(answered(Answer(200)), answer=None, error=error, phase=Phase.TLS)
    ends = datetime.fromtimestamp(at, UTC)
    refused = RefusedCertificate(replace(TLS, not_after=at), ends, ends, names)
    text = described(exchange, step, evaluate(exchange, step), refused=refused, secrets=(SECRET,))
    assert templates_of(text)


def test_our_own_delay_is_told_from_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    step = Step("authorize", Request("GET", "https://auth.example.com/as/authorize"), judge=lambda _: OUR_BUG)
    verdict = evaluate(Exchange(error=OwnDelayError()), step)
    assert verdict == STALLED
    assert caplog.records == []
