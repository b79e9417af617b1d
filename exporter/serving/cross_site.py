"""Whether a request that changes something was made by a page of another site. Pure.

A browser sends whatever any page asks it to, with the credentials that it keeps for us. It says on whose
behalf: in Sec-Fetch-Site (Fetch Metadata, W3C), older ones in Origin (RFC 6454, the Fetch standard).
Programs such as curl send neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.datastructures import Headers

_OWN = frozenset({"same-origin", "none"})
"""A page of ours, or the person at the browser."""


def is_cross_site(headers: Headers) -> bool:
    """Whether a browser says so, or says what cannot be understood."""
    hosts = [host.lower() for host in headers.getlist("host")]
    origins = map(_host, headers.getlist("origin"))
    return any(site not in _OWN for site in headers.getlist("sec-fetch-site")) or any(
        [host] != hosts for host in origins
    )


def _host(origin: str) -> str | None:
    """Return an origin's host with its port, as `Host` has it; None of the opaque origin `null`."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
