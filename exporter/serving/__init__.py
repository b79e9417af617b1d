"""The web port: metrics, health, status pages and API over HTTP.

sockets = bind(addresses)                  a port in use is known before anything starts
security = PortSecurity(web_security)      TLS, users, headers, rate limit; replaced by a reload
app = create_app(..., security=security)   the routes; what they show is handed in
async with serve(app, sockets, security=security):
...                                    accepting connections
"""

from exporter.serving.app import WebApp, create_app
from exporter.serving.auth import BasicAuth, TokenBucket, TooManyLoginsError
from exporter.serving.connections import ConnectionLimiter
from exporter.serving.listen import ListenError, bind
from exporter.serving.negotiation import Format, accepts_gzip, choose_format
from exporter.serving.overview import StatusSource
from exporter.serving.port_security import PortSecurity
from exporter.serving.server import serve

__all__ = [
    "BasicAuth",
    "ConnectionLimiter",
    "Format",
    "ListenError",
    "PortSecurity",
    "StatusSource",
    "TokenBucket",
    "TooManyLoginsError",
    "WebApp",
    "accepts_gzip",
    "bind",
    "choose_format",
    "create_app",
    "serve",
]
