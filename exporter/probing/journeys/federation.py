"""The journey `federation`: the whole sign-on, across both environments.

PingOne Platform API, workflow "external identity provider sign-on". Its steps are `Journey.FEDERATION.steps`.
It goes as far as the settings allow (`Target.last_step`). Every URL is built from the settings, or is checked
by `exporter.probing.links` before it becomes a request.
"""

import base64
import json
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from urllib.parse import quote_plus, urlencode

from exporter.outcome import DAVINCI
from exporter.probing import federation_judge, foreign
from exporter.probing.id_token import TokenExpectation, judge_token
from exporter.probing.initiate import judge_initiate
from exporter.probing.journeys.authorize import SDK_HEADERS, encode, s256
from exporter.probing.judge import judge
from exporter.probing.links import Endpoints, endpoints, with_parameter
from exporter.probing.messages import Expectation, Judge, ProviderRequest, Request, Step, Steps, Verdict
from exporter.probing.signing_keys import judge_keys, usable_keys
from exporter.target import ClientAuth, DestinationApplication, ReadyBy, SyntheticUser, Target

MAX_FLOW_BYTES = 2 * 1024 * 1024
"""A destination may offer hundreds of identity providers."""

_FORM = ("Content-Type", "application/x-www-form-urlencoded")


def federation(target: Target, token: Callable[[], str]) -> Steps:
    """Sign on to the destination through the source, as far as the settings allow.

    Args:
        target: the federation.
        token: makes a fresh unguessable value of at least 128 bits, 43 URL-safe characters.
    """
    application, destination = _destination(target)
    nonce, state, verifier = token(), token(), token()
    judge_offer = partial(federation_judge.judge_offer, destination=destination, provider=target.provider_id)
    offer = yield from _begin(application, destination, (nonce, state, verifier), judge_offer)
    link = offer.location or ""
    judge_link = partial(judge_initiate, target=target, destination=destination, url=link)
    request = (yield Step("initiate", Request("GET", link), judge_link)).request
    if request is None:
        return
    if request.source is None:
        yield from _foreign_provider(target, request)
        return
    flow = yield from _source_authorize(target, request, request.source)
    if target.user is None:
        return
    source = endpoints(target.source_url or "", target.source_environment_id or "")
    code = yield from _sign_on(target.user, source, destination, request, flow)
    callback = _callback_url(request, destination, code)
    # The destination redeems the code, which it does once, and validates the source's ID token.
    sent = Request("GET", callback, repeatable=False)
    returned = yield Step("callback", sent, partial(federation_judge.judge_callback, url=callback))
    code = yield from _complete(destination, dict(returned.parameters)["flowId"], state, application)
    if application.redeems_code:
        yield from _redeem(destination, application, dict(code.parameters)["code"], (nonce, verifier))


def begin_sign_on(target: Target, token: Callable[[], str]) -> Steps:
    """Take only the first steps of `federation`: begin a sign-on at the destination."""
    application, destination = _destination(target)
    judge_flow = partial(federation_judge.judge_destination_flow, destination=destination)
    yield from _begin(application, destination, (token(), token(), token()), judge_flow)


def _destination(target: Target) -> tuple[DestinationApplication, Endpoints]:
    if target.application is None:
        raise ValueError("a target of the journey federation has a destination application")
    return target.application, endpoints(target.destination_url, target.destination_environment_id)


def _begin(
    application: DestinationApplication,
    destination: Endpoints,
    tokens: tuple[str, str, str],
    judge_offer: Judge,
) -> Generator[Step, Verdict, Verdict]:
    """Begin a sign-on at the destination; return the verdict of `judge_offer` on its flow."""
    nonce, state, verifier = tokens
    parameters = {
        "response_type": "code",
        "redirect_uri": application.redirect_uri,
        "scope": application.scope,
        "client_id": application.client_id,
        "nonce": nonce,
        "state": state,
        "response_mode": "pi.flow",
        "acr_values": application.acr_values,
        "login_hint": application.login_hint,
        "code_challenge": s256(verifier),
        "code_challenge_method": "S256",
    }
    url = f"{destination.url}/as/authorize?{encode(parameters.items())}"
    username = application.lookup_username
    judge_flow = partial(federation_judge.judge_destination_flow, destination=destination)
    flow = yield Step(
        name="destination_authorize",
        request=Request("GET", url, max_body_bytes=MAX_FLOW_BYTES),
        judge=judge_offer if username is None else judge_flow,
        secrets=(*tokens, application.login_hint or ""),
    )
    if username is None:
        return flow
    # Identifier first: the destination chooses the provider by a user name.
    lookup = _action(destination, flow, "user.lookup", {"username": username})
    lookup = replace(lookup, max_body_bytes=MAX_FLOW_BYTES)
    return (yield Step("destination_lookup", lookup, judge_offer, secrets=(username,)))


def _foreign_provider(target: Target, request: ProviderRequest) -> Steps:
    """Check that a provider that is not PingOne is ready to sign users on."""
    if target.ready_by is ReadyBy.PROMPT_NONE:
        sent = Request("GET", foreign.prompt_none_url(request))
        judge_answer = partial(foreign.judge_prompt_none, request=request)
        yield Step("source_authorize", sent, judge_answer, foreign=True)
        return
    url: str | None = request.link.url
    judge_page = partial(foreign.judge_login_page, hosts=target.login_hosts)
    for redirects in range(foreign.MAX_REDIRECTS + 1):
        if url is None:
            return
        sent = Request("GET", url, foreign.AS_BROWSER, max_body_bytes=foreign.MAX_PAGE_BYTES)
        if request.form:
            form = urlencode(request.form).encode("ascii")
            sent = replace(sent, method="POST", headers=(*foreign.AS_BROWSER, _FORM), body=form)
        may_follow = redirects < foreign.MAX_REDIRECTS
        judge_answer = partial(judge_page, request=request, url=url, may_follow=may_follow)
        verdict = yield Step("source_authorize", sent, judge_answer, foreign=True)
        url, request = verdict.location, replace(request, form=verdict.parameters)


