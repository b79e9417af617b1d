"""The web port: metrics, health, status pages and API over HTTP.

The sockets of `bind` listen before anything starts; a reload replaces the content of `PortSecurity`.
"""

from exporter.serving.app import create_app
from exporter.serving.listen import ListenError, bind
from exporter.serving.overview import StatusSource
from exporter.serving.port_security import PortSecurity
from exporter.serving.server import serve

__all__ = ["ListenError", "PortSecurity", "StatusSource", "bind", "create_app", "serve"]
