"""Answers of identity providers that are not PingOne, as they were recorded or documented.

Certainty of each: `measured`, on a provider of our own; `vendor`, its documentation; `reported`, by third
parties; `inferred`, from the others. Bodies are cut to what matters.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from enum import StrEnum

from exporter.probing.messages import Answer

RU = "https://rp.example/dest/rp/callback/openid_connect"
STATE = "the-state"
URL = "https://idp.example/authorize?client_id=c"


class Certainty(StrEnum):
    """How the answer is known."""

    MEASURED = "measured"
    VENDOR = "vendor"
    REPORTED = "reported"
    INFERRED = "inferred"


@dataclass(frozen=True, slots=True)
class Recorded:
    """An answer, and what must be made of it.

    Args:
        provider: its product.
        certainty: how the answer is known.
        case: what was asked.
        answer: as it came.
        prompt_none: reason with READY_BY=prompt_none.
        login_page: reason with READY_BY=login_page; `next` if it is a redirect to follow.
        codes: error codes that are reported; those of a 4xx page with `login_page` only.
    """

    provider: str
    certainty: Certainty
    case: str
    answer: Answer
    prompt_none: str
    login_page: str
    codes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What identifies it in a test."""
        return f"{self.provider}: {self.case} [{self.certainty}]"


def page(markup: str, status: int = 200) -> Answer:
    return Answer(status, markup.encode(), {})


def document(value: object, status: int) -> Answer:
    return Answer(status, json.dumps(value).encode(), {})


def redirect(location: str, status: int = 302) -> Answer:
    return Answer(status, b"", {"location": location})


def error(code: str, separator: str = "?", status: int = 302) -> Answer:
    description = "error_description=Some+sentence&" if status == 303 else ""
    return redirect(f"{RU}{separator}error={code}&{description}state={STATE}&iss=https://idp.example", status)


def jarm(separator: str = "?", **claims: str) -> Answer:
    """Return a redirect with its parameters inside a JWT."""
    payload = {"iss": "https://idp.example", "aud": "c", "state": STATE, **claims}
    parts = ({"alg": "RS256"}, payload)
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return redirect(f"{RU}{separator}response={'.'.join([*encoded, 'c2ln'])}")


def posts(code: str, status: int = 200) -> Answer:
    """Return a page that posts an error to the redirect URI by itself."""
    fields = {"iss": "https://idp.example", "state": STATE, "error": code}
    inputs = "".join(
        f'<INPUT TYPE="HIDDEN" NAME="{name}" VALUE="{value}"/>' for name, value in fields.items()
    )
    return page(
        f'<HTML><HEAD><TITLE>OIDC Form_Post Response</TITLE></HEAD><BODY Onload="document.forms[0].submit()">'
        f'<FORM METHOD="POST" ACTION="{RU}">{inputs}<NOSCRIPT><P>JavaScript is disabled.</P></NOSCRIPT>',
        status,
    )


KEYCLOAK_LOGIN = page(
    '<!DOCTYPE html><html class="login-pf"><head><title>Sign in to fed</title><script type="module">'
    'import {x} from \'a\'</script></head><body><form id="kc-form-login" onsubmit="login.disabled=true" '
    'action="https://idp.example/realms/fed/login-actions/authenticate?session_code=x" method="post">'
    '<input tabindex="2" id="username" name="username" value="" type="text" autocomplete="username"/>'
    '<input tabindex="3" id="password" name="password" type="password" autocomplete="current-password"/>'
    '<input type="hidden" id="id-hidden-input" name="credentialId"/></form></body></html>'
)
KEYCLOAK_ERROR = page(
    '<!DOCTYPE html><html class="login-pf"><head><title>Sign in to fed</title></head><body>'
    '<div id="kc-error-message"><p class="instruction">Client not found.</p></div></body></html>',
    400,
)
OIDC_PROVIDER_LOGIN = page(
    "<!DOCTYPE html><html><head><title>Sign-in</title></head><body><h1>Sign-in</h1>"
    '<form autocomplete="off" action="/interaction/u" method="post"><input type="hidden" name="prompt" '
    'value="login"/><input required type="text" name="login" placeholder="Enter any login" autofocus="on">'
    '<input required type="password" name="password" placeholder="and password"></form></body></html>'
)


