"""What the peer answers. No I/O."""

from __future__ import annotations

import json

from harness.seed import seed_flow
from harness.variables import SOURCE


def response(base_url: str, *, padding: int = 0, length: bool = True) -> tuple[bytes, bytes]:
    """Return head and body of a healthy response; without its length, the end of the stream ends it."""
    flow = seed_flow(SOURCE, base_url=base_url)
    body = json.dumps({**flow, "padding": "x" * padding}).encode()
    lines = ["HTTP/1.1 200 OK", "Content-Type: application/json"]
    lines += [f"Content-Length: {len(body)}"] if length else ["Connection: close"]
    return "\r\n".join((*lines, "", "")).encode(), body
