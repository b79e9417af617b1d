"""What a page of an identity provider shows: a login form, an error, or neither. No I/O.

    a login form   an input for a password or a user name; a page that a script turns into one:
                   Entra ID (`"pgid":"ConvergedSignIn"`), Okta's widget, Auth0's Lock
    an error       words that only an error has: OAuth codes in the text that users read, `AADSTS` and a
                   number; members of Entra's page data; Keycloak's element for errors

The title decides nothing: Keycloak's and Entra's error pages have that of the login page. Any bytes are read.
"""

import re
from html import unescape
from itertools import islice
from typing import NamedTuple

from exporter.probing.errors import KNOWN_CODES

MAX_MARKUP_BYTES = 384 * 1024
"""Of a page without scripts, styles and images: the worst markup takes 50 ms, a login page less than 1."""
MAX_TAGS = 1_000
MAX_ATTRIBUTES = 50
MAX_REFERENCES = 5_000
"""Forms, inputs and other tags that are read, attributes of each, and character references. Links, items,
options and paths have no bound of their own: regular expressions that never go back skip them."""
MAX_FORMS = 20
MAX_FIELDS = 50
MAX_NAME_CHARACTERS = 256

_IMAGE = re.compile(rb"data:[^\"'\s<>]{256,}+")

_VALUE = r"""=\s*+(?:"[^"]*+(?:"|\Z)|'[^']*+(?:'|\Z))?+"""
_REST = rf"[^>=]*+(?:{_VALUE}[^>=]*+)*+(?:>|\Z)"
_READ = r"(?i:form|input|title|noscript|template)(?=[\s/>]|\Z)"
_OTHER = rf"(?:[a-eghj-mo-su-zA-EGHJ-MO-SU-Z]|(?!{_READ})[fintFINT])"  # the letter first: it is fast
_COMMENT = r"!--(?:-?>|[^-]*+(?:-(?!-!?>)[^-]*+)*+(?:--!?>|\Z))"
_SKIPPED = rf"<(?:/?+{_OTHER}{_REST}|{_COMMENT}|(?:[!?]|/(?![a-zA-Z]))[^>]*+(?:>|\Z))"
_TEXT = r"[^<]*+(?:<(?![a-zA-Z/!?])[^<]*+)*+"
_TOKEN = re.compile(rf"({_TEXT}(?:{_SKIPPED}{_TEXT})*+)(?:<(/?+)({_READ})({_REST}))?+")
"""Text and tags that are not read, then one that is. A tag that does not end takes the rest of the page."""
_SKIPPED_TAGS = re.compile(rf"(?:{_SKIPPED})++")
_COMMENTS = re.compile(f"<{_COMMENT}")
_ATTRIBUTE = re.compile(r"""([^\s/>=]++)(?:\s*+=\s*+(?:"([^"]*+)"?+|'([^']*+)'?+|([^\s>]*+)))?+""")
_REFERENCE = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z]{2,8});")

_SCRIPTED_LOGIN = re.compile(rb'"pgid"\s*:\s*"ConvergedSignIn"|new\s+(?:OktaSignIn|Auth0Lock)\b')
_SCRIPTED_ERROR = re.compile(
    rb'AADSTS[0-9]{4}|MSIS[0-9]{4}|"pgid"\s*:\s*"ConvergedError"|"strServiceExceptionMessage"\s*:\s*"[^"]'
)
_ELEMENT = re.compile(
    r"""<[a-zA-Z][^<>]*\s[iI][dD]\s*=\s*["']?(?:(okta-login-container|okta-sign-in)|kc-error-message)(?=["'\s/>])"""
)
_ELEMENT_IDS = ("okta-login-container", "okta-sign-in", "kc-error-message")
_USER_NAME = re.compile(
    r"user[-_ ]?(?:name|id|login)|principalname|identifier|loginfmt|login[-_]?(?:id|name)"
    r"|^(?:login|user|upn)$",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"e-?mail", re.IGNORECASE)
_TEXT_TYPES = frozenset({"", "text", "email", "tel"})
_FIELD_TYPES = _TEXT_TYPES | {"hidden"}

