"""A probe: run the journey of a target, or the first step of a listing, one exchange at a time."""

from __future__ import annotations

import asyncio
import logging
import secrets
import ssl
import time
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from weakref import WeakValueDictionary

from exporter import __version__
from exporter.destinations import Destination, OfferedProvider, offered_provider
from exporter.internal_errors import InternalErrors, Part
from exporter.outcome import Outcome, Phase, StepRecord, TransportStats
from exporter.probing.certificate import CertificateFetcher, RefusedCertificate
from exporter.probing.clock_skew import retry_after_seconds
from exporter.probing.cookies import CookieJar
from exporter.probing.detail import Template
from exporter.probing.failure import OUR_BUG, STALLED, verify_code
from exporter.probing.federation_judge import provider_id, providers_in
from exporter.probing.findings import OWN_DELAYS, describe, evaluate, step_record
from exporter.probing.journeys import JOURNEYS, StepMaker
from exporter.probing.journeys.federation import begin_sign_on
from exporter.probing.links import AllowedHosts, Link, allowed_hosts, is_loopback_address, parse_link
from exporter.probing.messages import Step, Steps, Verdict, failed
from exporter.probing.resolver import Resolve, Resolver
from exporter.probing.sign_on_guard import SignOnGuard, UserKey, user_key
from exporter.probing.timing import Deadline, keep_timestamping_on
from exporter.probing.transport import Exchange, Network, ProbeTransport, StallsSince
from exporter.reasons import Fault, Reason
from exporter.target import Journey, ProviderKind, Target

_log = logging.getLogger(__name__)

MAX_LOST_SHARE = 0.1  # Share of the timeout. Longer stalls explain why no answer came in time.

_WAITED = failed(Reason.INTERNAL, Fault.EXPORTER, Template.WAITED)
_SENT = frozenset({Phase.PROCESSING, Phase.TRANSFER})


def fresh_token() -> str:
    """Return 256 unguessable bits in 43 URL-safe characters."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a destination's application offers."""

    outcome: Outcome  # of the exchange; its reason says why there is no listing
    providers: tuple[OfferedProvider, ...] = ()
    """Those that have an id, each once; empty unless the exchange was good."""


