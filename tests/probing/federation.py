"""Two environments on one loopback port, played by a script: each step of the journey has its answer."""

from __future__ import annotations

import asyncio
import base64
import json
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain, repeat
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey
from probing.examples import DESTINATION, FLOW, SOURCE, a_flow, a_target
from probing.loopback import Talk, listening, loop, run

from exporter.outcome import Outcome, StepRecord
from exporter.probing.probe import Prober, fresh_token
from exporter.probing.resolver import Resolve, ResolvedName
from exporter.target import DestinationApplication, IpFamily, Journey, SyntheticUser, Target

DESTINATION_FLOW = "1c2f0a5e-5c3c-4f4e-9b1a-7d5c9d0e1f22"
DESTINATION_CLIENT = "9f0c1f9e-6d0f-4e3a-8c55-0a4b1d2c3e4f"
PROVIDER = "5b0f7a52-8d6c-4a3e-9f10-2c3d4e5f6a7b"
APP_URI = "https://app.example/callback"
USERNAME, PASSWORD, CLIENT_SECRET = "synthetic", "planted-password", "planted-client-secret"
CODE, DESTINATION_CODE = "planted-source-code", "planted-destination-code"
STATE, NONCE = "planted-state-of-initiate", "planted-nonce-of-initiate"
KID = "key-1"

STEPS = Journey.FEDERATION.steps


@cache
def signing_key() -> RSAKey:
    """Return the destination's signing key; made once, since that is slow."""
    return RSAKey.import_key(
        rsa.generate_private_key(65537, 2048), {"kid": KID, "use": "sig", "alg": "RS256"}
    )


def key_set() -> dict[str, Any]:
    """Return the destination's key set."""
    return {"keys": [signing_key().as_dict(private=False)]}


