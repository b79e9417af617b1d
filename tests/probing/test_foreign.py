"""Identity providers that are not PingOne, on the wire: what they are asked, and what they get of us."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from probing.examples import DESTINATION, SOURCE
from probing.federation import (
    STATE,
    Federation,
    Heard,
    Play,
    Probed,
    Response,
    a_federation_target,
    converse,
    probe,
    resolves,
)
from probing.loopback import Talk, listening, run

from exporter.probing.probe import Prober
from exporter.probing.ssl_contexts import SSLContexts
from exporter.target import Journey, ListedProvider, ReadyBy, SourceKind

if TYPE_CHECKING:
    from harness.certificates import Authority

TO_SOURCE = ["destination_authorize", "initiate", "source_authorize"]
LISTED = ListedProvider(destination="hub", name="partner", slug="partner")
WITHOUT_SOURCE: dict[str, Any] = {
    "source_url": "",
    "source_environment_id": "",
    "client_id": "",
    "user": None,
}


def idp(played: Federation, **changes: str | None) -> str:
    """Return the authorize URL of a provider that is not PingOne, on the same loopback host."""
    return played.authorize_url(None, **changes).replace(f"/{SOURCE}/as/authorize", "/realms/fed/auth")


def answers_of_provider(answer: Play, **changes: str | None) -> dict[str, Response | Play]:
    return {
        "initiate": lambda played, _: Response(302, location=idp(played, **changes)),
        "/realms/fed/auth": answer,
    }


def none_is_ready(error: str, state: str = STATE, separator: str = "?") -> Play:
    return lambda played, _: Response(
        302, location=f"{played.redirect_uri}{separator}error={error}&state={state}"
    )


@pytest.mark.parametrize("separator", ["?", "#"])
@pytest.mark.parametrize(
    "error", ["login_required", "interaction_required", "consent_required", "account_selection_required"]
)
def test_a_provider_that_would_have_to_ask_its_user_is_ready(error: str, separator: str) -> None:
    answers = answers_of_provider(none_is_ready(error, separator=separator))
    probed = probe(answers, **WITHOUT_SOURCE, source_kind=SourceKind.OIDC)
    assert probed.finding == ("source_authorize", "ok", "none")
    assert probed.outcome.kind == "oidc"
    request = probed.federation.heard[-1]
    assert request.query["prompt"] == "none"
    assert "response_mode" not in request.query
    assert probed.federation.steps()[-1] == "/realms/fed/auth"


@pytest.mark.parametrize("separator", ["?", "#"])
@pytest.mark.parametrize(
    "description", ["User is not logged in", "Anmeldung n\xc3\xb6tig", "\xff", "Signed in? No"]
)
def test_a_description_that_is_not_encoded_is_read_as_browsers_read_it(
    description: str, separator: str
) -> None:
    state = f"{STATE}&error_description={description}"
    answers = answers_of_provider(none_is_ready("login_required", state, separator))
    probed = probe(answers, **WITHOUT_SOURCE, source_kind=SourceKind.OIDC)
    assert probed.finding == ("source_authorize", "ok", "none")


def posted(fields: dict[str, str], page: str = "", status: int = 200) -> Play:
    """Return an answer in a form that posts itself (`response_mode=form_post`)."""
    inputs = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields.items())
    return lambda played, _: Response(
        status, raw=f'<form method="post" action="{played.redirect_uri}">{inputs}</form>{page}'.encode()
    )


@pytest.mark.parametrize("status", [200, 400])  # Keycloak, oidc-provider
@pytest.mark.parametrize("name", [None, "request", "request_uri"])
@pytest.mark.parametrize(
    ("error", "reason", "fault"),
    [("login_required", "ok", "none"), ("invalid_scope", "oauth_error", "configuration")],
)
def test_an_answer_may_be_posted_whether_or_not_the_redirect_uri_is_known(
    name: str | None, status: int, error: str, reason: str, fault: str
) -> None:
    inside = dict.fromkeys(("redirect_uri", "state", "scope"), None)
    changes: dict[str, str | None] = {} if name is None else {name: "pushed", **inside}
    answer = posted({"error": error, "state": STATE}, status=status)
    probed = probe(answers_of_provider(answer, **changes), **WITHOUT_SOURCE, source_kind=SourceKind.OIDC)
    assert probed.finding == ("source_authorize", reason, fault)


@pytest.mark.parametrize("fields", [{"error": ""}, {"error": "0"}, {"code": "x"}, {"response": "a.b.c"}])
def test_a_login_form_with_fields_of_such_names_is_no_answer(fields: dict[str, str]) -> None:
    answer = posted(fields, page='<form method="post"><input type="password" name="p"></form>')
    probed = probe(
        answers_of_provider(answer, request_uri="pushed", redirect_uri=None, state=None),
        **WITHOUT_SOURCE,
        source_kind=SourceKind.OIDC,
        ready_by=ReadyBy.LOGIN_PAGE,
    )
    assert probed.finding == ("source_authorize", "ok", "none")


def test_auto_tells_pingone_from_other_providers_by_its_path() -> None:
    answers = answers_of_provider(none_is_ready("login_required"))
    probed = probe(answers, **WITHOUT_SOURCE, source_kind=SourceKind.AUTO)
    assert probed.outcome.kind == "oidc"
    assert probed.outcome.success


@pytest.mark.parametrize("ready_by", ReadyBy)
def test_auto_refuses_another_pingone_environment_than_the_one_of_the_settings(ready_by: ReadyBy) -> None:
    def initiate(played: Federation, _: Heard) -> Response:
        return Response(302, location=played.authorize_url().replace(f"/{SOURCE}/", f"/{DESTINATION}/"))

    probed = probe({"initiate": initiate}, user=None, source_kind=SourceKind.AUTO, ready_by=ready_by)
    assert probed.finding == ("initiate", "location_invalid", "configuration")
    assert probed.federation.steps() == ["destination_authorize", "initiate"]


@pytest.mark.parametrize(
    ("answer", "reason", "fault"),
    [
        (Response(200, raw=b"<html>AADSTS700016</html>"), "login_page_error", "configuration"),
        (none_is_ready("unauthorized_client"), "oauth_error", "configuration"),
        (none_is_ready("server_error"), "server_error", "provider"),
        (none_is_ready("login_required", state="other"), "state_mismatch", "provider"),
        (
            Response(302, location=f"https://elsewhere.example/?error=login_required&state={STATE}"),
            "location_invalid",
            "configuration",
        ),
        (Response(302, location="/login"), "redirected", "provider"),
        (Response(400, raw=b"<html>redirect_uri</html>"), "client_error", "configuration"),
        (Response(400, document={"error": "Client not found."}), "oauth_error", "configuration"),
        (Response(503), "server_error", "provider"),
        (Response(429), "rate_limited", "quota"),
    ],
)
def test_a_provider_that_is_not_ready_says_why(answer: Response | Play, reason: str, fault: str) -> None:
    play = answer if not isinstance(answer, Response) else (lambda _, __: answer)
    probed = probe(answers_of_provider(play), **WITHOUT_SOURCE, source_kind=SourceKind.OIDC)
    assert probed.finding == ("source_authorize", reason, fault)
    is_page = reason == "login_page_error"
    assert ("without the redirect that prompt=none requires" in (probed.outcome.detail or "")) == is_page


SAML_FORM = Response(200, raw=b'<form method="post"><input name="SAMLRequest" value="x"></form>')
SAML = Response(302, location="https://idp.example/saml?SAMLRequest=x")


@pytest.mark.parametrize("response", [SAML, SAML_FORM])
@pytest.mark.parametrize("listed", [LISTED, None])
def test_of_saml_only_the_link_is_checked_for_listed_targets(
    response: Response, listed: ListedProvider | None
) -> None:
    probed = probe({"initiate": response}, **WITHOUT_SOURCE, source_kind=SourceKind.AUTO, listed=listed)
    assert probed.outcome.kind == "saml"
    assert probed.federation.steps() == TO_SOURCE[:2]
    found = ("ok", "none") if listed else ("location_invalid", "configuration")
    assert probed.finding == ("initiate", *found)


@pytest.mark.parametrize("listed", [LISTED, None])
def test_of_oauth_without_openid_only_the_link_is_checked_for_listed_targets(
    listed: ListedProvider | None,
) -> None:
    answers = answers_of_provider(none_is_ready("login_required"), scope="email")
    probed = probe(answers, **WITHOUT_SOURCE, source_kind=SourceKind.AUTO, listed=listed)
    assert probed.outcome.kind == "oauth"
    assert probed.finding == ("initiate" if listed else "source_authorize", "ok", "none")


@pytest.mark.parametrize(
    ("kind", "step"),
    [("google", "initiate"), ("facebook", "initiate"), ("openid_connect", "source_authorize")],
)
def test_of_a_listed_social_login_only_the_link_is_checked_whatever_its_scopes(kind: str, step: str) -> None:
    """PingOne has a callback for each social login, besides that of OpenID Connect in general."""

    def initiate(played: Federation, _: Heard) -> Response:
        callback = played.redirect_uri.replace("openid_connect", kind)
        return Response(302, location=idp(played, redirect_uri=callback, scope="openid%20email"))

    probed = probe(
        {"initiate": initiate, "/realms/fed/auth": none_is_ready("login_required")},
        **WITHOUT_SOURCE,
        source_kind=SourceKind.AUTO,
        listed=LISTED,
    )
    assert probed.finding == (step, "ok", "none")
    assert probed.outcome.kind == ("oidc" if step == "source_authorize" else "oauth")


def test_a_callback_of_another_host_makes_no_social_login() -> None:
    callback = "https://evil.example/rp/callback/google"
    answers = answers_of_provider(none_is_ready("login_required"), redirect_uri=callback)
    probed = probe(answers, **WITHOUT_SOURCE, source_kind=SourceKind.AUTO, listed=LISTED)
    assert probed.finding == ("initiate", "location_invalid", "configuration")


def test_of_a_listed_provider_with_oauth_1_only_the_link_is_checked() -> None:
    location = "https://api.social.example/oauth/authenticate?oauth_token=planted-token"
    initiate = Response(302, location=location)
    probed = probe({"initiate": initiate}, **WITHOUT_SOURCE, source_kind=SourceKind.AUTO, listed=LISTED)
    assert (probed.finding, probed.outcome.kind) == (("initiate", "ok", "none"), "oauth")


# To the login page

FOLLOWED = WITHOUT_SOURCE | {"source_kind": SourceKind.OIDC, "ready_by": ReadyBy.LOGIN_PAGE}
FORM = (
    b'<form method="post" action="/check"><input name="login"><input name="password" type="password"></form>'
)
LOGIN = Response(200, raw=b"<html><title>Sign in</title>" + FORM + b"</html>")


def at_localhost(played: Federation) -> str:
    """Return the authorize URL of a provider on another host than the destination's."""
    return idp(played).replace("127.0.0.1", "localhost", 1)


