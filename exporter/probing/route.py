"""How a request gets to where it goes: straight to an address, or through a forward proxy.

    direct                 name -> address; TLS asks for the name
    proxy, http target     the proxy's name -> address; the request goes to the proxy
    proxy, https target    the same; a tunnel is asked for by CONNECT, and TLS runs through it

Proxies are never taken from ambient variables.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from exporter.probing.pace import paced
from exporter.probing.step import Request
from exporter.target import IpFamily

Trace = Callable[[str, dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True, repr=False)
class Route:
    """How to reach a provider; without a repr, since a proxy's URL may hold a password.

    Args:
        tls: whom to trust.
        family: which addresses are tried.
        proxy_url: a forward proxy, or None.
    """

    tls: ssl.SSLContext
    family: IpFamily
    proxy_url: str | None = None

    def host_to_resolve(self, url: httpx.URL) -> str:
        """Return the name that a connection is made to, in ASCII: the URL's, or the proxy's."""
        through = url if self.proxy_url is None else httpx.URL(self.proxy_url)
        return through.raw_host.decode("ascii")

    def tunnels(self, url: httpx.URL) -> bool:
        """Whether the proxy is asked for a tunnel first."""
        return self.proxy_url is not None and url.scheme == "https"

    def transport(self, address: str) -> httpx.AsyncHTTPTransport:
        """Return a transport of its own for one connection."""
        if self.proxy_url is None:
            return paced(httpx.AsyncHTTPTransport(verify=self.tls, trust_env=False))
        proxy = httpx.Proxy(httpx.URL(self.proxy_url).copy_with(host=address))
        return paced(httpx.AsyncHTTPTransport(verify=self.tls, trust_env=False, proxy=proxy))

    def request(
        self,
        request: Request,
        headers: Sequence[tuple[str, str]],
        address: str,
        trace: Trace,
    ) -> httpx.Request:
        """Return what to send, by way of `address`."""
        url = httpx.URL(request.url)
        extensions: dict[str, Any] = {"trace": trace}
        if self.proxy_url is None:
            host = self.host_to_resolve(url)
            if host != address:
                extensions["sni_hostname"] = host
            destination = url.copy_with(host=address)
        else:
            destination = url
        return httpx.Request(
            request.method,
            destination,
            headers=[("Host", url.netloc.decode("ascii")), *headers],
            extensions=extensions,
        )
