"""Users and what they post to a flow: the password, the lock-out after too many wrong ones. No I/O.

    POST /flows/{id}   user.lookup             SIGN_ON_REQUIRED → USERNAME_PASSWORD_REQUIRED
                                               or, at a destination, → EXTERNAL_AUTHENTICATION_REQUIRED
    POST /flows/{id}   usernamePassword.check  …PASSWORD_REQUIRED → COMPLETED, and the cookie ST

Media types, `failuresRemaining`, `secondsUntilUnlock` and both forms of a locked user are the vendor's;
NO_USABLE_DEVICES in a 200 is known from third parties. Five failures and a quarter of an hour are the
vendor's example. What an action gets that the flow does not offer (415) is inferred.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable, Iterable

from exporter.outcome import COMPLETED
from exporter.simulator.environments import SignOnPolicy, User
from exporter.simulator.error_answers import invalid_data, invalid_request, required_value, wrong_media_type
from exporter.simulator.flow import ACTIONS, EXTERNAL, FIRST_STATUS, Flow, Recent
from exporter.simulator.weather import Weather

MAX_FAILURES = 5
LOCKED_SECONDS = 900.0
NO_DEVICES = "NO_USABLE_DEVICES"
MEDIA_TYPE = "application/vnd.pingidentity.{}+json"


class Accounts:
    """The users of one environment."""

    def __init__(self, users: Iterable[User], clock: Callable[[], float]) -> None:
        self._passwords = {user.username: user.password for user in users}
        self._clock = clock
        self._failures: Recent[int] = Recent(clock, LOCKED_SECONDS)
        self._locked_until: Recent[float] = Recent(clock, LOCKED_SECONDS)

    def act(self, flow: Flow, media_type: str, body: bytes, weather: Weather) -> None:
        """Apply an action to `flow`; the media type, in lower case, names it. Raises `RefusedError`."""
        offered = {MEDIA_TYPE.format(name).lower(): name for name in ACTIONS.get(flow.status, ())}
        match offered.get(media_type):
            case "user.lookup":
                _text(body, "username")
                flow.status = EXTERNAL if flow.providers else FIRST_STATUS[SignOnPolicy.LOGIN]
            case "usernamePassword.check":
                self._sign_on(flow, _text(body, "username"), _text(body, "password"), weather)
            case _:
                raise wrong_media_type()

    def _sign_on(self, flow: Flow, username: str, password: str, weather: Weather) -> None:
        remaining = (self._locked_until.get(username) or 0.0) - self._clock()
        if weather.kind == "account_locked":
            if weather.answer == "flow":
                flow.fail("PASSWORD_LOCKED_OUT", "The account is locked.")
                return
            remaining = LOCKED_SECONDS
        if remaining > 0:
            message = "Too many unsuccessful sign-on attempts. Your account is locked."
            raise invalid_data(
                "password", message, "PASSWORD_LOCKED_OUT", secondsUntilUnlock=round(remaining)
            )
        # An unknown user takes as long and gets the same answer as a wrong password.
        right = hmac.compare_digest(_bytes(self._passwords.get(username, "")), _bytes(password))
        if not right or username not in self._passwords or weather.kind == "password_changed":
            message = "The provided password did not match provisioned password"
            raise invalid_data("password", message, failuresRemaining=self._count_failure(username))
        self._failures.pop(username)
        flow.subject, flow.status = username, COMPLETED
        if weather.kind in {"mfa_required", "password_expired", "further_action"}:
            flow.status = weather.status
        if weather.kind == "mfa_required" and weather.status == NO_DEVICES:
            flow.fail(NO_DEVICES, "No usable devices were found.")

    def _count_failure(self, username: str) -> int:
        """Count a wrong password and return how many more there may be."""
        failures = (self._failures.get(username) or 0) + 1
        self._failures.put(username, failures % MAX_FAILURES)
        if failures == MAX_FAILURES:
            self._locked_until.put(username, self._clock() + LOCKED_SECONDS)
        return MAX_FAILURES - failures


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")  # JSON can hold half a surrogate pair


def _text(body: bytes, name: str) -> str:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise invalid_request("body", "The body must be a JSON object.")
    value = document.get(name)
    if value is None:
        raise required_value(name)
    if not isinstance(value, str):
        raise invalid_data(name, "Must be a string.")
    return value