def follow(answers: dict[str, Response | Play], **changes: Any) -> Probed:  # noqa: ANN401  any field of a target
    """Probe a provider on a host of its own, which answers so at its paths."""
    cookies = ("Set-Cookie: session=planted; Path=/", f"Set-Cookie: DST=d; Path=/{DESTINATION}")
    good: dict[str, Response | Play] = {
        "destination_authorize": lambda played, _: Response(document=played.offer(), headers=cookies),
        "initiate": lambda played, _: Response(302, location=at_localhost(played)),
    }
    return probe(good | answers, **FOLLOWED | changes)


def leads(location: str, *cookies: str, status: int = 302) -> Response:
    return Response(status, location=location, headers=tuple(f"Set-Cookie: {each}" for each in cookies))


def test_a_location_that_is_not_encoded_is_followed_as_browsers_follow_it() -> None:
    location = "/sso?realm=M\xc3\xbcnchen&hint=sign in"
    probed = follow({"/realms/fed/auth": leads(location), "/sso": LOGIN})
    assert probed.finding == ("source_authorize", "ok", "none")
    assert probed.federation.heard[-1].target == "/sso?realm=M%C3%BCnchen&hint=sign%20in"


@pytest.mark.parametrize("location", ["https://a b.example/", "https://\xe4.example/", "/sso\\x"])
def test_what_browsers_do_not_encode_the_same_way_is_malformed(location: str) -> None:
    probed = follow({"/realms/fed/auth": leads(location)})
    assert probed.finding == ("source_authorize", "location_invalid", "provider")


