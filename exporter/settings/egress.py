"""The exporter's own way out, as operators write it: a forward proxy, and a URL that shows it is open. Pure.

Both are kept byte for byte. A password may stand in either, wrongly encoded too, so no message repeats
any part of one.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from exporter.settings.address import PATH, URL, host_and_port

_QUERY = re.compile(r"(?:\?(?:[A-Za-z0-9._~!$&'()*+,;=:/?-]|%[0-9A-Fa-f]{2})*)?")
_CREDENTIAL = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*")
_OTHER_PROXIES = frozenset({"https", "socks", "socks4", "socks4a", "socks5", "socks5h"})

_NO_PROXY = "is no proxy URL; write for example http://proxy.example.com:3128"
_NO_CHECK_URL = "is no http or https URL; write for example https://www.example.com/"


def proxy_url(text: str) -> str:
    """Check the URL of an http forward proxy and return it as it is.

    Its port must be written: 80, 3128 and 8080 are all usual, and programs differ in which they assume.
    """
    scheme, follows, rest = text.partition("://")
    if follows and scheme.lower() in _OTHER_PROXIES:
        raise ValueError(
            "is an https or socks proxy, which is not supported; write an http one, for example "
            "http://proxy.example.com:3128 (https targets are reached through it, too)"
        )
    if scheme.lower() != "http":
        raise ValueError(_NO_PROXY)
    # The last @ of all, even behind a slash: what stands before it may be a password that was not encoded.
    credentials, mark, place = rest.rpartition("@")
    if mark:
        _check_credentials(credentials)
    match = URL.fullmatch(f"http://{place}")
    if match is None:
        raise ValueError(_NO_PROXY)
    if match["path"] not in {"", "/"} or match["rest"]:
        raise ValueError(
            "must not hold a path, query or fragment; write for example http://proxy.example.com:3128"
        )
    _, port = host_and_port(match["authority"], _NO_PROXY)
    if port is None:
        raise ValueError(
            "has no port, and no single one is usual; write it, as in http://proxy.example.com:3128"
        )
    return text


def _check_credentials(text: str) -> None:
    """Check `user:password`, percent-encoded (RFC 3986, section 3.2.1; RFC 7617, section 2)."""
    if not _CREDENTIAL.fullmatch(text):
        raise ValueError(
            "has a user or password that is not percent-encoded; write for example %40 for @ and %2F for /"
        )
    user, colon, _ = text.partition(":")
    if not user or not colon:
        raise ValueError(
            "has a user or a password alone; write both, as in http://user:password@proxy.example.com:3128"
        )
    if "%3a" in user.lower():
        raise ValueError("has a user with a colon (%3A), which no proxy can read; write another user")
    if not _is_text(unquote_to_bytes(text)):
        raise ValueError(
            "has a user or password that stands for control characters or for bytes beyond UTF-8; "
            "write it without"
        )


def _is_text(encoded: bytes) -> bool:
    try:
        characters = encoded.decode()
    except UnicodeDecodeError:
        return False
    return not any(character < " " or "\x7f" <= character <= "\x9f" for character in characters)


def check_url(text: str) -> str:
    """Check a URL that is fetched to see whether anything answers, and return it as it is."""
    match = URL.fullmatch(text)
    if match is None:
        raise ValueError(_NO_CHECK_URL)
    if "@" in text:
        # Also behind a slash: there it may end a password that was not encoded, and a path is shown.
        raise ValueError("must not hold a user or password; write an @ that belongs elsewhere as %40")
    if "#" in text:
        raise ValueError("must not hold a fragment; write the URL without # and what follows")
    if not (PATH.fullmatch(match["path"]) and _QUERY.fullmatch(match["rest"])):
        raise ValueError(_NO_CHECK_URL)
    host_and_port(match["authority"], _NO_CHECK_URL)
    return text
