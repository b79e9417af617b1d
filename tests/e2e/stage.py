"""Servers of every kind for one daemon: each scene is one of them, and gives the `AUTH_URL` that leads to it.

Scenes of plain HTTP share a server, told apart by the first segment of the path, for what they are about
lies in the answer alone. Below HTTP each has a port of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from harness.certificates import Authority, Certificate
from harness.http_messages import Answer, json_answer
from harness.http_server import HttpServer
from harness.raw_server import Behaviour, FullBacklog, RawServer
from harness.seed import seed_flow
from harness.variables import SOURCE

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from harness.http_messages import Request, Script

NOWHERE = "http://nowhere.invalid"
"""A name that never resolves (RFC 6761, section 6.4)."""


class Stage:
    """Holds what the scenes need for as long as its block lasts.

    Args:
        directory: where the authority's certificate is written.

    Attributes:
        authority: its file is for `CA_FILE`.
        plain: the server that scenes of plain HTTP share.
    """

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory)
        self.plain = HttpServer(self._dispatch)
        self._scripts: dict[str, Script] = {}
        self._open = ExitStack()

    def script(self, script: Script) -> str:
        """Give `script` a path of its own on the shared server."""
        segment = f"scene-{len(self._scripts)}"
        self._scripts[segment] = script
        return f"{self.plain.base_url}/{segment}"

    def https(self, certificate: Certificate) -> str:
        """Serve good flows under `certificate`."""
        return self._open.enter_context(HttpServer(tls=certificate.tls)).base_url

    def raw(self, behaviour: Behaviour, scheme: str) -> str:
        """Let `behaviour` answer."""
        return f"{scheme}://127.0.0.1:{self._open.enter_context(RawServer(behaviour)).port}"

    def full_backlog(self) -> str:
        """Neither accept nor refuse."""
        return f"http://127.0.0.1:{self._open.enter_context(FullBacklog()).port}"

    def refused(self) -> str:
        """Refuse: a port that was ours and is closed."""
        with HttpServer() as closed:
            return closed.base_url

    async def _dispatch(self, request: Request, writer: asyncio.StreamWriter) -> None:
        await self._scripts[request.path.split("/")[1]](request, writer)

    def __enter__(self) -> Self:
        """Start the shared server."""
        self._open.enter_context(self.plain)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop all servers."""
        self._open.close()


Scene: TypeAlias = Callable[[Stage], str]
"""Sets itself up on a stage and returns the `AUTH_URL` that leads to it."""


def answers(script: Script) -> Scene:
    """Answer over plain HTTP."""
    return lambda stage: stage.script(script)


def presents(certificate: Callable[[Authority], Certificate]) -> Scene:
    """Answer good flows over TLS, with a certificate that may not be good."""
    return lambda stage: stage.https(certificate(stage.authority))


def behaves(behaviour: Behaviour, *, scheme: str = "http") -> Scene:
    """Do what no HTTP server does."""
    return lambda stage: stage.raw(behaviour, scheme)


def flow(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
    """Return the documented flow with fields replaced; None takes one away."""
    document = seed_flow(SOURCE, base_url="https://auth.pingone.example") | changes
    return {name: value for name, value in document.items() if value is not None}


def replies(document: Any, status: int = 200) -> Scene:  # noqa: ANN401  any JSON
    """Answer a JSON document."""
    return answers(json_answer(document, status=status))


def page(status: int, body: bytes = b"<html><title>Sorry</title></html>") -> Scene:
    """Answer an HTML page, as an edge or a firewall does."""
    headers = (("Content-Type", "text/html"), ("Content-Length", str(len(body))))
    return answers(Answer(status=status, headers=headers, body=body))


def leads_to(location: str, status: int = 302) -> Scene:
    """Redirect."""
    return answers(Answer(status=status, headers=(("Location", location), ("Content-Length", "0"))))


def wire(*parts: bytes) -> Scene:
    """Answer these bytes as they are, and close."""
    return answers(Answer(raw=b"".join(parts), close=True))