def test_redirects_are_followed_to_the_login_form_with_the_cookies_of_the_chain() -> None:
    """As oidc-provider does it: 303, a relative Location, cookies by path."""
    probed = follow({
        "/realms/fed/auth": leads(
            "/interaction/uid?x=1#y", "_interaction=i; path=/interaction/uid; httponly",
            "_interaction_resume=r; path=/auth/uid; httponly", "lost=l; Path=/; Secure", status=303,
        ),
        "/interaction/uid": leads("form", "seen=s; Path=/"),
        "/interaction/form": LOGIN,
    })  # fmt: skip
    assert probed.finding == ("source_authorize", "ok", "none")
    assert probed.steps == [*TO_SOURCE, "source_authorize", "source_authorize"]
    assert probed.outcome.kind == "oidc"
    asked, *chain = probed.federation.heard[2:]
    assert asked.query == dict(parse_qsl(urlsplit(at_localhost(probed.federation)).query))
    assert [each.target for each in chain] == ["/interaction/uid?x=1", "/interaction/form"]
    assert [each.headers.get("cookie") for each in (asked, *chain)] == [None, "_interaction=i", "seen=s"]


def test_a_provider_gets_nothing_of_ours() -> None:
    """Not even at a host that is the destination's own, and listed as a login host."""
    probed = follow(
        {
            "/realms/fed/auth": lambda played, _: leads(f"{played.url}/{DESTINATION}/login"),
            "login": LOGIN,
            f"/{DESTINATION}/login": LOGIN,
        },
        login_hosts=("127.0.0.1",),
    )
    assert probed.finding == ("source_authorize", "ok", "none")
    for heard in probed.federation.heard[2:]:
        assert set(heard.headers) == {"host", "user-agent", "accept", "accept-encoding"}
        assert heard.headers["accept"].startswith("text/html")
        assert probed.outcome.transaction_id.encode() not in heard.head
        assert b"planted" not in heard.head.replace(STATE.encode(), b"").replace(b"planted-nonce", b"")
    own = {heard.connection for heard in probed.federation.heard[:2]}
    assert own.isdisjoint(heard.connection for heard in probed.federation.heard[2:])