@dataclass(frozen=True, slots=True)
class Response:
    """An answer of the script."""

    status: int = 200
    document: object = None
    location: str | None = None
    headers: tuple[str, ...] = ()
    raw: bytes | None = None

    def encode(self) -> bytes:
        """Return the answer as it is sent."""
        body = self.raw if self.raw is not None else b""
        if self.document is not None:
            body = json.dumps(self.document).encode()
        lines = [f"HTTP/1.1 {self.status} X", f"Content-Length: {len(body)}", *self.headers]
        if self.location is not None:
            lines.append(f"Location: {self.location}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass(frozen=True, slots=True)
class Heard:
    """A request as it came over the wire.

    Args:
        step: that it belongs to, by its method and path.
        head: as it came.
        method: as it came.
        target: as it came.
        headers: names in lower case.
        body: as it came.
        connection: number of its connection, from 0.
    """

    step: str
    head: bytes
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def query(self) -> dict[str, str]:
        """The decoded parameters of the query."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))


Play = Callable[["Federation", Heard], Response]


@dataclass(slots=True)
class Federation:
    """What the script answers, and what it heard.

    Args:
        answers: of the steps that differ from the good ones: a response, several in turn, or a function.
        url: scheme, host and port of both environments.
    """

    answers: dict[str, Response | Play] = field(default_factory=dict)
    url: str = ""
    heard: list[Heard] = field(default_factory=list)
    connections: int = 0

    @property
    def destination(self) -> str:
        """Where the destination answers."""
        return f"{self.url}/{DESTINATION}"

    @property
    def source(self) -> str:
        """Where the source answers."""
        return f"{self.url}/{SOURCE}"

    @property
    def redirect_uri(self) -> str:
        """The destination's callback."""
        return f"{self.destination}/rp/callback/openid_connect"

    def steps(self) -> list[str]:
        """Return the steps that were heard, in order."""
        return [heard.step for heard in self.heard]

    def only(self, step: str) -> Heard:
        """Return the only request of a step."""
        (found,) = [heard for heard in self.heard if heard.step == step]
        return found

    def flow(self, **changes: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON
        """Return a flow of the source."""
        return a_flow(resumeUrl=f"{self.source}/as/resume?flowId={FLOW}", **changes)

    def offer(self, *names: str) -> dict[str, Any]:
        """Return a flow of the destination that offers identity providers."""
        return self.destination_flow("USERNAME_PASSWORD_REQUIRED") | {
            "_embedded": {"socialProviders": [self.provider(name) for name in names or ("partner",)]}
        }

    def provider(self, name: str = "partner", identifier: str = PROVIDER, **changes: Any) -> dict[str, Any]:  # noqa: ANN401
        """Return an identity provider as a flow offers it."""
        query = f"providerId={identifier}&flowId={DESTINATION_FLOW}"
        href = f"{self.destination}/rp/authenticate?{query}"
        return {"id": identifier, "name": name, "_links": {"authenticate": {"href": href}}} | changes

    def destination_flow(self, status: str) -> dict[str, Any]:
        """Return a flow of the destination."""
        return {"id": DESTINATION_FLOW, "environment": {"id": DESTINATION}, "status": status}

    def authorize_url(self, base: str | None = None, **changes: str | None) -> str:
        """Return the source's authorize URL as the destination makes it; None leaves a parameter out."""
        parameters: dict[str, str | None] = {
            "client_id": "source-client",
            "scope": "openid",
            "redirect_uri": self.redirect_uri.replace(":", "%3A").replace("/", "%2F"),
            "response_type": "code",
            "state": STATE,
            "nonce": NONCE,
            "code_challenge": "challenge",
            "code_challenge_method": "S256",
        }
        given = {name: value for name, value in (parameters | changes).items() if value is not None}
        query = "&".join(f"{name}={value}" for name, value in given.items())
        return f"{base or self.source}/as/authorize?{query}"

    def token(self, **claims: Any) -> str:  # noqa: ANN401  any claim
        """Return an ID token of the destination for the nonce that it was sent."""
        now = int(time.time())
        good = {
            "iss": f"{self.destination}/as",
            "aud": DESTINATION_CLIENT,
            "sub": "destination-user",
            "nonce": self.only("destination_authorize").query["nonce"],
            "iat": now,
            "exp": now + 3600,
        }
        return jwt.encode({"alg": "RS256", "kid": KID}, good | claims, signing_key())

    def answer(self, heard: Heard) -> Response:
        """Return the answer to a request."""
        chosen = self.answers.get(heard.step)
        if chosen is None:
            return self.good(heard)
        return chosen if isinstance(chosen, Response) else chosen(self, heard)

    def good(self, heard: Heard) -> Response:
        """Return the good answer to a request."""
        step = heard.step
        if step == "destination_authorize":
            return Response(document=self.offer(), headers=(f"Set-Cookie: DST=d; Path=/{DESTINATION}",))
        if step == "destination_lookup":
            return Response(document=self.offer())
        if step == "initiate":
            return Response(302, location=self.authorize_url())
        if step == "source_authorize":
            return Response(document=self.flow())
        if step == "sign_on":
            cookie = f"Set-Cookie: ST=planted-cookie; Path=/{SOURCE}; HttpOnly"
            return Response(document=self.flow(status="COMPLETED"), headers=(cookie,))
        if step == "source_resume":
            code = {"code": CODE, "state": STATE, "iss": "https://source.example/as"}
            return Response(document=self.flow(status="COMPLETED") | {"authorizeResponse": code})
        if step == "callback":
            return Response(
                302, location=f"https://apps.pingone.com/{DESTINATION}/signon/?flowId={DESTINATION_FLOW}"
            )
        if step == "destination_flow":
            return Response(document=self.destination_flow("COMPLETED"))
        if step == "destination_resume":
            state = self.only("destination_authorize").query["state"]
            code = {"code": DESTINATION_CODE, "state": state}
            return Response(document=self.destination_flow("COMPLETED") | {"authorizeResponse": code})
        if step == "destination_keys":
            return Response(document=key_set())
        if step == "token":
            return Response(document={"access_token": "planted-access-token", "id_token": self.token()})
        return Response(404)


def step_of(method: str, target: str) -> str:
    """Return the step that a request belongs to."""
    path = urlsplit(target).path
    place, _, rest = path.removeprefix("/").partition("/")
    side = "source" if place == SOURCE else "destination"
    if rest == "as/authorize":
        return f"{side}_authorize"
    if rest == "as/resume":
        return f"{side}_resume"
    if rest.startswith("flows/"):
        if method == "POST":
            return "sign_on" if side == "source" else "destination_lookup"
        return f"{side}_flow"
    known = {"rp/authenticate": "initiate", "as/jwks": "destination_keys", "as/token": "token"}
    return known.get(rest, "callback" if rest.startswith("rp/callback") else path)


async def converse(federation: Federation, talk: Talk) -> None:
    """Answer the requests of one connection."""
    connection = federation.connections
    federation.connections += 1
    while True:
        try:
            head = await talk.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        first, *lines = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await talk.reader.readexactly(int(headers.get("content-length", "0")))
        heard = Heard(step_of(method, target), head, method, target, headers, body, connection)
        federation.heard.append(heard)
        response = federation.answer(heard)
        if response.raw == b"hang up":
            talk.writer.close()
            return
        await talk.say(response.encode())


@dataclass(frozen=True, slots=True)
class Probed:
    """One probe, and what the environments heard of it."""

    outcome: Outcome
    federation: Federation

    @property
    def steps(self) -> list[str]:
        """The steps that were recorded."""
        return [record.step for record in self.outcome.steps]

    @property
    def finding(self) -> tuple[str, str, str]:
        """Step, reason and fault."""
        return self.outcome.step, self.outcome.reason.value, self.outcome.fault.value

    def record(self, step: str) -> StepRecord:
        """Return the record of a step."""
        return next(record for record in self.outcome.steps if record.step == step)


def a_federation_target(url: str, **changes: Any) -> Target:  # noqa: ANN401  any field of a target
    """Return a target with settings that ask for all steps."""
    application = DestinationApplication(
        client_id=DESTINATION_CLIENT, redirect_uri=APP_URI, client_secret=CLIENT_SECRET
    )
    known = {
        "source_url": f"{url}/{SOURCE}",
        "destination_url": f"{url}/{DESTINATION}",
        "application": application,
        "user": SyntheticUser(username=USERNAME, password=PASSWORD),
        "journeys": (Journey.FEDERATION,),
        "timeout": 60.0,
    }
    return a_target(**known | changes)


def resolves(names: Mapping[str, str]) -> Resolve:
    """Return a resolver that knows some names; any other is on loopback."""

    def resolve(name: str, _family: IpFamily) -> asyncio.Future[ResolvedName]:
        future = loop().create_future()
        future.set_result(ResolvedName((names.get(name, name if name[0].isdigit() else "127.0.0.1"),)))
        return future

    return resolve


def probe(
    answers: Mapping[str, Response | Play] | None = None,
    *,
    without: tuple[str, ...] = (),
    probes: int = 1,
    names: Mapping[str, str] | None = None,
    token: Callable[[], str] = fresh_token,
    application: Mapping[str, Any] | None = None,
    one_shot: bool = True,
    **changes: Any,  # noqa: ANN401  any field of a target
) -> Probed:
    """Probe two environments that answer well, but for `answers`; return the last probe.

    Args:
        answers: of steps.
        without: fields of the target that are None.
        probes: how many, one after another.
        names: what host names resolve to.
        token: makes nonces and states.
        application: changes to the destination's application.
        one_shot: whether the first password goes out at once, and only one; else an interval has passed.
        changes: to the target.
    """

    async def main() -> Probed:
        federation = Federation(dict(answers or {}))
        async with listening(lambda talk: converse(federation, talk)) as peer:
            federation.url = f"http://127.0.0.1:{peer.port}"
            target = a_federation_target(federation.url, **dict.fromkeys(without), **changes)
            if application is not None and target.application is not None:
                target = replace(target, application=replace(target.application, **application))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            clock = chain([0.0], repeat(1e6))
            prober = Prober(
                lambda _: context,
                resolve=resolves(names or {}),
                token=token,
                clock=clock.__next__,
                one_shot=one_shot,
            )
            for _ in range(probes):
                federation.heard.clear()
                outcome = await prober(target, Journey.FEDERATION)
            return Probed(outcome, federation)

    return run(main())


def basic(client_id: str, secret: str) -> str:
    """Return the Authorization header of a client."""
    return f"Basic {base64.b64encode(f'{client_id}:{secret}'.encode()).decode()}"