class Prober:
    """Probes targets, and lists the identity providers of destinations.

    Args:
        resolve: starts to resolve a name; raises ResolutionError.
        wall: seconds since the epoch; for timestamps only.
        token: makes nonces, states and verifiers.
        stalls: start and end of each stall of our event loop since a time of its clock.
        clock: seconds, never set back; for lock-out protection.
        one_shot: whether a command probes once and exits: one password per user, without waiting for it.

    Attributes:
        guard: protects the test accounts from being locked out.
    """

    def __init__(  # noqa: PLR0913  time, randomness and network are arguments
        self,
        tls: Callable[[Target], ssl.SSLContext],
        *,
        resolve: Resolve | None = None,
        wall: Callable[[], float] = time.time,
        token: Callable[[], str] = fresh_token,
        stalls: StallsSince = lambda _since: (),
        stats: TransportStats | None = None,
        clock: Callable[[], float] = time.monotonic,
        one_shot: bool = False,
        errors: InternalErrors | None = None,
    ) -> None:
        self._errors = errors or InternalErrors()
        self._tls = tls
        self._wall = wall
        self._token = token
        self._network = Network(resolve or Resolver(), stats or TransportStats(), stalls)
        self._certificates = CertificateFetcher()
        self._clock = clock
        self.guard = SignOnGuard(clock(), one_shot=one_shot)
        self._sign_ons: WeakValueDictionary[UserKey, asyncio.Lock] = WeakValueDictionary()
        self._found: dict[tuple[str, Journey], tuple[object, frozenset[object]]] = {}
        keep_timestamping_on()

    async def __call__(self, target: Target, journey: Journey) -> Outcome:
        """Run `journey` once. Whatever happens becomes an outcome; only cancellation is raised."""
        outcome, _ = await self._run_steps(target, journey, JOURNEYS[journey])
        return outcome

    async def list_providers(self, destination: Destination) -> Listing:
        """List the identity providers of a destination once, by the first step of `federation`."""
        outcome, verdict = await self._run_steps(destination.template, Journey.FEDERATION, begin_sign_on)
        if not outcome.success:
            return Listing(outcome=outcome)
        offered = {
            provider.id: provider
            for entry in providers_in(verdict.flow)
            if (provider := offered_provider(provider_id(entry), entry.get("name"))) is not None
        }
        return Listing(outcome=outcome, providers=tuple(offered.values()))

    async def _run_steps(self, target: Target, journey: Journey, steps: StepMaker) -> tuple[Outcome, Verdict]:
        """Take the steps of a journey, or only some of them; return also the verdict on the last one."""
        run = _Run(
            journey,
            transaction_id=str(uuid.uuid4()),
            started_at=self._wall(),
            deadline=Deadline(target.timing(journey).timeout),
            # The one URL of `authorize` is the operator's own.
            hosts=None if journey is Journey.AUTHORIZE else allowed_hosts(target),
        )
        try:
            await self._run(target, steps(target, self._token), run)
        except Exception as error:  # noqa: BLE001  a bug of ours must not end the daemon
            self._errors.report(Part.PROBE, "probe failed", error, target=target.name, journey=journey)
            run.verdict = OUR_BUG
        finally:
            run.deadline.close()
        last = run.records[-1] if run.records else None
        outcome = Outcome(
            target=target.name,
            journey=journey,
            reason=run.verdict.reason,
            fault=run.verdict.fault,
            step=last.step if last else journey.steps[0],
            phase=last.phase if last else Phase.RESOLVE,
            started_at=run.started_at,
            ended_at=self._wall(),
            duration=run.duration,
            transaction_id=run.transaction_id,
            steps=tuple(run.records),
            retry_after=run.retry_after,
            stalled=run.stalled,
            incomplete=run.incomplete,
            kind=run.kind,
            discovery=run.verdict.discovery,
        )
        return outcome, run.verdict

    def forget(self, target: str, journey: Journey, /) -> None:
        """Forget a target that is no longer probed by a journey."""
        self._certificates.forget(target)
        self._found.pop((target, journey), None)

    async def _run(self, target: Target, journey_steps: Steps, run: _Run) -> None:
        try:
            with closing(journey_steps) as steps, suppress(StopIteration):
                step = next(steps)
                while True:
                    take = self._sign_on if step.signs_on else self._take
                    verdict = await take(target, step, run)
                    if verdict is None or verdict.reason is not Reason.OK:
                        return
                    step = steps.send(verdict)
        finally:
            for transport in run.transports.values():
                transport.close()

    def _transport(self, target: Target, run: _Run, *, is_own: bool) -> ProbeTransport:
        """Return the transport for the two environments, or for other hosts: they share no connection."""
        transport = run.transports.get(is_own)
        if transport is None:
            # The client certificate says who we are: it is for the operator's own environments.
            shown = target if is_own else replace(target, client_certificate_file=None, client_key_file=None)
            route = self._tls(shown), target.ip_family, target.proxy_url, target.absolute_hosts
            transport = run.transports[is_own] = ProbeTransport(self._network, run.deadline, *route)
        return transport

    async def _take(self, target: Target, step: Step, run: _Run) -> Verdict:
        """Take one step of a journey: send its request, judge the answer, and keep what is known of it."""
        run.secrets.update(step.secrets)
        link = None if run.hosts is None else parse_link(step.request.url)
        if run.hosts is not None and (cause := _why_not_sent(run.hosts, link, step, target)):
            return run.refuse(step, failed(Reason.LOCATION_INVALID, Fault.CONFIGURATION, cause))
        exchange = await self._exchange(target, step, run, link)
        run.duration = min(run.deadline.spent, run.deadline.timeout)
        run.stalled |= exchange.stalled
        verdict = self._verdict(target, step, exchange, run)
        run.stalled |= verdict.reason is Reason.INTERNAL and verdict in OWN_DELAYS
        if verdict.recurring is not None:
            recurs = self._recurs(target, run.journey, *verdict.recurring)
            verdict = replace(verdict, checks={**verdict.checks, **recurs})
        run.verdict, run.kind = verdict, verdict.kind or run.kind
        run.secrets.update(verdict.secrets)
        is_failed = verdict.reason is not Reason.OK
        refused = await self._refused_certificate(target, exchange, run) if is_failed else None
        run.record(exchange, step, verdict, refused)
        if verdict.reason is Reason.RATE_LIMITED and exchange.answer is not None:
            value, date = map(exchange.answer.headers.get, ("retry-after", "date"))
            run.retry_after = retry_after_seconds(value, date=date, now=self._wall())
        return verdict

    async def _exchange(self, target: Target, step: Step, run: _Run, link: Link | None) -> Exchange:
        """Send the request of a step, with what the host may get: cookies, transaction id, certificate."""
        hosts = run.hosts
        if link is None or hosts is None:
            headers = request_headers(step.request.headers, run.transaction_id)
            transport = self._transport(target, run, is_own=True)
            return await transport.exchange(replace(step.request, headers=headers))
        is_own = hosts.is_own(link) and not step.foreign
        jar = run.jar if is_own else run.foreign_jar
        headers = request_headers(step.request.headers, run.transaction_id if is_own else None)
        cookies = jar.header(link)
        if cookies is not None:
            headers += (("Cookie", cookies),)

        def admits(address: str) -> bool:
            return hosts.admits(link, address, on_loopback=run.on_loopback, confidential=step.confidential)

        request = replace(step.request, headers=headers)
        # A proxy resolves names itself, and its own address says nothing.
        transport = self._transport(target, run, is_own=is_own)
        exchange = await transport.exchange(request, None if target.proxy_url else admits)
        if not run.records and target.proxy_url is None:
            run.on_loopback = is_loopback_address(exchange.address)
        if exchange.answer is not None and exchange.received is not None:
            received_at = exchange.received + run.wall_offset
            exchange.answer = replace(exchange.answer, received_at=received_at)
            run.secrets.update(jar.store(link, exchange.headers, received_at))
        return exchange

    async def _sign_on(self, target: Target, step: Step, run: _Run) -> Verdict | None:
        """Take the step that sends the password, if lock-out protection allows it; None ends the probe."""
        lock = self._sign_ons.setdefault(user_key(target), asyncio.Lock())
        try:
            async with asyncio.timeout(run.deadline.timeout):
                await lock.acquire()
        except TimeoutError:
            # Another target's sign-on of the same user does not end. Nothing was seen of this target's own,
            # which is neither good nor the provider's failure. The other probe reports what it waited for.
            return run.refuse(step, self._suspension(target) or _WAITED)
        try:
            run.deadline.discount_wait()
            if not self.guard.admit(target, self._clock()):
                suspension = self._suspension(target)
                run.incomplete = suspension is None  # too early
                return None if suspension is None else run.refuse(step, suspension)
            verdict, code, sent = OUR_BUG, None, True
            try:
                verdict = await self._take(target, step, run)
                code, sent = run.records[-1].http_status_code, run.records[-1].phase in _SENT
                if verdict.reason in {Reason.TIMEOUT, Reason.PROTOCOL, Reason.INTERNAL}:
                    code = None
            finally:
                self.guard.record(target, verdict, code=code, sent=sent, now=self._clock())
            return verdict
        finally:
            lock.release()

    def _suspension(self, target: Target) -> Verdict | None:
        """Return the finding of a probe while its user is suspended: nothing about the provider."""
        reason = self.guard.suspended(target)
        return None if reason is None else failed(reason, Fault.ACCOUNT, Template.SUSPENDED, reason=reason)

    def _recurs(
        self, target: Target, journey: Journey, check: str, found: frozenset[object]
    ) -> dict[str, bool]:
        """Return whether the last probe with the same settings found any of it; empty at first."""
        application = target.destination_environment_id, target.application
        settings = target.source_url, target.issuer, target.user, application
        known, last = self._found.get((target.name, journey), (None, frozenset()))
        self._found[target.name, journey] = settings, found
        return {check: not last.isdisjoint(found)} if known == settings else {}

    def _verdict(self, target: Target, step: Step, exchange: Exchange, run: _Run) -> Verdict:
        verdict = evaluate(exchange, step)
        if verdict.reason is Reason.TIMEOUT and stalls_explain(exchange, run.deadline, self._network.stalls):
            return STALLED
        detail = verdict.detail
        if detail is not None and detail.cause is Template.BUG:
            error = exchange.error or RuntimeError("an exchange without an answer has an error")
            self._errors.report(Part.PROBE, "exchange failed", error, target=target.name, step=step.name)
        elif detail is not None and detail.cause is Template.SHORTAGE:
            _log.error("exchange failed: resource exhausted", extra={"step": step.name, **detail.parameters})
        return verdict

    async def _refused_certificate(
        self, target: Target, exchange: Exchange, run: _Run
    ) -> RefusedCertificate | None:
        """Fetch a certificate that was refused; through a proxy it is not seen."""
        link, address, error = exchange.link, exchange.address, exchange.error
        seen = isinstance(error, ssl.SSLCertVerificationError) and not exchange.proxied
        if not seen or link is None or address is None:
            return None
        refusal = (link.host, link.port, verify_code(error))
        return await self._certificates.fetch(target.name, address, refusal, run.deadline)