def test_at_most_five_redirects_are_followed() -> None:
    def chain(length: int) -> Probed:
        steps: dict[str, Response | Play] = {f"/{n}": leads(f"/{n + 1}") for n in range(1, length)}
        return follow({"/realms/fed/auth": leads("/1"), **steps, f"/{length}": LOGIN})

    assert chain(5).finding == ("source_authorize", "ok", "none")
    longer = chain(6)
    assert longer.finding == ("source_authorize", "redirected", "provider")
    assert longer.federation.steps()[-2:] == ["/4", "/5"]
    assert ", after 5 redirects (" in (longer.outcome.detail or "")


@pytest.mark.parametrize(
    "location",
    [
        "https://elsewhere.example/login",
        "{url}/{destination}/as/authorize",
        "http://localhost:1/login",
        "http://169.254.169.254/latest/meta-data",
        "https://[::1]/login",
        "https://localhost.evil.example/login",
    ],
)
def test_the_chain_leaves_the_allowed_hosts_for_no_request(location: str) -> None:
    def play(played: Federation, _: Heard) -> Response:
        return leads(location.format(url=played.url, destination=DESTINATION))

    probed = follow({"/realms/fed/auth": play}, login_hosts=("login.example",))
    assert probed.finding == ("source_authorize", "location_invalid", "configuration")
    assert probed.federation.steps()[2:] == ["/realms/fed/auth"]


class Rebinding(dict[str, str]):
    """A name server that answers the second question for a name with another address."""

    def get(self, name: str, default: Any = None) -> Any:  # noqa: ANN401  as of a dict
        address = super().get(name, default)
        if name == "localhost":
            self[name] = "10.0.0.1"
        return address


def test_a_name_that_is_rebound_to_a_private_address_is_not_connected_to() -> None:
    closes = Response(302, location="/login", headers=("Connection: close",))
    probed = follow({"/realms/fed/auth": closes, "/login": LOGIN}, names=Rebinding(localhost="127.0.0.1"))
    assert probed.finding == ("source_authorize", "location_invalid", "configuration")
    assert probed.steps[2:] == ["source_authorize", "source_authorize"]
    assert probed.federation.steps()[2:] == ["/realms/fed/auth"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Response(200, raw=b"<html><title>Sign in</title>Welcome</html>"), "login_page_error"),
        (Response(200, raw=FORM + b'<script>$Config={"pgid":"ConvergedError"}</script>'), "login_page_error"),
        (Response(200, raw=FORM + b"AADSTS50011: The redirect URI"), "login_page_error"),
        (Response(403, raw=b"<html>Callback URL mismatch</html>"), "login_page_error"),
        (Response(403, raw=b"<html>Forbidden</html>"), "blocked"),
        (Response(404, raw=b"<html>Not found</html>"), "client_error"),
        (Response(400, document={"error": "invalid_request"}), "oauth_error"),
        (Response(503, raw=FORM), "server_error"),
        (Response(429, raw=FORM), "rate_limited"),
        (Response(200, raw=FORM + b"x" * 2_000_000), "ok"),
        (none_is_ready("unauthorized_client"), "oauth_error"),
        (none_is_ready("login_required", separator="#"), "oauth_error"),
        (none_is_ready("temporarily_unavailable"), "server_error"),
    ],
)
@pytest.mark.parametrize("redirected", [False, True])
def test_the_page_at_the_end_of_the_chain_is_judged(
    answer: Response | Play, reason: str, *, redirected: bool
) -> None:
    play = answer if not isinstance(answer, Response) else (lambda _, __: answer)
    answers = {"/realms/fed/auth": leads("/login"), "/login": play}
    probed = follow(answers if redirected else {"/realms/fed/auth": play})
    assert (probed.outcome.step, probed.outcome.reason) == ("source_authorize", reason)