_WORD = re.compile(r"(?<![\w.-])[a-z]++(?:_[a-z]++)++(?![\w-])")
_ERROR_WORDS = frozenset({"redirect_uri_mismatch", "deleted_client", "origin_mismatch"})
_SENTENCES = ("callback url mismatch", "resulted in an error", "client not found", "invalid parameter: ")
_ERROR_STATUS = re.compile(r"error 4[0-9]{2}: [a-z]")
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
    reader = _PageReader()
    page = _IMAGE.sub(b"", _without(b"style", _without(b"script", body)))
    markup = page[:MAX_MARKUP_BYTES].decode("utf-8", "replace")
    text = reader.read(markup)
    words = dict.fromkeys(_WORD.findall(text))
    codes = tuple(word for word in words if word in KNOWN_CODES)
    has_id = any(name in markup for name in _ELEMENT_IDS)
    lower, elements = text.lower(), _ELEMENT.findall(_COMMENTS.sub("", markup) if has_id else "")
    is_wrong = any(sentence in lower for sentence in _SENTENCES) or _ERROR_STATUS.search(lower)
    has_error = codes or is_wrong or not _ERROR_WORDS.isdisjoint(words) or _SCRIPTED_ERROR.search(body)
    return Page(
        has_login_form=reader.has_login_form or any(elements) or _SCRIPTED_LOGIN.search(body) is not None,
        has_error=reader.has_error or "" in elements or bool(has_error),
        error_codes=codes,
        forms=tuple(Form(action, tuple(fields)) for action, _, fields in reader.forms if fields),
    )


def _without(element: bytes, page: bytes) -> bytes:
    """Return a page without the content of an element that has no markup."""
    lower, kept, at = page.lower(), [], 0
    while (start := lower.find(b"<" + element, at)) >= 0:
        kept.append(page[at:start])
        at = lower.find(b"</" + element, start)
        if at < 0:
            return b"".join(kept)
        at = (lower.find(b">", at) + 1) or len(page)
    kept.append(page[at:])
    return b"".join(kept)


class _PageReader:
    def __init__(self) -> None:
        self.forms: list[tuple[str | None, str, list[tuple[str, str]]]] = []
        self.has_login_form = False
        self.has_error = False
        self._in_form = False
        self._not_read = 0
        self._references = MAX_REFERENCES

    def read(self, markup: str) -> str:
        """Read the tags that matter; return the text that users see."""
        texts = []
        for found in islice(_TOKEN.finditer(markup), MAX_TAGS):
            skipped, end, name, rest = found.groups()
            if not self._not_read:
                texts.append(_SKIPPED_TAGS.sub(" ", skipped))
            if name is None or not rest.endswith(">"):
                continue  # the end of the page
            tag = name.lower()
            if tag in _NOT_READ:
                change = -1 if end else not rest.endswith("/>")
                self._not_read = max(0, self._not_read + change)
            elif end:
                self._in_form &= tag != "form"
            elif tag == "form":
                attributes = self._attributes(rest)
                self._in_form = len(self.forms) < MAX_FORMS
                if self._in_form:
                    self.forms.append((attributes.get("action"), attributes.get("method", "").lower(), []))
            else:
                self._input(self._attributes(rest))
        return self._unescaped(" ".join(texts))

    def _attributes(self, rest: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, *values in (
            match.groups("") for match in islice(_ATTRIBUTE.finditer(rest), MAX_ATTRIBUTES)
        ):
            found.setdefault(name.lower(), self._unescaped("".join(values)))  # the first of a name counts
        return found

    def _unescaped(self, text: str) -> str:
        if self._references <= 0 or "&" not in text:
            return text
        text, count = _REFERENCE.subn(lambda found: unescape(found[0]), text, self._references)
        self._references -= count
        return text

    def _input(self, attributes: dict[str, str]) -> None:
        kind, name = attributes.get("type", "").strip().lower(), attributes.get("name", "")
        method, fields = (self.forms[-1][1], self.forms[-1][2]) if self._in_form else ("", [])
        if kind in _FIELD_TYPES and name and len(fields) < MAX_FIELDS:
            fields.append((name, attributes.get("value", "")))
            self.has_error |= name == "SAMLResponse"
        hints = attributes.get("autocomplete", "")[:MAX_NAME_CHARACTERS].split()
        names = [each[:MAX_NAME_CHARACTERS] for each in (name, attributes.get("id", ""), *hints)]
        asks_for_name = any(map(_USER_NAME.search, names))
        # An address alone may be for a newsletter, which is not posted as a rule.
        asks_for_email = method == "post" and (kind == "email" or any(map(_EMAIL.search, names)))
        is_asked = kind in _TEXT_TYPES and (asks_for_name or asks_for_email)
        self.has_login_form |= kind == "password" or is_asked
