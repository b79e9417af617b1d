"""The web: metrics, health and the status pages over HTTP.

bind(addresses) -> sockets        a port in use is known before anything is started
Door(security)  -> door           TLS, logins and headers, which may change while the port is open
site(...)       -> application    what it shows is handed in
serving(application, sockets)     accepts while the block runs
"""

from exporter.serving.door import Door
from exporter.serving.listening import ListenError, bind
from exporter.serving.negotiation import Format, choose, wants_gzip
from exporter.serving.server import Server, serving
from exporter.serving.site import WebApp, site
from exporter.serving.watched import Egress, Past, Views, Watched

__all__ = [
    "Door",
    "Egress",
    "Format",
    "ListenError",
    "Past",
    "Server",
    "Views",
    "Watched",
    "WebApp",
    "bind",
    "choose",
    "serving",
    "site",
    "wants_gzip",
]