def test_a_provider_with_login_page_may_be_of_any_kind_and_a_redirect_of_saml_is_followed() -> None:
    location = "http://localhost:{port}/saml?SAMLRequest=planted-request&RelayState=planted-relay"
    for listed in (LISTED, None):
        probed = follow(
            {
                "initiate": lambda played, _: leads(location.format(port=urlsplit(played.url).port)),
                "/saml": leads("/login"),
                "/login": LOGIN,
            },
            listed=listed,
        )
        assert probed.finding == ("source_authorize", "ok", "none")
        assert probed.outcome.kind == "saml"
        assert probed.federation.heard[2].target.endswith(
            "SAMLRequest=planted-request&RelayState=planted-relay"
        )


SAML_PAGE = """<html><body onload="document.forms[0].submit()"><form method="post" action="{action}">
<input type="hidden" name="SAMLRequest" value="PHNhbWw&#43;/w=="><input type="hidden" name="RelayState"
value="a b"></form></body></html>"""


def test_a_form_of_saml_is_posted_as_a_browser_does() -> None:
    def play(played: Federation, _: Heard) -> Response:
        action = f"http://localhost:{urlsplit(played.url).port}/sso"
        return Response(200, raw=SAML_PAGE.format(action=action).encode())

    probed = follow({"initiate": play, "/sso": leads("/login", status=303), "/login": LOGIN})
    assert probed.finding == ("source_authorize", "ok", "none")
    posted, shown = probed.federation.heard[2:]
    assert (posted.method, shown.method, shown.body) == ("POST", "GET", b"")
    assert posted.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qsl(posted.body.decode()) == [("SAMLRequest", "PHNhbWw+/w=="), ("RelayState", "a b")]


@pytest.mark.parametrize("status", [307, 308])
def test_a_form_of_saml_is_posted_again_where_a_redirect_keeps_its_method(status: int) -> None:
    """Many servers add a slash to the path that way."""

    def play(played: Federation, _: Heard) -> Response:
        action = f"http://localhost:{urlsplit(played.url).port}/sso"
        return Response(200, raw=SAML_PAGE.format(action=action).encode())

    answers: dict[str, Response | Play] = {"initiate": play, "/sso/": leads("/login"), "/login": LOGIN}
    probed = follow(answers | {"/sso": leads("/sso/", status=status)})
    assert probed.finding == ("source_authorize", "ok", "none")
    first, again, shown = probed.federation.heard[2:]
    assert [request.method for request in (first, again, shown)] == ["POST", "POST", "GET"]
    assert first.body == again.body != shown.body == b""
    assert again.headers["content-type"] == "application/x-www-form-urlencoded"
    away = follow(answers | {"/sso": leads("https://elsewhere.example/sso", status=status)})
    assert away.finding == ("source_authorize", "location_invalid", "configuration")


@pytest.mark.parametrize(
    ("action", "fault", "detail"),
    [
        ("http://idp.example/sso", "configuration", "200 to http://idp.example: URL not allowed at"),
        ("https://u@idp.example/", "provider", "form action malformed in the response"),
        ("", "provider", "form action malformed in the response"),
    ],
)
def test_a_form_of_saml_goes_to_no_unsafe_place(action: str, fault: str, detail: str) -> None:
    probed = follow({"initiate": Response(200, raw=SAML_PAGE.format(action=action).encode())})
    assert probed.finding == ("initiate", "location_invalid", fault)
    assert (probed.outcome.detail or "").startswith(detail)


