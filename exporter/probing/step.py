"""A journey's side of the conversation: what to ask, and what the answer must be.

A journey is a generator without I/O. It yields a `Step`; when the answer was judged good it is sent
the `Verdict`, whose parsed flow holds what the next step needs.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlsplit

from exporter.probing.answer import Verdict


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One request without a body, before the headers that all requests share.

    Args:
        method: the HTTP method.
        url: absolute, already percent-encoded; sent byte for byte.
    """

    method: str
    url: str

    def __repr__(self) -> str:
        """Show where it goes; the query carries nonce and state, so it is left out."""
        parts = urlsplit(self.url)
        return f"Request({self.method} {parts.scheme}://{parts.netloc}{parts.path})"


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a flow must be for its step to succeed.

    Args:
        environment_id: the environment that the flow must belong to, lower case.
        source_url: where that environment answers; the flow's links lead there.
        statuses: flow statuses that are a success.
    """

    environment_id: str
    source_url: str
    statuses: tuple[str, ...]


@dataclass(frozen=True, slots=True, repr=False)
class Step:
    """One exchange of a journey.

    Args:
        name: the metric label `step`.
        request: what is sent.
        expectation: what the answer must be.
        secrets: the values made for this step that must never leave the probe.
    """

    name: str
    request: Request
    expectation: Expectation
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        """Show the step without its secrets."""
        return f"Step({self.name}, {self.request!r})"


Walk: TypeAlias = Generator[Step, "Verdict", None]
"""A journey under way."""