def oidc_provider_error(code: str) -> Answer:
    return page(
        "<!DOCTYPE html><html><head><title>oops! something went wrong</title></head><body>"
        "<h1>oops! something went wrong</h1>"
        f"<pre><strong>error</strong>: {code}</pre><pre><strong>state</strong>: {STATE}</pre>",
        400,
    )


def entra(config: dict[str, object], text: str = "") -> Answer:
    """Return a page of Entra ID, which a script fills in from its data."""
    return page(
        "<!DOCTYPE html><html><head><title>Sign in to your account</title><script>//<![CDATA[\n$Config="
        f"{json.dumps(config, separators=(',', ':'))};\n//]]></script></head><body><noscript>We can't sign "
        f"you in. Your browser is currently set to block JavaScript.</noscript>{text}</body></html>"
    )


def saml_response() -> Answer:
    return page(
        '<html><body onload="document.forms[0].submit()"><form method="post" action="https://rp.example/acs">'
        '<input type="hidden" name="SAMLResponse" value="PHNhbWw+"/></form></body></html>'
    )


M, V, R, I = Certainty  # noqa: E741
OAUTH, PAGE = "oauth_error", "login_page_error"


def both(
    provider: str, certainty: Certainty, case: str, answer: Answer, reason: str, *codes: str
) -> Recorded:
    """Return an answer that is the same finding either way."""
    return Recorded(provider, certainty, case, answer, reason, reason, codes)


def refuses(provider: str, certainty: Certainty, case: str, answer: Answer, *codes: str) -> Recorded:
    """Return an error page with a 4xx: to the judge of `prompt=none`, the status says it all."""
    return Recorded(provider, certainty, case, answer, "client_error", PAGE, codes)


def shows(provider: str, certainty: Certainty, case: str, answer: Answer) -> Recorded:
    """Return a login page, which must not be shown if `prompt=none` is asked for."""
    return Recorded(provider, certainty, case, answer, PAGE, "ok")


def ready(provider: str, certainty: Certainty, case: str, answer: Answer, code: str) -> Recorded:
    """Return the answer of a healthy provider to `prompt=none`; it is an error where a page is wanted."""
    return Recorded(provider, certainty, case, answer, "ok", OAUTH, (code,))


