"""Reading the page of an identity provider: login form, error, or neither; any bytes; bounded."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.probing.errors import KNOWN_CODES
from exporter.probing.login_page import MAX_EVENTS, MAX_FIELDS, MAX_FORMS, MAX_MARKUP_BYTES, Form, read_page

PASSWORD = '<input type="password">'


@pytest.mark.parametrize(
    "markup",
    [
        PASSWORD,
        "<INPUT TYPE=PassWord>",
        "<input name=username>",
        "<input type=text id=userNameInput>",
        "<input type=email name=loginfmt>",
        "<input name='pf.username' type='text'/>",
        "<input name=j_username>",
        "<input name=login>",
        "<input autocomplete='username webauthn'>",
        "<input name=identifier type=tel>",
        "<form method=post><input type=email></form>",
        "<form method=POST><input name=user[email]></form>",
        "<div id=okta-login-container></div>",
        "<DIV class='a' ID='okta-sign-in'></DIV>",
        "<!-- the end of <main -->" + PASSWORD,
        "<a title='<input>' href=x><p title=don't><!-- <p id=kc-error-message> -->" + PASSWORD,
        '<script>$Config={"pgid" : "ConvergedSignIn"}</script>',
        "<script>new Auth0Lock(config)</script>",
        "<title>Error 400: invalid_request</title>" + PASSWORD,
        "<style>a{content:'<title>'}</style>" + PASSWORD,
        "<script>if (a<b) document.write('<title>')</script>" + PASSWORD,
        '<script>messages={"e":"invalid_client","f":"Callback URL mismatch"}</script>' + PASSWORD,
        '<script>$Config={"pgid":"ConvergedSignIn","strServiceExceptionMessage":""}</script>',
        "<noscript>invalid_request</noscript>" + PASSWORD,
    ],
)
def test_a_login_form_is_seen(markup: str) -> None:
    page = read_page(markup.encode())
    assert (page.has_login_form, page.has_error, page.error_codes) == (True, False, ())


@pytest.mark.parametrize(
    "markup",
    [
        "",
        "<title>Sign in</title>",
        "<h1>Sign in</h1><a href='/login'>Log in with your password</a>",
        "<input>",
        "<input type=search name=q>",
        "<input type=hidden name=username value=x>",
        "<input type=email name=newsletter>",
        "<form><input type=email></form>",
        "<form method=post></form><input type=email>",
        "<!-- <input type=password> -->",
        "<script>'<input type=password>'</script>",
        "<script><input type=password>",
        "<textarea name=message></textarea>",
        '<p>"ConvergedSignIn"</p>',
    ],
)
def test_what_is_no_login_form_is_none(markup: str) -> None:
    page = read_page(markup.encode())
    assert (page.has_login_form, page.has_error) == (False, False)


@pytest.mark.parametrize(
    ("markup", "codes"),
    [
        ("<p>error: invalid_client</p>", ("invalid_client",)),
        (
            "<p>invalid_request</p><p>invalid_client invalid_request</p>",
            ("invalid_request", "invalid_client"),
        ),
        ("<b>Error 400: redirect_uri_mismatch</b>", ()),
        ("Invalid parameter: redirect_uri", ()),
        ("<p>Your request resulted in an error.</p>", ()),
        ("<p>callback url MISMATCH</p>", ()),
        ("<div id=kc-error-message></div>", ()),
        ("<p>AADSTS700016: not found</p>", ()),
        ("<p>MSIS9605: not allowed</p>", ()),
        ('<script>$Config={"pgid":"ConvergedError"}</script>', ()),
        ('<script>$Config={"strServiceExceptionMessage" : "x"}</script>', ()),
        ("<form><input type=hidden name=SAMLResponse value=x></form>", ()),
    ],
)
def test_an_error_is_seen_beside_a_login_form(markup: str, codes: tuple[str, ...]) -> None:
    for both in (markup + PASSWORD, PASSWORD + markup):
        page = read_page(both.encode())
        assert (page.has_login_form, page.has_error, page.error_codes) == (True, True, codes)


def test_forms_have_what_they_send_without_a_user() -> None:
    markup = (
        "<form action='https://a.example/?x=1&amp;y' method=post><input type=hidden name=a value='&lt;'>"
        "<input name=b><input type=submit name=c value=c><input type=password name=d value=d></form>"
        "<input type=hidden name=outside value=x><form></form><form><input name=e value=f>"
    )
    assert read_page(markup.encode()).forms == (
        Form("https://a.example/?x=1&y", (("a", "<"), ("b", ""))),
        Form(None, (("e", "f"),)),
    )


PIECES = st.sampled_from([
    "<", ">", "</", "/>", "<!--", "-->", "<!", "<![", "<![CDATA[", "]]>", "<?", "&", "&#", "&#x110000;",
    "<script", "<script>", "</script", "</script>", "<style>", "<title>", "</title>", "<template>", "<form>",
    "<form method=post action=", "</form>", "<input ", "<input type=hidden name=a value='", "type=password",
    "'", '"', "=", " ", "\n", "\0", "a", "invalid_client", "SAMLResponse", "\ufeff", "\udcff", "\u0130",
    "<noscript>", "<svg><", "<p a='>'", "<!doctype html>", "<!doctype [", "<!element", "&lt",
])  # fmt: skip


@given(st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=60).map("".join)))
def test_any_bytes_are_read(content: bytes | str) -> None:
    body = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    page = read_page(body)
    assert KNOWN_CODES.issuperset(page.error_codes)
    assert len(page.forms) <= MAX_FORMS
    assert all(form.fields and len(form.fields) <= MAX_FIELDS for form in page.forms)


SKIPPED = ("</", "--", "<script", "<style")


@given(st.lists(PIECES, max_size=20).map("".join))
@example("<<script</script")
def test_what_precedes_a_form_in_a_comment_or_a_script_hides_nothing_that_follows(before: str) -> None:
    """A complete script, style or comment is skipped; whatever it holds is not markup."""
    held = before
    while any(part in held for part in SKIPPED):  # without one, what was around it may be one
        for part in SKIPPED:
            held = held.replace(part, "")
    for skipped in (f"<script>{held}</script>", f"<style>{held}</style>"):
        content = (skipped + PASSWORD).encode("utf-8", "surrogatepass")
        assert read_page(content).has_login_form


@pytest.mark.parametrize("piece", [
    "<", "<a", "<a ", "<!--", "<!-- --", "</", "<script", "<script>", "<style", "&", "&#", "<a href='",
    "<a b=", "<title>", "<p>", "<![", "x<y ", "<input name=a>", "<form>", "new ", "a_", "a ", "error 4",
    '"strServiceExceptionMessage" ', "<<", "</>", "</a>x", "<a>x", "<a/", '<a x="', "<a x='\"", "<!-->x",
    "--", "='\"", "a_a ", "&amp;", "&#1;", "&abcdefgh;", "data:", "<p id=kc-error-messag ", " id=",
    "<form><input name=a value=b>",
])  # fmt: skip
def test_no_page_is_read_again_and_again(piece: str) -> None:
    """With html.parser alone, some of these take minutes."""
    body = (piece * (1024 * 1024 // len(piece)))[: 1024 * 1024]
    page = read_page(body.encode())
    assert not page.has_error


FORM = f"<form method=post action=/login><input name=username>{PASSWORD}</form>"
ORDINARY = {
    "menus": "<ul>" + '<li class="m">\n<a href="/d/1">Department</a>\n</li>\n' * 2_000 + "</ul>",
    "countries": "<select>" + '<option value="1">Country</option>\n' * 5_000 + "</select>",
    "a drawing": "<svg>" + '<path d="M0 0"/>' * 10_000 + "</svg>",
    "an image in its URL": f'<img src="data:image/png;base64,{"A" * 900_000}">',
    "text": "<p>don't</p>" * 10_000,
}


@pytest.mark.parametrize("filler", ORDINARY.values(), ids=ORDINARY)
def test_what_an_ordinary_page_holds_hides_neither_form_nor_error(filler: str) -> None:
    page = read_page((filler + FORM + filler[:100_000]).encode())
    assert (page.has_login_form, page.has_error) == (True, False)
    page = read_page((FORM + filler + "<div role=alert>Error: <b>invalid_client</b></div>").encode())
    assert (page.has_login_form, page.has_error, page.error_codes) == (True, True, ("invalid_client",))


def test_a_page_is_read_up_to_its_bounds() -> None:
    assert read_page(b"<input>" * (MAX_EVENTS - 1) + PASSWORD.encode()).has_login_form
    assert not read_page(b"<input>" * MAX_EVENTS + PASSWORD.encode()).has_login_form
    far = b" " * (MAX_MARKUP_BYTES - len(PASSWORD))
    assert read_page(far + PASSWORD.encode()).has_login_form
    assert not read_page(far + b" " + PASSWORD.encode()).has_login_form
    script = b"<script>" + b"x" * MAX_MARKUP_BYTES + b"</script>"
    assert read_page(script + PASSWORD.encode()).has_login_form