@dataclass(slots=True, repr=False)
class _Run:
    """What is known of a probe while it runs."""

    journey: Journey
    transaction_id: str
    started_at: float
    deadline: Deadline
    hosts: AllowedHosts | None
    verdict: Verdict = OUR_BUG
    duration: float = 0.0
    retry_after: float | None = None
    stalled: bool = False
    incomplete: bool = False
    records: list[StepRecord] = field(default_factory=list)
    kind: ProviderKind | None = None
    on_loopback: bool = False
    secrets: set[str] = field(default_factory=set)
    transports: dict[bool, ProbeTransport] = field(default_factory=dict)
    jar: CookieJar = field(default_factory=CookieJar)
    foreign_jar: CookieJar = field(default_factory=CookieJar)

    def refuse(self, step: Step, verdict: Verdict) -> Verdict:
        """Record a step that fails without a request."""
        self.verdict = verdict
        self.record(Exchange(parse_link(step.request.url)), step, verdict)
        return verdict

    def record(
        self, exchange: Exchange, step: Step, verdict: Verdict, refused: RefusedCertificate | None = None
    ) -> None:
        """Keep what is known of a step, and of the certificate that it refused."""
        tls, detail = exchange.tls if refused is None else refused.facts, None
        if verdict.reason is not Reason.OK:
            within = ("the probe's " if self.records else "") + f"{self.deadline.timeout:g} s"
            at = self.started_at
            detail = describe(exchange, step, verdict, self.secrets, refused, within=within, at=at)
        self.records.append(step_record(exchange, step, verdict, self.wall_offset, tls, self.secrets, detail))

    @property
    def wall_offset(self) -> float:
        """Our wall clock minus the event loop's clock when the probe began."""
        return self.started_at - self.deadline.started