CLIENT_STORAGE = (
    '<body onload="doLoad()"><form name="form1" action="{action}" method="post">'
    '<input type="hidden" name="csrf_token" value="planted-token" />'
    '<input name="shib_idp_ls_success.shib_idp_session_ss" type="hidden" value="false" />'
    '<input name="shib_idp_ls_supported" type="hidden" /><input name="_eventId_proceed" type="hidden" />'
    '<noscript><input type="submit" value="Continue" /></noscript></form>'
)


def client_storage(action: str, note: str = "") -> Response:
    """Return the page by which Shibboleth asks what the browser stored, before it shows the login page."""
    return Response(200, raw=(CLIENT_STORAGE.format(action=action) + note).encode())


def test_shibboleths_form_that_sends_itself_is_followed_like_a_redirect() -> None:
    """As a browser without scripts sends it: nothing is stored."""
    answers: dict[str, Response | Play] = {
        "initiate": leads("/sso?SAMLRequest=x"),
        "/sso": lambda _, heard: leads("/login") if heard.body else client_storage("/sso?execution=e1s1"),
        "/login": LOGIN,
    }
    probed = follow(answers)
    assert probed.finding == ("source_authorize", "ok", "none")
    asked, sent, shown = probed.federation.heard[2:]
    assert [each.method for each in (asked, sent, shown)] == ["GET", "POST", "GET"]
    assert sent.target == "/sso?execution=e1s1"
    assert sent.body == (
        b"csrf_token=planted-token&shib_idp_ls_success.shib_idp_session_ss=false"
        b"&shib_idp_ls_supported=&_eventId_proceed="
    )


@pytest.mark.parametrize(
    ("page", "finding", "detail"),
    [
        (
            client_storage("https://elsewhere.example/"),
            ("location_invalid", "configuration"),
            "200 to https://elsewhere.example: URL not allowed at this step",
        ),
        (
            client_storage("http://idp.example/"),
            ("location_invalid", "configuration"),
            "200 to http://idp.example: URL not allowed at this step",
        ),
        (client_storage(""), ("location_invalid", "provider"), "200 from"),
        (client_storage("/sso"), ("redirected", "provider"), "200 to http://127.0.0.1"),
        (
            client_storage("/sso", "error: invalid_client"),
            ("login_page_error", "configuration"),
            "200 with error invalid_client",
        ),
        (Response(404, raw=client_storage("/sso").raw), ("client_error", "configuration"), "404 from"),
    ],
)
def test_a_form_that_sends_itself_goes_where_a_redirect_may_go(
    page: Response, finding: tuple[str, str], detail: str
) -> None:
    probed = follow({"initiate": leads("/sso?SAMLRequest=planted"), "/sso": page})
    assert probed.finding == ("source_authorize", *finding)
    assert (probed.outcome.detail or "").startswith(detail)


def test_a_saml_response_instead_of_a_login_page_is_an_error() -> None:
    body = (
        b'<form method="post" action="https://rp.example/"><input type="hidden" name="SAMLResponse"></form>'
    )
    probed = follow({"initiate": leads("/sso?SAMLRequest=x"), "/sso": Response(200, raw=FORM + body)})
    assert probed.finding == ("source_authorize", "login_page_error", "configuration")


def test_the_client_certificate_is_shown_to_the_two_environments_only(authority: Authority) -> None:
    """One server that takes a certificate from anyone who shows one, under two names."""
    server, client = authority.issue("127.0.0.1", "localhost"), authority.client()
    server.tls.verify_mode = ssl.CERT_OPTIONAL
    server.tls.load_verify_locations(authority.ca_file)
    shown: list[bool] = []

    async def main() -> None:
        federation = Federation({
            "initiate": lambda played, _: Response(302, location=at_localhost(played)),
            "/realms/fed/auth": leads("/login"),
            "/login": LOGIN,
        })  # fmt: skip

        async def behave(talk: Talk) -> None:
            shown.append(bool(talk.writer.get_extra_info("ssl_object").getpeercert()))
            await converse(federation, talk)

        async with listening(behave, tls=server.tls) as peer:
            federation.url = f"https://127.0.0.1:{peer.port}"
            files = {"ca_file": authority.ca_file, "client_certificate_file": client.both}
            target = a_federation_target(federation.url, **FOLLOWED, **files)
            prober = Prober(SSLContexts([target]), resolve=resolves({}))
            assert (await prober(target, Journey.FEDERATION)).success
        assert [heard.connection for heard in federation.heard] == [0, 0, 1, 1]

    run(main())
    assert shown == [True, False]
