"""What a page of an identity provider shows: a login form, an error, or neither. No I/O.

    a login form   an input for a password or a user name; a page that a script turns into one:
                   Entra ID (`"pgid":"ConvergedSignIn"`), Okta's widget, Auth0's Lock
    an error       words that only an error has: OAuth codes in the text that users read, `AADSTS` and a
                   number; members of Entra's page data; Keycloak's element for errors

The title decides nothing: Keycloak's and Entra's error pages have that of the login page. Any bytes are read.
"""

import re
from contextlib import suppress
from html.parser import HTMLParser
from typing import NamedTuple

from exporter.probing.errors import KNOWN_CODES

MAX_MARKUP_BYTES = 128 * 1024
"""Bytes that are read of a page without scripts, styles and irrelevant tags; login pages have 5 to 100 KB."""
MAX_EVENTS = 2_000
"""Tags, comments and texts that are read: the worst of pages takes some 60 ms, a login page less than 1."""
MAX_FORMS = 20
MAX_FIELDS = 50

_SCRIPTED_LOGIN = re.compile(rb'"pgid"\s*:\s*"ConvergedSignIn"|new\s+(?:OktaSignIn|Auth0Lock)\b')
_SCRIPTED_ERROR = re.compile(
    rb'AADSTS[0-9]{4}|MSIS[0-9]{4}|"pgid"\s*:\s*"ConvergedError"|"strServiceExceptionMessage"\s*:\s*"[^"]'
)
_SCRIPTS = re.compile(rb"<(script|style)[^<]*+(?:<(?!/\1)[^<]*+)*+(?:</\1[^<>]*+>?)?", re.IGNORECASE)
"""Elements with content that is not markup; possessive, so that no page takes more than linear time."""
_TAGS = rb"form|input|title|noscript|template"
_IDS = rb"okta-login-container|okta-sign-in|kc-error-message"
_LEFT_OUT = re.compile(
    rb"data:[^\"'\s<>]{256,}|</?(?!(?:%b)[\s/>])[a-z](?![^<>]*(?:%b))[^<>]*(?<!--)>" % (_TAGS, _IDS),
    re.IGNORECASE,
)
"""Images in URLs, and irrelevant tags: an ordinary page has thousands of links, items and paths."""
_LOGIN_ELEMENTS = frozenset({"okta-login-container", "okta-sign-in"})
_ERROR_ELEMENT = "kc-error-message"
_USER_NAME = re.compile(
    r"user[-_ ]?(?:name|id|login)|principalname|identifier|loginfmt|login[-_]?(?:id|name)"
    r"|^(?:login|user|upn)$",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"e-?mail", re.IGNORECASE)
_TEXT_TYPES = frozenset({"", "text", "email", "tel"})
_FIELD_TYPES = _TEXT_TYPES | {"hidden"}

_WORD = re.compile(r"(?<![\w.-])[a-z]+(?:_[a-z]+)+(?![\w-])")
_ERROR_WORDS = frozenset({"redirect_uri_mismatch", "deleted_client", "origin_mismatch"})
_ERROR_SENTENCES = re.compile(
    r"callback url mismatch|resulted in an error|client not found|invalid parameter: |error 4[0-9]{2}: [a-z]",
    re.IGNORECASE,
)
_NOT_READ = frozenset({"title", "noscript", "template"})
"""Elements with text that a user does not see on the page."""


class Form(NamedTuple):
    """Where a form is sent, as it is written, and the names and values that are sent without a user."""

    action: str | None
    fields: tuple[tuple[str, str], ...]


class Page(NamedTuple):
    """What a page shows; a SAML response is an error, for there is none without a user."""

    has_login_form: bool
    has_error: bool
    error_codes: tuple[str, ...]
    forms: tuple[Form, ...]


def read_page(body: bytes) -> Page:
    """Read a page of HTML; anything else shows nothing."""
    reader = _PageParser()
    markup = _LEFT_OUT.sub(b" ", _SCRIPTS.sub(b"", body))[:MAX_MARKUP_BYTES]
    with suppress(_EnoughError, AssertionError):  # the latter is a malformed declaration
        # Not closed: the parser would read what is incomplete again and again.
        reader.feed(markup.decode("utf-8", "replace"))
    text = " ".join(reader.texts)
    words = dict.fromkeys(_WORD.findall(text))
    codes = tuple(word for word in words if word in KNOWN_CODES)
    wrong = codes or not _ERROR_WORDS.isdisjoint(words) or _ERROR_SENTENCES.search(text)
    return Page(
        has_login_form=reader.has_login_form or _SCRIPTED_LOGIN.search(body) is not None,
        has_error=bool(wrong) or reader.has_error or _SCRIPTED_ERROR.search(body) is not None,
        error_codes=codes,
        forms=tuple(Form(action, tuple(fields)) for action, _, fields in reader.forms if fields),
    )


class _EnoughError(Exception):
    """The page has more than is read."""


class _PageParser(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.forms: list[tuple[str | None, str, list[tuple[str, str]]]] = []
        self.has_login_form = False
        self.has_error = False
        self._events = 0
        self._in_form = False
        self._not_read = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._count()
        attributes = {name: value or "" for name, value in reversed(attrs)}  # the first of a name counts
        self._not_read += tag in _NOT_READ
        self.has_login_form |= attributes.get("id") in _LOGIN_ELEMENTS
        self.has_error |= attributes.get("id") == _ERROR_ELEMENT
        if tag == "form":
            if len(self.forms) == MAX_FORMS:
                raise _EnoughError
            self.forms.append((attributes.get("action"), attributes.get("method", "").lower(), []))
            self._in_form = True
        elif tag == "input":
            self._input(attributes)

    def handle_endtag(self, tag: str) -> None:
        self._count()
        if tag in _NOT_READ:
            self._not_read = max(0, self._not_read - 1)
        self._in_form &= tag != "form"

    def handle_data(self, data: str) -> None:
        self._count()
        if not self._not_read:
            self.texts.append(data)

    def handle_comment(self, data: str) -> None:  # noqa: ARG002  counted only
        self._count()

    def _count(self) -> None:
        self._events += 1
        if self._events > MAX_EVENTS:
            raise _EnoughError

    def _input(self, attributes: dict[str, str]) -> None:
        kind, name = attributes.get("type", "").strip().lower(), attributes.get("name", "")
        method, fields = (self.forms[-1][1], self.forms[-1][2]) if self._in_form else ("", [])
        if kind in _FIELD_TYPES and name and len(fields) < MAX_FIELDS:
            fields.append((name, attributes.get("value", "")))
            self.has_error |= name == "SAMLResponse"
        names = [name, attributes.get("id", ""), *attributes.get("autocomplete", "").split()]
        asks_for_name = any(map(_USER_NAME.search, names))
        # An address alone may be for a newsletter, which is not posted as a rule.
        asks_for_email = method == "post" and (kind == "email" or any(map(_EMAIL.search, names)))
        is_asked = kind in _TEXT_TYPES and (asks_for_name or asks_for_email)
        self.has_login_form |= kind == "password" or is_asked
