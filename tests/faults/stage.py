"""Servers of every kind for one daemon: each scene is one of them, and gives the URL that leads to it.

Scenes of plain HTTP share a few servers, distinguished by the first segment of the path, because only the
response matters. Below HTTP each has a port of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from harness.certificates import Authority, Certificate
from harness.http_messages import Answer, body_answer, json_answer
from harness.http_server import FullBacklog, HttpServer
from harness.ports import held_port
from harness.seed import seed_flow
from harness.variables import SOURCE

if TYPE_CHECKING:
    from harness.http_messages import Behavior, Request, Script

NOWHERE = "http://nowhere.invalid"
"""A name that never resolves (RFC 6761, section 6.4)."""

SHARED = 4
"""Servers of plain HTTP for all: first probes of one host are 50 ms apart, and there are hundreds."""

JSON_TYPE = "application/json"


class Stage:
    """Holds what the scenes need for as long as its block lasts.

    Args:
        directory: where the authority's certificate is written.
        around: what is done to each script of HTTP before it is played.

    Attributes:
        authority: its file is for `CA_FILE`.
    """

    def __init__(
        self, directory: Path, *, around: Callable[[Script], Script] = lambda script: script
    ) -> None:
        self.authority = Authority(directory)
        self._around = around
        self._plain = [HttpServer(self._dispatch) for _ in range(SHARED)]
        self._servers = list(self._plain)
        self._scripts: dict[str, Script] = {}
        self._open = ExitStack()

    @property
    def requests(self) -> tuple[Request, ...]:
        """What the HTTP servers were asked so far."""
        return tuple(request for server in self._servers for request in server.requests)

    def script(self, script: Script) -> str:
        """Give `script` a path of its own on a shared server."""
        segment = f"scene-{len(self._scripts)}"
        self._scripts[segment] = self._around(script)
        return f"{self._plain[len(self._scripts) % SHARED].base_url}/{segment}"

    def server(self, script: Script | None = None, certificate: Certificate | None = None) -> str:
        """Let a server of its own answer, good flows by default; over TLS with a certificate."""
        server = HttpServer(
            None if script is None else self._around(script),
            tls=None if certificate is None else certificate.tls,
        )
        self._servers.append(self._open.enter_context(server))
        return server.base_url

    def raw(self, behavior: Behavior, scheme: str = "http") -> str:
        """Let `behavior` answer."""
        return f"{scheme}://127.0.0.1:{self._open.enter_context(HttpServer(behavior=behavior)).port}"

    def full_backlog(self) -> str:
        """Neither accept nor refuse."""
        return f"http://127.0.0.1:{self._open.enter_context(FullBacklog()).port}"

    def refused(self) -> str:
        """Refuse: a port that is bound but does not listen, so that no other program gets it."""
        held = self._open.enter_context(held_port())
        return f"http://127.0.0.1:{held.getsockname()[1]}"

    async def _dispatch(self, request: Request, writer: asyncio.StreamWriter) -> None:
        await self._scripts[request.path.split("/")[1]](request, writer)

    def __enter__(self) -> Self:
        """Start the shared servers."""
        for server in self._plain:
            self._open.enter_context(server)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all servers."""
        self._open.close()


Scene: TypeAlias = Callable[[Stage], str]
"""Sets itself up on a stage and returns the URL that leads to it."""


def nowhere(_: Stage) -> str:
    """A name that does not exist."""
    return NOWHERE


def answers(script: Script) -> Scene:
    """Answer over plain HTTP."""
    return lambda stage: stage.script(script)


def alone(script: Script) -> Scene:
    """Answer over plain HTTP on a port of its own, as a proxy does."""
    return lambda stage: stage.server(script)


def presents(certificate: Callable[[Authority], Certificate], script: Script | None = None) -> Scene:
    """Answer over TLS, good flows by default, with a certificate that may not be good."""
    return lambda stage: stage.server(script, certificate(stage.authority))


def behaves(behavior: Behavior, *, scheme: str = "http") -> Scene:
    """Do what no HTTP server does."""
    return lambda stage: stage.raw(behavior, scheme)


def flow(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    """Return the documented flow with fields replaced; None takes one away."""
    document = seed_flow(SOURCE, base_url="https://auth.pingone.example") | changes
    return {name: value for name, value in document.items() if value is not None}


GOOD = json_answer(flow()).body


def replies(document: Any, status: int = 200) -> Scene:  # noqa: ANN401  any JSON
    """Answer a JSON document."""
    return answers(json_answer(document, status=status))


def plain(body: bytes) -> Scene:
    """Answer these bytes as JSON."""
    return answers(body_answer(body, content_type=JSON_TYPE))


def encoded(body: bytes, coding: str) -> Scene:
    """Answer these bytes as JSON under a content coding."""
    return answers(body_answer(body, content_type=JSON_TYPE, headers=(("Content-Encoding", coding),)))


def page(status: int, body: bytes = b"<html><title>Sorry</title></html>") -> Scene:
    """Answer an HTML page, as an edge or a firewall does."""
    return answers(html(status, body))


def html(status: int, body: bytes = b"<html><title>Sorry</title></html>") -> Answer:
    """Return an HTML page."""
    return body_answer(body, content_type="text/html", status=status)


def leads_to(location: str, status: int = 302) -> Scene:
    """Redirect."""
    return answers(Answer(status=status, headers=(("Location", location), ("Content-Length", "0"))))


def wire(*parts: bytes) -> Scene:
    """Answer these bytes as they are, and close."""
    return answers(Answer(raw=b"".join(parts), close=True))


def head(*lines: bytes, first: bytes = b"HTTP/1.1 200 OK") -> bytes:
    """Return a head of these lines."""
    return b"\r\n".join([first, *lines, b"", b""])
