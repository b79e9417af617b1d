"""Redirects: where they lead, and the errors that they carry."""

from __future__ import annotations

import json
from urllib.parse import quote

from faults.case import Case, configuration, failing, limited, provider, refused, source
from faults.pingone import error
from faults.stage import answers, leads_to, replies
from harness.http_messages import Answer

from exporter.reasons import Reason

LOST = configuration(Reason.REDIRECTED, 302)
SENT_AWAY = provider(Reason.REDIRECTED, 302)


def sign_on(value: str) -> str:
    return f"https://apps.pingone.example/abc/signon/?error={quote(value)}"


REDIRECTS = (
    Case(
        "sign_on_page",
        "to the sign-on page: pi.flow was not honored",
        leads_to("https://apps.pingone.example/abc/signon/?flowId=1"),
        LOST,
    ),
    Case(
        "sign_on_page_relative", "to the sign-on page, by its path", leads_to("/abc/signon/?flowId=1"), LOST
    ),
    Case(
        "sign_on_page_fragment",
        "to the sign-on page, with a fragment",
        leads_to("https://login.example/signon#flow"),
        LOST,
    ),
    Case(
        "own_sign_on_page",
        "to an application's own sign-on page, with a flow id",
        leads_to("https://login.customer.example/?environmentId=1&flowId=2"),
        LOST,
    ),
    Case(
        "own_sign_on_page_fragment",
        "likewise, with the flow id in the fragment",
        leads_to("https://login.customer.example/#/login?environmentId=1&flowId=2"),
        LOST,
    ),
    Case("elsewhere", "to a maintenance page", leads_to("https://sorry.example/"), SENT_AWAY),
    Case("itself", "to the same URL", leads_to("authorize"), SENT_AWAY),
    Case(
        "no_location",
        "without a Location",
        answers(Answer(status=302, headers=(("Content-Length", "0"),))),
        SENT_AWAY,
    ),
    Case("location_empty", "to an empty Location", leads_to(""), SENT_AWAY),
    Case("location_malformed", "to something that is not a URL", leads_to("http://[::bad/%zz"), SENT_AWAY),
    Case("location_port", "to an invalid port", leads_to("https://a.example:99999999/"), SENT_AWAY),
    Case("location_bytes", "to bytes beyond ASCII", leads_to("https://a.example/\xff\xfe?\xe9"), SENT_AWAY),
    Case("location_20_kb", "to 20 KB of query", leads_to("https://a.example/?a=" + "x" * 20_000), SENT_AWAY),
    Case(
        "location_10000_parameters",
        "an error behind 10,000 parameters",
        leads_to("/?" + "a&" * 10_000 + "error=access_denied"),
        refused(302, "access_denied"),
    ),
    Case(
        "location_twice",
        "to two places: the first one counts",
        answers(
            Answer(
                status=302,
                headers=(
                    ("Location", "https://a.example/?error=access_denied"),
                    ("Location", "/"),
                    ("Content-Length", "0"),
                ),
            )
        ),
        refused(302, "access_denied"),
    ),
    Case("script", "to a script", leads_to("javascript:alert(1)"), SENT_AWAY),
    Case(
        "callback_with_code",
        "to the application with a code, though no user signed on",
        leads_to("https://rp.example/cb?code=x&state=y"),
        SENT_AWAY,
    ),
    Case(
        "error_in_query",
        "an error in the query",
        leads_to("https://rp.example/cb?error=invalid_scope&state=x"),
        refused(302, "invalid_scope"),
    ),
    Case(
        "error_in_fragment",
        "an error in the fragment",
        leads_to("https://rp.example/cb#error=access_denied&state=x"),
        refused(302, "access_denied"),
    ),
    Case(
        "error_in_both",
        "an error in both",
        leads_to("/?error=access_denied#error=invalid_scope"),
        refused(302, "access_denied", "invalid_scope"),
    ),
    Case(
        "error_custom_scheme",
        "an error to an app",
        leads_to("com.example.app://cb?error=login_required"),
        refused(302, "login_required"),
    ),
    Case(
        "error_relative",
        "an error to a path",
        leads_to("?error=login_required"),
        refused(302, "login_required"),
    ),
    Case(
        "error_unknown",
        "an unknown error",
        leads_to("/?error=flux_capacitor"),
        refused(302, "OTHER"),
    ),
    Case("error_empty", "an empty error", leads_to("/?error="), SENT_AWAY),
    Case(
        "error_bad_percent",
        "an error that is badly encoded",
        leads_to("/?error=%zz%ff"),
        refused(302, "OTHER"),
    ),
    Case(
        "error_303", "an error by 303", leads_to("/?error=access_denied", 303), refused(303, "access_denied")
    ),
    Case(
        "error_server",
        "a server_error in the query",
        leads_to(sign_on("server_error")),
        failing(302, "server_error"),
    ),
    Case(
        "error_unavailable",
        "a temporarily_unavailable in the fragment",
        leads_to("/#error=temporarily_unavailable"),
        failing(302, "temporarily_unavailable"),
    ),
    Case(
        "error_json",
        "a PingOne error as JSON in the query",
        leads_to(sign_on(json.dumps(error("NOT_FOUND")))),
        refused(302, "NOT_FOUND"),
    ),
    Case(
        "error_json_details",
        "a PingOne error with details",
        leads_to(sign_on(json.dumps(error("INVALID_DATA", "INVALID_VALUE")))),
        refused(302, "INVALID_DATA", "INVALID_VALUE"),
    ),
    Case(
        "error_json_unknown",
        "JSON that is no error PingOne has",
        leads_to(sign_on("{}")),
        refused(302, "OTHER"),
    ),
    Case("error_json_broken", "truncated JSON", leads_to(sign_on('{"code": "NOT_')), refused(302, "OTHER")),
    Case(
        "error_json_unexpected",
        "UNEXPECTED_ERROR as JSON",
        leads_to(sign_on(json.dumps(error("UNEXPECTED_ERROR")))),
        failing(302, "UNEXPECTED_ERROR"),
    ),
    Case(
        "error_json_limited",
        "REQUEST_LIMITED as JSON",
        leads_to(sign_on(json.dumps(error("REQUEST_LIMITED")))),
        limited(302, "REQUEST_LIMITED"),
        source(2),
    ),
    Case(
        "error_in_body_of_302",
        "an error in the body of a redirect",
        replies(error("NOT_FOUND"), 302),
        refused(302, "NOT_FOUND"),
    ),
)
