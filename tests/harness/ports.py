"""Ports that stay a test's own while nothing listens on them."""

from __future__ import annotations

import socket


def held_port(host: str = "127.0.0.1", port: int = 0) -> socket.socket:
    """Return a socket that holds a port, any free one for 0, and does not listen: connections are refused.

    A program that asks for it by number may listen on it beside (SO_REUSEADDR); none gets it as a free one.
    """
    held = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    held.bind((host, port))
    return held
