"""Whatever environments answer, a federation ends with a known reason and requests nothing unsafe."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from probing.examples import DESTINATION, FLOW, SOURCE, a_flow
from probing.federation import DESTINATION_FLOW, PROVIDER, STATE, a_federation_target

from exporter.probing.journeys.federation import federation
from exporter.probing.links import allowed_hosts, parse_link
from exporter.probing.messages import Answer
from exporter.reasons import Reason, pairs_of
from exporter.target import Journey, ReadyBy, SourceKind

BASE = "https://auth.pingone.com"
CALLBACK = f"{BASE}/{DESTINATION}/rp/callback/openid_connect"
AUTHORIZE = f"{BASE}/{SOURCE}/as/authorize?client_id=c&state={STATE}&redirect_uri={CALLBACK}"
OFFER: dict[str, Any] = {
    "id": DESTINATION_FLOW,
    "status": "USERNAME_PASSWORD_REQUIRED",
    "_embedded": {
        "socialProviders": [
            {"id": PROVIDER, "_links": {"authenticate": {"href": f"{BASE}/{DESTINATION}/rp/authenticate?x"}}}
        ]
    },
}
CODE = {"authorizeResponse": {"code": "c", "state": STATE}}
GOOD: list[Answer] = [
    Answer(200, json.dumps(OFFER).encode()),
    Answer(302, headers={"location": AUTHORIZE}),
    Answer(200, json.dumps(a_flow()).encode()),
    Answer(200, json.dumps({"status": "COMPLETED", "resumeUrl": f"{BASE}/{SOURCE}/as/resume?x"}).encode()),
    Answer(200, json.dumps(CODE).encode()),
    Answer(302, headers={"location": f"/signon/?flowId={FLOW}"}),
    Answer(200, json.dumps({"status": "COMPLETED"}).encode()),
    Answer(200, json.dumps({"authorizeResponse": {"code": "c", "state": "s"}}).encode()),
]

TEXTS = st.text(max_size=20) | st.sampled_from([
    "COMPLETED", "FAILED", "OTP_REQUIRED", "password", "INVALID_VALUE", FLOW, "../x", AUTHORIZE, CALLBACK,
    f"{BASE}/{SOURCE}/as/resume", f"{CALLBACK}?code=c&state={STATE}", "//evil.example/", f"?flowId={FLOW}",
    f"{AUTHORIZE}&request=x", f"{AUTHORIZE}&SAMLRequest=x", "http://[", "https://evil.example/as/authorize",
    f"{BASE}/{DESTINATION}/rp/../x",
])  # fmt: skip
MEMBERS = [
    "id",
    "status",
    "error",
    "code",
    "details",
    "target",
    "innerError",
    "secondsUntilUnlock",
    "resumeUrl",
    "authorizeResponse",
    "state",
    "_embedded",
    "_links",
    "socialProviders",
    "identityProvider",
    "href",
    "authenticate",
    "name",
    "environment",
    "interactionId",
    "keys",
    "kty",
    "n",
    "e",
    "id_token",
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(MEMBERS),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip
ANSWERS = st.builds(
    Answer,
    st.sampled_from([200, 201, 302, 303, 307, 400, 401, 403, 404, 408, 429, 500, 503, 999]),
    JSON.map(lambda document: json.dumps(document).encode()) | st.binary(max_size=60),
    st.fixed_dictionaries({}, optional={"location": TEXTS, "date": TEXTS}),
    st.booleans(),
)


@given(
    st.lists(ANSWERS, max_size=12),
    st.integers(0, len(GOOD)),
    st.sampled_from(SourceKind),
    st.booleans(),
    st.sampled_from(ReadyBy),
)
def test_any_answers_end_in_a_known_reason_and_lead_to_no_other_host(
    answers: list[Answer],
    good: int,
    kind: SourceKind,
    has_user: bool,  # noqa: FBT001
    ready_by: ReadyBy,
) -> None:
    user: dict[str, Any] = {} if has_user else {"user": None}
    target = a_federation_target(BASE, source_kind=kind, ready_by=ready_by, **user)
    hosts = allowed_hosts(target)
    steps = federation(target, iter(["n", "s", "v" * 43]).__next__)
    step = next(steps)
    for answer in [*GOOD[:good], *answers]:
        link = parse_link(step.request.url)
        assert link is not None
        assert hosts.may_request(link, foreign=step.foreign)
        assert step.foreign or link.path.startswith((f"/{SOURCE}/", f"/{DESTINATION}/"))
        if step.signs_on:
            assert has_user
            assert step.request.url == f"{BASE}/{SOURCE}/flows/{FLOW}" or link.path.count("/") == 3
        verdict = step.judge(answer)
        assert (verdict.reason, verdict.fault) in pairs_of(Journey.FEDERATION)
        if verdict.reason is not Reason.OK:
            break
        try:
            step = steps.send(verdict)
        except StopIteration:
            break
    steps.close()


LOGIN_HOST = "login.example"
PLACES = st.sampled_from([
    "/login", "https://idp.example/x", f"https://{LOGIN_HOST}/x", f"https://{LOGIN_HOST}.:8443/",
    "https://idp.example:8443/", "http://idp.example/", f"https://{LOGIN_HOST}.evil.example/",
    f"{BASE}/{DESTINATION}/as/authorize", CALLBACK, f"{CALLBACK}?response=a.e30.b", "//evil.example/",
    "https://idp.example@evil.example/", "https://evil.example#@idp.example/", "\\\\evil.example",
    "https:evil.example", "https://idp.example\t.evil.example", "https://10.0.0.1/",
])  # fmt: skip
CHAIN = st.builds(
    lambda code, body, place: Answer(code, body, {"location": place}),
    st.sampled_from([200, 301, 302, 303, 307, 308, 401, 403]),
    st.sampled_from(
        [b"", b"<input type=password>", b"AADSTS50011", b'<form><input name=SAMLResponse value="x">']
    ),
    PLACES,
)


@given(st.lists(CHAIN | ANSWERS, max_size=10), st.booleans())
def test_a_chain_to_a_login_page_is_bounded_and_stays_within_its_hosts(
    answers: list[Answer],
    saml: bool,  # noqa: FBT001
) -> None:
    query = "SAMLRequest=x" if saml else f"client_id=c&state={STATE}&redirect_uri={CALLBACK}"
    target = a_federation_target(
        BASE, source_kind=SourceKind.OIDC, ready_by=ReadyBy.LOGIN_PAGE, user=None, login_hosts=(LOGIN_HOST,)
    )
    steps = federation(target, iter(["n", "s", "v" * 43]).__next__)
    step, taken = next(steps), 0
    for answer in [
        GOOD[0],
        Answer(302, headers={"location": f"https://idp.example/authorize?{query}"}),
        *answers,
    ]:
        verdict = step.judge(answer)
        assert (verdict.reason, verdict.fault) in pairs_of(Journey.FEDERATION)
        if verdict.reason is not Reason.OK:
            break
        try:
            step = steps.send(verdict)
        except StopIteration:
            break
        link = parse_link(step.request.url)
        assert link is not None
        if step.foreign:
            taken += 1
            is_own = link.origin == ("https", "idp.example", 443)
            assert is_own or (link.scheme, link.host) == ("https", LOGIN_HOST)
    assert taken <= 6
    steps.close()
