"""Debian's nginx as a reverse proxy in front of an exporter."""

from __future__ import annotations

import socket
from pathlib import Path

from harness.process import Process
from harness.prometheus import need_tool
from harness.waiting import poll

CONFIGURATION = """\
daemon off;
pid {directory}/nginx.pid;
error_log stderr;
worker_processes 1;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {directory}; proxy_temp_path {directory}; fastcgi_temp_path {directory};
  uwsgi_temp_path {directory}; scgi_temp_path {directory};
  upstream exporter {{ server {upstream}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port}{tls};
    location {path}-/reload {{ return 403; }}
    location {path} {{
      proxy_pass http://exporter/;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_set_header Connection "";
    }}
  }}
}}
"""


class Nginx(Process):
    """A reverse proxy that reuses its connection to the exporter, and does not let reloads pass.

    Args:
        upstream: host and port of the exporter.
        directory: for its files.
        path: where the exporter is.
        tls: a directory with `server.crt` and `server.key`; None for plain HTTP.
    """

    def __init__(self, upstream: str, *, directory: Path, path: str = "/", tls: Path | None = None) -> None:
        program = need_tool("nginx")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        secured = (
            f" ssl; ssl_certificate {tls}/server.crt; ssl_certificate_key {tls}/server.key" if tls else ""
        )
        configuration = directory / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(
                directory=directory, port=self.port, tls=secured, path=path, upstream=upstream
            )
        )
        command = [program, "-c", str(configuration)]
        super().__init__(command, directory=directory, logs=directory / "nginx-logs", environment={})

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        super().start()

        def accepts() -> bool:
            with socket.socket() as sock:
                return sock.connect_ex(("127.0.0.1", self.port)) == 0

        poll(accepts, bool, what="nginx", describe=lambda _: self.tail())
