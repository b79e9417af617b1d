"""The web: metrics, health and the landing page over HTTP.

bind(addresses) -> sockets        a port in use is known before anything is started
Door(security)  -> door           TLS, logins and headers, which may change while the port is open
site(...)       -> application    what it shows is handed in
serving(application, sockets)     accepts while the block runs
"""

from exporter.serving.door import Door
from exporter.serving.listening import ListenError, bind
from exporter.serving.negotiation import Format, choose, wants_gzip
from exporter.serving.page import Landing, Row
from exporter.serving.server import Server, serving
from exporter.serving.site import Site, site

__all__ = [
    "Door",
    "Format",
    "Landing",
    "ListenError",
    "Row",
    "Server",
    "Site",
    "bind",
    "choose",
    "serving",
    "site",
    "wants_gzip",
]
