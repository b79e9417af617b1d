"""Users: the password, the lock-out after too many wrong ones, and what else may be asked of a user. No I/O.

`failuresRemaining`, `secondsUntilUnlock` and both forms of a locked user are the vendor's; NO_USABLE_DEVICES
in a 200 is known from third parties. Five failures and a quarter of an hour are the vendor's example.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from exporter.outcome import FAILED
from exporter.simulator.environments import User
from exporter.simulator.error_answers import RefusedError, locked_out, wrong_password
from exporter.simulator.flow import COMPLETED, Flow, Recent
from exporter.simulator.weather import (
    AccountLocked,
    FurtherAction,
    MfaRequired,
    PasswordChanged,
    PasswordExpired,
    Weather,
)

MAX_FAILURES = 5
LOCKED_SECONDS = 900.0
NO_DEVICES = "NO_USABLE_DEVICES"


@dataclass(slots=True)
class Accounts:
    """The users of one environment."""

    users: Iterable[User]
    _failures: Recent[int] = field(default_factory=Recent)
    _locked_until: Recent[float] = field(default_factory=Recent)

    def sign_on(self, flow: Flow, username: str, password: str, weather: Weather, now: float) -> Flow:
        """Return the flow once this user has signed on; raises `RefusedError`."""
        known = {user.username: user.password for user in self.users}
        remaining = (self._locked_until.get(username, now) or now) - now
        if isinstance(weather, AccountLocked):
            if weather.answer == "flow":
                return replace(flow, status=FAILED, error=("PASSWORD_LOCKED_OUT", "The account is locked."))
            remaining = LOCKED_SECONDS
        if remaining > 0:
            raise RefusedError(locked_out(round(remaining)))
        # An unknown user takes as long and gets the same answer as a wrong password.
        right = hmac.compare_digest(_bytes(known.get(username, "")), _bytes(password))
        if not right or username not in known or isinstance(weather, PasswordChanged):
            raise RefusedError(wrong_password(self._failed(username, now)))
        self._failures.pop(username, now)
        flow = replace(flow, subject=username)
        match weather:
            case MfaRequired(status=code) if code == NO_DEVICES:
                return replace(flow, status=FAILED, error=(NO_DEVICES, "No usable devices were found."))
            case MfaRequired() | PasswordExpired() | FurtherAction():
                return replace(flow, status=weather.status)
            case _:
                return replace(flow, status=COMPLETED)

    def _failed(self, username: str, now: float) -> int:
        """Count a wrong password and return how many more there may be."""
        failures = (self._failures.get(username, now) or 0) + 1
        self._failures.put(username, failures % MAX_FAILURES, now + LOCKED_SECONDS)
        if failures == MAX_FAILURES:
            self._locked_until.put(username, now + LOCKED_SECONDS, now + LOCKED_SECONDS)
        return MAX_FAILURES - failures


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # JSON can hold half a surrogate pair
