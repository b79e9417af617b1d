"""Servers that tell what they know in every place that could be logged, shown or counted."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import Callable, Mapping
from typing import Any, cast

from faults.stage import Scene, answers, flow, head, presents
from harness.certificates import Authority, unknown_issuer
from harness.http_messages import Answer, Request, Script, body_answer, json_answer

COOKIE, CODE, TOKEN, BODY, NAME = (f"planted-{word}" for word in ("cookie", "code", "token", "body", "name"))
PLANTED = (COOKIE, CODE, TOKEN, BODY, NAME)

STATUS_LINE = re.compile(rb"HTTP/1\.[01] \d{3}")
SECRET_PARAMETER = re.compile(r"[?&](nonce|state|code_challenge|login_hint|redirect_uri)=([^&#\s]+)")


def secrets_of(request: Request) -> dict[str, str]:
    """Return the secrets that a request carried, as they were sent."""
    return dict(SECRET_PARAMETER.findall(request.target))


def echoing(script: Script) -> Script:
    """Return a script that adds to the head of the answer, or of each of them, all that it knows."""

    async def script_with_echo(request: Request, writer: asyncio.StreamWriter) -> None:
        await script(request, cast("asyncio.StreamWriter", _Echo(request, writer)))

    return script_with_echo


class _Echo:
    """A stream that is given answers and writes them with an echo."""

    def __init__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        sent = secrets_of(request)
        self._writer = writer
        self._phrase = f"{TOKEN} {' '.join(sent.values())}".encode()
        name = sent.get("nonce", TOKEN)
        self._lines = "\r\n".join(
            [
                f"Set-Cookie: ST={COOKIE}; Path=/; HttpOnly",
                f"Correlation-Id: {name}",
                f"X-{name}: {sent.get('state')}",
                f"X-Echo: {request.target}",
                f'WWW-Authenticate: Bearer error="{TOKEN}"',
                f"Date: {name}",
            ]
        ).encode()

    def write(self, data: bytes) -> None:
        """Write an answer, or a part of one."""
        first, end, rest = data.partition(b"\r\n")
        if end and STATUS_LINE.match(first):
            data = b"\r\n".join([first + b" " + self._phrase, self._lines, rest])
        self._writer.write(data)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the stream has
        return getattr(self._writer, name)


def echoes(tale: Callable[[Mapping[str, str]], Answer]) -> Scene:
    """Answer with secrets of the request."""

    async def script(request: Request, writer: asyncio.StreamWriter) -> None:
        await tale(secrets_of(request))(request, writer)

    return answers(script)


def _raw(*parts: str) -> Answer:
    return Answer(raw="".join(parts).encode(), close=True)


def _chunks(*parts: str) -> Answer:
    return _raw(_ok("Transfer-Encoding: chunked"), *parts)


def _ok(*lines: str) -> str:
    return head(*(line.encode() for line in lines)).decode()


def _to(location: str) -> Answer:
    return Answer(status=302, headers=(("Location", location), ("Content-Length", "0")))


def _pingone(word: str, status: int) -> Answer:
    details = [{"code": word, "target": word, "message": word, "innerError": {word: word}}]
    return json_answer({"id": word, "code": word, "message": word, "details": details}, status=status)


TALES: Mapping[str, Scene] = {
    "correlation_id": echoes(lambda sent: json_answer(flow(), headers=(("Correlation-Id", sent["nonce"]),))),
    "correlation_id_joined": echoes(
        lambda sent: json_answer(flow(), headers=(("Correlation-Id", f"x.{sent['state']}"),))
    ),
    "status": echoes(lambda sent: json_answer(flow(status=sent["nonce"]))),
    "status_joined": echoes(lambda sent: json_answer(flow(status=f"PLANTED_{sent['state']}"))),
    "every_field": echoes(
        lambda sent: json_answer(
            dict.fromkeys(("id", "resumeUrl", "createdAt", "expiresAt", "interactionId"), sent["nonce"])
            | {"_links": {sent["state"]: {"href": TOKEN}}, "session": {"id": TOKEN}}
            | {"_embedded": {"application": {"name": BODY}, "user": {"username": BODY}}}
            | {"authorizeResponse": {"code": CODE, "state": sent["state"]}, "environment": {"id": BODY}}
            | {"status": "USERNAME_PASSWORD_REQUIRED"}
        )
    ),
    "good_fields": echoes(
        lambda sent: json_answer(
            flow(authorizeResponse={"code": CODE, "state": sent["state"]}, session={"id": TOKEN})
        )
    ),
    "oauth_error": echoes(
        lambda sent: json_answer({"error": sent["nonce"], "error_description": sent["state"]}, status=400)
    ),
    "oauth_word": echoes(
        lambda sent: json_answer({"error": TOKEN, "error_description": sent["login_hint"]}, status=401)
    ),
    "pingone_error": echoes(lambda sent: _pingone(sent["state"], 400)),
    "pingone_in_200": echoes(lambda sent: _pingone(sent["nonce"], 200)),
    "server_error": echoes(lambda sent: _pingone(sent["nonce"], 503)),
    "failed": echoes(
        lambda sent: json_answer({"status": "FAILED", "error": {"code": sent["nonce"], "message": BODY}})
    ),
    "location_query": echoes(lambda sent: _to(f"https://rp.example/cb?code={CODE}&state={sent['state']}")),
    "location_error": echoes(lambda sent: _to(f"https://rp.example/cb?error={sent['nonce']}")),
    "location_fragment": echoes(lambda sent: _to(f"app://cb#error={TOKEN}&state={sent['state']}")),
    "location_path": echoes(
        lambda sent: _to(f"https://{TOKEN}:{CODE}@{TOKEN}.example/{sent['nonce']}/signon")
    ),
    "location_malformed": echoes(lambda sent: _to(f"http://[{sent['nonce']}/%zz")),
    "retry_after": echoes(
        lambda sent: Answer(status=400, headers=(("Retry-After", sent["nonce"]), ("Content-Length", "0")))
    ),
    "no_http": echoes(lambda sent: _raw(TOKEN, sent["nonce"], "\r\n\r\n")),
    "status_line": echoes(lambda sent: _raw(f"HTTP/1.1 {sent['nonce']} {TOKEN}\r\n\r\n")),
    "header_line": echoes(lambda sent: _raw(_ok(sent["nonce"]))),
    "header_name": echoes(lambda sent: _raw(_ok(f"{sent['nonce']} {TOKEN}: x"))),
    "length": echoes(lambda sent: _raw(_ok(f"Content-Length: {sent['nonce']}"))),
    "coding": echoes(lambda sent: _raw(_ok(f"Content-Encoding: {sent['nonce']}"), "x")),
    "transfer_coding": echoes(lambda sent: _raw(_ok(f"Transfer-Encoding: {sent['nonce']}"), "x")),
    "chunk_size": echoes(lambda sent: _chunks(f"{sent['nonce']}\r\n")),
    "chunk_extension": echoes(
        lambda sent: _raw(
            _ok("Transfer-Encoding: chunked"), f"2;{sent['nonce']}={TOKEN}\r\n{{}}\r\n0\r\n\r\n"
        )
    ),
    "trailer": echoes(
        lambda sent: _raw(
            _ok("Transfer-Encoding: chunked"), f"2\r\n{{}}\r\n0\r\nX y: {sent['nonce']}\r\n\r\n"
        )
    ),
    "html": echoes(lambda sent: body_answer(f"<p>{sent}{BODY}".encode(), content_type="text/html")),
    "gzip": echoes(
        lambda sent: body_answer(
            gzip.compress(f'{{"status": "{sent["nonce"]}"}}'.encode()),
            content_type="application/json",
            headers=(("Content-Encoding", "gzip"),),
        )
    ),
    "informational": echoes(
        lambda sent: _raw(f"HTTP/1.1 103 {TOKEN}\r\nLink: <{sent['nonce']}>\r\n\r\n", _ok(), "{}")
    ),
    "certificate": presents(lambda _: unknown_issuer(NAME)),
    # The host names of a certificate are shown where they are not the right ones; nothing else of it is.
    "certificate_subject": presents(lambda authority: authority.issue("elsewhere.example", subject=NAME)),
    "over_tls": presents(Authority.good, echoing(json_answer(flow()))),
}
"""By where a secret is echoed."""