def _why_not_sent(hosts: AllowedHosts, link: Link | None, step: Step, target: Target) -> Template | None:
    """Return why a step's request must not be sent; without a proxy, addresses are judged on connecting."""
    if link is None or not hosts.may_request(link, foreign=step.foreign):
        return Template.HOST_NOT_ALLOWED
    if target.proxy_url is not None and not hosts.admits_through_proxy(link, confidential=step.confidential):
        return Template.ADDRESS_NOT_ALLOWED
    return None


def request_headers(
    own: tuple[tuple[str, str], ...], transaction_id: str | None
) -> tuple[tuple[str, str], ...]:
    """Return the headers of a request, except `Host`; the step's own replace those of every request.

    The transaction id is copied into PingOne's audit events, where the probe can be found by it. Other
    providers do not get it.
    """
    names = {name for name, _ in own}
    headers = tuple(header for header in _HEADERS if header[0] not in names)
    traced = () if transaction_id is None else (("X-Ping-External-Transaction-Id", transaction_id),)
    return headers + traced + own


_HEADERS = (
    ("User-Agent", f"pingone-flow-exporter/{__version__}"),
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip"),
)


def stalls_explain(exchange: Exchange, deadline: Deadline, stalls_since: StallsSince) -> bool:
    """Return True if stalls explain that an answer did not come in time, since the kernel did not time it.

    They do if the deadline passed within one, or if they cost more than a tenth of the timeout. Anything more
    generous would let a container that is throttled for 70 ms in each probe hide an outage for good.
    """
    if not exchange.timed_by_loop and exchange.phase is not Phase.RESOLVE:
        return False
    stalls, passed_at = stalls_since(deadline.started), deadline.started + deadline.timeout
    if any(begun <= passed_at <= ended for begun, ended in stalls):
        return True
    return sum(ended - begun for begun, ended in stalls) >= MAX_LOST_SHARE * deadline.timeout