def _source_authorize(
    target: Target, request: ProviderRequest, source: Endpoints
) -> Generator[Step, Verdict, Verdict]:
    """Begin a sign-on at the source with the destination's own request; return the verdict on its flow."""
    statuses, url = target.expected_statuses, request.link.url
    expectation = Expectation(source, statuses, prompt_none=request.prompt_none)
    judge_flow = judge if target.user is None else federation_judge.judge_flow_to_act_on
    judge_status = partial(judge_flow, expectation=expectation)
    if request.has_request_object:
        judge_first = partial(federation_judge.judge_flow_redirect, url=url, judge_other=judge_status)
        first = yield Step("source_authorize", Request("GET", url), judge_first, statuses=statuses)
        if not first.parameters:
            return first
        sent = Request("GET", f"{source.url}/flows/{dict(first.parameters)['flowId']}")
    else:
        headers = SDK_HEADERS if DAVINCI in statuses else ()
        sent = Request("GET", with_parameter(url, "response_mode", "pi.flow"), headers)
    return (yield Step("source_authorize", sent, judge_status, statuses=statuses))


def _sign_on(
    user: SyntheticUser, source: Endpoints, destination: Endpoints, request: ProviderRequest, flow: Verdict
) -> Generator[Step, Verdict, Verdict]:
    """Sign the user on at the source; return the verdict with the code for the destination."""
    credentials = {"username": user.username, "password": user.password}
    signing_on = _action(source, flow, "usernamePassword.check", credentials)
    signed_on = yield Step(
        name="sign_on",
        request=signing_on,
        judge=partial(federation_judge.judge_sign_on, source=source, url=signing_on.url),
        secrets=(user.username, user.password),
        signs_on=True,
        confidential=True,
    )
    resume = signed_on.location or ""
    judge_code = partial(
        federation_judge.judge_code,
        at=source,
        url=resume,
        state=request.state,
        redirect_uri=request.redirect_uri or destination,
    )
    return (yield Step("source_resume", Request("GET", resume, repeatable=False), judge_code))


def _callback_url(request: ProviderRequest, destination: Endpoints, code: Verdict) -> str:
    """Return the redirect URI of `initiate` with every parameter that the source returned, unchanged."""
    if code.location is not None:
        return code.location
    uri = request.redirect_uri or f"{destination.url}/rp/callback/openid_connect"  # in a request object
    address, _, query = uri.partition("#")[0].partition("?")
    return f"{address}?{query}{'&' if query else ''}{encode(code.parameters)}"


def _complete(
    destination: Endpoints, flow_id: str, state: str, application: DestinationApplication
) -> Generator[Step, Verdict, Verdict]:
    """Complete the destination's flow; return the verdict with the code for its application."""
    request = Request("GET", f"{destination.url}/flows/{flow_id}", max_body_bytes=MAX_FLOW_BYTES)
    judge_completion = partial(federation_judge.judge_completion, destination=destination)
    yield Step("destination_flow", request, judge_completion)
    url = f"{destination.url}/as/resume?flowId={flow_id}"
    back = application.redirect_uri
    judge_code = partial(federation_judge.judge_code, at=destination, url=url, state=state, redirect_uri=back)
    # A code that was used once is refused.
    return (yield Step("destination_resume", Request("GET", url, repeatable=False), judge_code))


def _redeem(
    destination: Endpoints, application: DestinationApplication, code: str, tokens: tuple[str, str]
) -> Steps:
    """Redeem the code for an ID token, and verify that with keys fetched just before."""
    nonce, verifier = tokens
    keys = yield Step("destination_keys", Request("GET", f"{destination.url}/as/jwks"), judge_keys)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": application.redirect_uri,
        "code_verifier": verifier,
    }
    headers: tuple[tuple[str, str], ...] = (_FORM,)
    secret = application.client_secret or ""
    pair = f"{quote_plus(application.client_id)}:{quote_plus(secret)}"  # RFC 6749, section 2.3.1
    basic = base64.b64encode(pair.encode("ascii")).decode("ascii")
    if application.client_auth is ClientAuth.BASIC:
        headers += (("Authorization", f"Basic {basic}"),)
    else:
        form["client_id"] = application.client_id
        if application.client_auth is ClientAuth.POST:
            form["client_secret"] = secret
    expectation = TokenExpectation(
        issuers=tuple(f"{base.url}/as" for base in destination.bases),
        client_id=application.client_id,
        nonce=nonce,
        keys=usable_keys(keys.flow),
    )
    yield Step(
        name="token",
        request=Request("POST", f"{destination.url}/as/token", headers, urlencode(form).encode("ascii")),
        judge=partial(judge_token, expectation=expectation),
        secrets=(secret, basic.rstrip("=")),
        confidential=True,
    )


def _action(at: Endpoints, flow: Verdict, action: str, fields: dict[str, str]) -> Request:
    """Return the request that does something to a flow; its URL is built from the settings and the id."""
    return Request(
        "POST",
        f"{at.url}/flows/{flow.flow['id']}",
        (("Content-Type", f"application/vnd.pingidentity.{action}+json"),),
        json.dumps(fields).encode("ascii"),
    )
