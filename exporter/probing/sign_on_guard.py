"""Protects the test accounts from being locked out. No I/O; time is an argument.

A password that was rejected is not sent again before something has changed:

    start             the first password goes out one interval after start, so that a crash loop sends none
    rejected          any answer but COMPLETED, 429 and 5xx suspends; so do three unanswered requests in a row
    while suspended   no password; the probe fails with the reason that suspended it, and fault `account`
    cleared           by another user name, password or source at once; else one attempt after an hour or when
                      the account is unlocked, or at a reload that was asked for, at most once in 15 minutes

It counts per user (source, environment, user name), for all targets together.
"""

import hashlib
import math
import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import urlsplit

from exporter.probing.messages import Verdict
from exporter.reasons import Reason
from exporter.target import Journey, Target

MIN_SUSPENSION_SECONDS = 3600.0
MIN_RELOAD_ATTEMPT_SECONDS = 900.0
MAX_UNANSWERED = 3
MAX_USERS = 10_000
"""Users that are remembered; the oldest is forgotten first."""

UserKey: TypeAlias = tuple[str, str, str]
"""Source, environment and user name."""

_NON_ACCOUNT_REASONS = frozenset({Reason.RATE_LIMITED, Reason.PROXY, Reason.INTERNAL})

_SIGNED_ON = frozenset({Reason.OK, Reason.LOCATION_INVALID})
"""Of a flow that is COMPLETED; with an error in it, or of another environment, it says nothing good."""


@dataclass(slots=True)
class _Credentials:
    """What is known of one user with one password."""

    suspended: Reason | None = None  # the reason that suspended it; None if it is not suspended
    retry_at: float = 0.0  # when the next attempt is allowed
    unanswered: int = 0  # requests in a row that got no answer
    reload_granted: bool = False  # whether a reload since it was suspended allows an attempt


class SignOnGuard:
    """Decides whether a password may be sent; survives reloads.

    Args:
        started: when the process started, by the clock of all other times, in seconds.
        one_shot: allow one password per user, at once: for a command that probes and exits.
    """

    def __init__(self, started: float, *, one_shot: bool = False) -> None:
        self._started = started
        self._one_shot = one_shot
        self._salt = secrets.token_bytes(16)
        self._known: dict[tuple[UserKey, bytes], _Credentials] = {}
        self._signed_on: set[UserKey] = set()
        self._reload_used_at: dict[UserKey, float] = {}

    def admit(self, target: Target, now: float) -> bool:
        """Return whether the password of `target` may be sent now; if so, `record` must follow.

        If not, its user is suspended, or it is too early.

        Raises:
            ValueError: if the target has no user.
        """
        user, known = user_key(target), self._credentials(target)
        if known.suspended is not None:
            # A reload counts once, and for what was suspended before it: not for a rejection that follows.
            granted, known.reload_granted = known.reload_granted, False
            if now < known.retry_at and not (granted and self._use_reload(user, now)):
                return False
            known.retry_at = now + MIN_SUSPENSION_SECONDS
        elif self._one_shot:
            if user in self._signed_on:
                return False
            self._signed_on.add(user)
        elif now < self._started + target.timing(Journey.FEDERATION).interval:
            return False
        return True

    def record(self, target: Target, verdict: Verdict, *, code: int | None, sent: bool, now: float) -> None:
        """Record the result of a sign-on that was admitted.

        The code is that of the complete answer, None if there was none; `sent` shows whether the request may
        have reached the provider.
        """
        known = self._credentials(target)
        if verdict.flow_status == "COMPLETED" and verdict.reason in _SIGNED_ON:
            known.suspended, known.unanswered = None, 0
        elif code is None:
            known.unanswered += sent
            if known.unanswered >= MAX_UNANSWERED and known.suspended is None:
                self._suspend(known, verdict, now)
        elif code >= HTTPStatus.INTERNAL_SERVER_ERROR or verdict.reason in _NON_ACCOUNT_REASONS:
            known.unanswered = 0
        else:
            self._suspend(known, verdict, now)

    def reload_requested(self) -> None:
        """Allow each suspended user one attempt, since an operator asked for a reload."""
        for known in self._known.values():
            known.reload_granted = known.suspended is not None

    def suspended(self, target: Target) -> Reason | None:
        """Return the reason that suspended the user of a target; None if it is not suspended."""
        known = None if target.user is None else self._known.get(self._key(target))
        return None if known is None else known.suspended

    def _suspend(self, known: _Credentials, verdict: Verdict, now: float) -> None:
        known.suspended = verdict.reason
        known.retry_at = now + max(MIN_SUSPENSION_SECONDS, verdict.seconds_until_unlock or 0.0)

    def _use_reload(self, user: UserKey, now: float) -> bool:
        if now < self._reload_used_at.get(user, -math.inf) + MIN_RELOAD_ATTEMPT_SECONDS:
            return False
        self._reload_used_at[user] = now
        return True

    def _credentials(self, target: Target) -> _Credentials:
        key = self._key(target)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MAX_USERS:
                del self._known[next(iter(self._known))]
            known = self._known[key] = _Credentials()
        return known

    def _key(self, target: Target) -> tuple[UserKey, bytes]:
        password = "" if target.user is None else target.user.password
        return user_key(target), hashlib.blake2b(password.encode(), key=self._salt).digest()


def user_key(target: Target) -> UserKey:
    """Return who signs on where: the same for all targets of one user.

    Raises:
        ValueError: if the target has no user.
    """
    if target.user is None:
        raise ValueError("a target without a user does not sign on")
    parts = urlsplit(target.source_url or "")
    # PingOne does not tell user names apart by case.
    environment = target.source_environment_id or ""
    return f"{parts.scheme}://{parts.netloc}", environment, target.user.username.casefold()