RECORDED = (
    *(shows("Keycloak", M, case, KEYCLOAK_LOGIN) for case in (
        "no response_mode", "response_mode=query", "response_mode=fragment", "response_mode=form_post",
        "response_mode=query.jwt", "no openid scope", "PKCE S256", "prompt=bogus", "acr_values", "max_age=0",
        "state 6000 chars", "idp hint unknown")),
    *(both("Keycloak", M, case, error("invalid_request"), OAUTH, "invalid_request") for case in (
        "response_mode=pi.flow", "response_mode=bogus", "PAR required", "PKCE missing where required",
        "PKCE plain where S256", "prompt=none pi.flow", "missing response_type")),
    *(both("Keycloak", M, case, document({"error": text}, status), OAUTH, "OTHER") for case, text, status in (
        ("unknown client", "Client not found.", 400), ("missing client_id", "Invalid Request", 400),
        ("disabled client", "Client disabled.", 400), ("saml client", "Wrong client protocol.", 400),
        ("bearer-only client", "Bearer-only applications are not allowed to initiate browser login", 403),
        ("request object required", "Invalid Request", 400), ("unknown realm", "Realm does not exist", 404),
        ("wrong redirect_uri", "Invalid parameter: redirect_uri", 400),
        ("missing redirect_uri", "Invalid parameter: redirect_uri", 400),
        ("disabled realm", "Realm not enabled", 400), ("ssl required realm", "HTTPS required", 400),
        ("wrong path /as/authorize", "HTTP 404 Not Found", 404))),
    refuses("Keycloak", M, "unknown client, HTML preferred", KEYCLOAK_ERROR),
    both("Keycloak", M, "standard flow off", error("unauthorized_client"), OAUTH, "unauthorized_client"),
    both("Keycloak", M, "unsupported scope", error("invalid_scope"), OAUTH, "invalid_scope"),
    both("Keycloak", M, "response_type=token", error("unauthorized_client", "#"), OAUTH,
         "unauthorized_client"),
    both("Keycloak", M, "response_type=bogus", error("unsupported_response_type"), OAUTH,
         "unsupported_response_type"),
    ready("Keycloak", M, "prompt=none", error("login_required"), "login_required"),
    ready("Keycloak", M, "prompt=none fragment", error("login_required", "#"), "login_required"),
    ready("Keycloak", M, "prompt=none form_post", posts("login_required"), "login_required"),
    ready("Keycloak", M, "prompt=none query.jwt", jarm(error="login_required"), "login_required"),
    Recorded("Keycloak", R, "redirect to itself for its cookie",
             redirect("https://idp.example/authorize?client_id=c&x=1"), "redirected", "next"),
    *(Recorded("oidc-provider", M, case, redirect("/interaction/u", 303), "redirected", "next") for case in (
        "no response_mode", "response_mode=form_post", "missing redirect_uri (one registered)",
        "unsupported scope", "PKCE S256", "acr_values", "max_age=0", "state 6000 chars")),
    shows("oidc-provider", M, "the page that it redirects to", OIDC_PROVIDER_LOGIN),
    *(both("oidc-provider", M, case, error(code, status=303), OAUTH, reported) for case, code, reported in (
        ("response_mode=pi.flow", "unsupported_response_mode", "unsupported_response_mode"),
        ("PAR required", "invalid_request", "invalid_request"),
        ("signed request object required", "invalid_request", "invalid_request"),
        ("no openid scope", "invalid_request", "invalid_request"),
        ("PKCE missing where required", "invalid_request", "invalid_request"),
        ("PKCE plain", "invalid_request", "invalid_request"),
        ("prompt=bogus", "invalid_request", "invalid_request"),
        ("response_type=bogus", "unsupported_response_type", "unsupported_response_type"))),
    both("oidc-provider", M, "response_type=token", error("unsupported_response_type", "#", 303), OAUTH,
         "unsupported_response_type"),
    *(refuses("oidc-provider", M, case, oidc_provider_error(code), code) for case, code in (
        ("unknown client", "invalid_client"), ("missing client_id", "invalid_request"),
        ("wrong redirect_uri", "invalid_redirect_uri"))),
    both("oidc-provider", M, "cookie of the interaction missing",
         document({"error": "invalid_request"}, 400), OAUTH, "invalid_request"),
    both("oidc-provider", M, "wrong path", page("Not Found", 404), "client_error"),
    both("oidc-provider", M, "broken adapter", page("<pre>error: server_error</pre>", 500), "server_error"),
    ready("oidc-provider", M, "prompt=none", error("login_required", status=303), "login_required"),
    ready("oidc-provider", M, "prompt=none fragment", error("login_required", "#", 303), "login_required"),
    ready("oidc-provider", M, "prompt=none form_post", posts("login_required", 400), "login_required"),
    shows("Entra ID", R, "sign-in page",
          entra({"pgid": "ConvergedSignIn", "urlPost": "/common/login", "sErrorCode": "50058",
                 "strServiceExceptionMessage": None})),
    both("Entra ID", V, "unknown application, status 200",
         entra({"pgid": "ConvergedError", "iErrorCode": 700016, "strServiceExceptionMessage":
                "AADSTS700016: Application with identifier 'x' was not found in the directory."}), PAGE),
    both("Entra ID", V, "redirect URI not registered, status 200",
         entra({"strServiceExceptionMessage": "AADSTS50011: The redirect URI does not match."}), PAGE),
    both("Entra ID", I, "error page with a form",
         entra({"pgid": "ConvergedError"}, '<form method="post"><input type="email" name="loginfmt"></form>'),
         PAGE),
    both("Entra ID", I, "an interrupt that is no sign-in", entra({"pgid": "KmsiInterrupt"}), PAGE),
    ready("Entra ID", R, "prompt=none (AADSTS50058)", error("login_required"), "login_required"),
    ready("Azure AD B2C", R, "prompt=none (AADB2C90077)", error("interaction_required"),
          "interaction_required"),
    shows("Okta", V, "sign-in widget",
          page('<html><body><div id="okta-login-container"></div><script>var signIn = new OktaSignIn(config);'
               "</script></body></html>")),
    Recorded("Okta", R, "redirect to its page", redirect("/login/login.htm?fromURI=x"), "redirected", "next"),
    refuses("Okta", R, "redirect URI not registered",
         page("<html><body><h2>400</h2><p>Your request resulted in an error. The 'redirect_uri' parameter "
              "must be a Login redirect URI in the client app settings.</p></body></html>", 400)),
    Recorded("Auth0", R, "redirect to its page", redirect("/u/login?state=x"), "redirected", "next"),
    shows("Auth0", I, "universal login",
          page('<form method="POST" data-form-primary="true"><input type="hidden" name="state" value="x">'
               '<input inputmode="email" name="username" id="username" type="text" autocomplete="email">'
               '<input name="password" id="password" type="password"></form>')),
    both("Auth0", I, "callback not registered, status 403",
         page("<html><body><h1>Callback URL mismatch.</h1><p>unauthorized_client</p></body></html>", 403),
         PAGE, "unauthorized_client"),
    ready("Auth0", V, "prompt=none", error("login_required", "#"), "login_required"),
    Recorded("Google", R, "redirect to its page",
             redirect("https://idp.example/v3/signin/identifier?x=1"), "redirected", "next"),
    shows("Google", I, "identifier page",
          page('<form method="post" novalidate><input type="email" id="identifierId" name="identifier" '
               'autocomplete="username webauthn"></form>')),
    refuses("Google", R, "redirect URI not registered",
         page("<html><title>Sign in - Google Accounts</title><body>Error 400: redirect_uri_mismatch</body>",
              400)),
    both("Google", R, "client deleted", page("<p>Error 401: deleted_client</p>"), PAGE),
    ready("Google", R, "prompt=none", error("interaction_required"), "interaction_required"),
    shows("AD FS", I, "forms sign-in",
          page('<form method="post" id="loginForm"><input id="userNameInput" name="UserName" type="email">'
               '<input id="passwordInput" name="Password" type="password"></form>')),
    both("AD FS", I, "error page", page("<div>MSIS9605: The client is not allowed to access.</div>"), PAGE),
    shows("Shibboleth", I, "login page of SAML",
          page('<form method="post"><input id="username" name="j_username" type="text">'
               '<input id="password" name="j_password" type="password"></form>')),
    Recorded("Shibboleth", R, "the page that asks what the browser stored, before the login page",
             page('<body onload="doLoad()"><form name="form1" action="?execution=e1s1" method="post">'
                  '<input name="shib_idp_ls_value.shib_idp_session_ss" type="hidden" />'
                  '<input name="shib_idp_ls_supported" type="hidden" /></form>'), PAGE, "next"),
    both("Shibboleth", I, "a SAML response without a user", saml_response(), PAGE),
    Recorded("Keycloak", I, "Kerberos first: 401 with the form",
             Answer(401, KEYCLOAK_LOGIN.body), "blocked", "ok"),
    both("any", I, "a maintenance page", page("<html><title>Sign in</title><h1>Back soon</h1>"), PAGE),
    both("any", I, "a single-page application", page('<div id="root"></div><script src="/a.js"></script>'),
         PAGE),
    both("any", I, "a page of errors in JSON, status 200", document({"error": "invalid_client"}, 200), PAGE,
         "invalid_client"),
    both("any", I, "too many requests", page("slow down", 429), "rate_limited"),
    both("any", I, "unavailable, comes back as an error", error("temporarily_unavailable"), "server_error",
         "temporarily_unavailable"),
    both("any", I, "an error inside a JWT in the fragment", jarm("#", error="invalid_scope"), OAUTH,
         "invalid_scope"),
    both("any", I, "a code without a user", redirect(f"{RU}?code=x&state={STATE}"), "redirected"),
)  # fmt: skip
