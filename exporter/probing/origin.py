"""Where a URL leads, before its path. No I/O."""

from functools import lru_cache
from typing import NamedTuple

import httpx


class Origin(NamedTuple):
    """Where a URL leads, before its path."""

    scheme: str  # http or https
    host: str  # in ASCII, without brackets
    port: int  # the URL's, or the scheme's
    authority: str  # as in the `Host` header
    endpoint: str  # host and port, an IPv6 address in brackets


@lru_cache(maxsize=8192)
def parse_origin(origin: str) -> Origin:
    """Parse `scheme://host[:port]`; remembered, since each target has one for all its probes."""
    url = httpx.URL(origin)
    host = url.raw_host.decode("ascii")  # `host` decodes IDNA, and fails for names that are none
    if url.scheme not in {"http", "https"} or not host:
        raise ValueError("not an http or https URL")
    port = url.port or (443 if url.scheme == "https" else 80)
    return Origin(url.scheme, host, port, url.netloc.decode("ascii"), endpoint(host, port))


def endpoint(host: str, port: int) -> str:
    """Return host and port as they are shown, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_url(url: str) -> tuple[Origin, str]:
    """Return the origin of an absolute URL, and the rest of it without the fragment."""
    scheme, separator, rest = url.partition("://")
    end = next((index for index, character in enumerate(rest) if character in "/?#"), len(rest))
    path = rest[end:].partition("#")[0]
    return parse_origin(f"{scheme}{separator}{rest[:end]}"), path if path.startswith("/") else f"/{path}"
