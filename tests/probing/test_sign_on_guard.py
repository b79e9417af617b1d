"""Lock-out protection: however targets, processes, reloads and providers behave, few passwords are sent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from enum import Enum, auto
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from probing.examples import DESTINATION, SOURCE
from probing.federation import a_federation_target

from exporter.probing.messages import Verdict
from exporter.probing.sign_on_guard import SignOnGuard
from exporter.reasons import FAULTS, Fault, Reason
from exporter.target import JourneyTiming, SyntheticUser, Target

INTERVAL, HOUR = 300.0, 3600.0
COMPLETED = Verdict(Reason.OK, Fault.NONE, "COMPLETED")
REJECTED = Verdict(Reason.CREDENTIALS_REJECTED, Fault.ACCOUNT)
LOCKED = Verdict(Reason.ACCOUNT_LOCKED, Fault.ACCOUNT, seconds_until_unlock=2 * HOUR)
TIMED_OUT = Verdict(Reason.TIMEOUT, Fault.PROVIDER)


def a_target(
    name: str = "corporate",
    *,
    user: str = "jane",
    password: str = "pw",  # noqa: S107
    **changes: Any,  # noqa: ANN401  any field of a target
) -> Target:
    timing = JourneyTiming(interval=INTERVAL, timeout=30.0, latency_objective=10.0)
    target = a_federation_target("https://auth.pingone.com", name=name, federation=timing)
    return replace(target, user=SyntheticUser(username=user, password=password), **changes)


class Admission(Enum):
    """What the guard decided."""

    ALLOWED = auto()
    WITHHELD = auto()  # too early
    SUSPENDED = auto()


class Provider:
    """Signs a user on if the password is right, and counts the passwords that it gets."""

    def __init__(
        self, verdict: Verdict = REJECTED, code: int | None = 400, *, right: str | None = None
    ) -> None:
        self.verdict = verdict
        self.code = code
        self.right = right
        self.passwords: list[str] = []

    def sign_on(self, guard: SignOnGuard, target: Target, now: float) -> Admission:
        """Let the guard decide, and answer if it allows."""
        if not guard.admit(target, now):
            return Admission.WITHHELD if guard.suspended(target) is None else Admission.SUSPENDED
        assert target.user is not None
        self.passwords.append(target.user.password)
        good = target.user.password == self.right
        guard.record(
            target, COMPLETED if good else self.verdict, code=200 if good else self.code, sent=True, now=now
        )
        return Admission.ALLOWED


def rounds(
    guard: SignOnGuard, provider: Provider, targets: Iterable[Target], start: float, count: int
) -> None:
    """Probe all targets once an interval."""
    for number in range(count):
        for target in targets:
            provider.sign_on(guard, target, start + number * INTERVAL)


def test_the_first_password_goes_out_one_interval_after_start() -> None:
    guard, provider = SignOnGuard(1000.0), Provider(COMPLETED, 200)
    assert provider.sign_on(guard, a_target(), 1000.0) is Admission.WITHHELD
    assert provider.sign_on(guard, a_target(), 1000.0 + INTERVAL - 0.001) is Admission.WITHHELD
    assert guard.suspended(a_target()) is None
    assert provider.sign_on(guard, a_target(), 1000.0 + INTERVAL) is Admission.ALLOWED


def test_a_crash_loop_of_six_starts_sends_no_password() -> None:
    provider = Provider()
    for start in range(6):
        guard = SignOnGuard(start * 100.0)
        for second in range(0, 100, 10):
            provider.sign_on(guard, a_target(), start * 100.0 + second)
    assert provider.passwords == []


def test_forty_targets_of_one_user_send_a_rejected_password_once() -> None:
    guard, provider = SignOnGuard(0.0), Provider()
    targets = [a_target(f"t{number}") for number in range(40)]
    rounds(guard, provider, targets, INTERVAL, 10)
    assert provider.passwords == ["pw"]
    assert {guard.suspended(target) for target in targets} == {Reason.CREDENTIALS_REJECTED}


def test_two_processes_send_a_rejected_password_once_each() -> None:
    provider = Provider()
    for guard in (SignOnGuard(0.0), SignOnGuard(1.0)):
        rounds(guard, provider, [a_target(f"t{number}") for number in range(5)], INTERVAL + 1, 10)
    assert len(provider.passwords) == 2


def test_a_user_who_signs_on_does_so_in_every_probe() -> None:
    guard, provider = SignOnGuard(0.0), Provider(right="pw")
    rounds(guard, provider, [a_target("a"), a_target("b")], INTERVAL, 5)
    assert len(provider.passwords) == 10


@pytest.mark.parametrize(("verdict", "seconds"), [(REJECTED, HOUR), (LOCKED, 2 * HOUR)])
def test_one_attempt_is_made_after_an_hour_or_when_the_account_is_unlocked(
    verdict: Verdict, seconds: float
) -> None:
    guard, provider = SignOnGuard(0.0), Provider(verdict)
    targets = [a_target(f"t{number}") for number in range(3)]
    provider.sign_on(guard, targets[0], INTERVAL)
    assert provider.sign_on(guard, targets[1], INTERVAL + seconds - 1) is Admission.SUSPENDED
    for target in targets:
        provider.sign_on(guard, target, INTERVAL + seconds)
    assert len(provider.passwords) == 2


def test_a_reload_that_was_asked_for_allows_one_attempt_in_15_minutes() -> None:
    guard, provider = SignOnGuard(0.0), Provider()
    provider.sign_on(guard, a_target(), INTERVAL)
    sent = []
    for second in range(0, 1800, 10):  # a storm of reloads for half an hour
        guard.reload_requested()
        if provider.sign_on(guard, a_target(), INTERVAL + 1 + second) is Admission.ALLOWED:
            sent.append(second)
    assert sent == [0, 900]


def test_a_reload_allows_nothing_for_a_password_that_is_rejected_after_it() -> None:
    guard, provider = SignOnGuard(0.0), Provider()
    provider.sign_on(guard, a_target(password="old"), INTERVAL)
    guard.reload_requested()  # the reload that brings the new password
    rounds(guard, provider, [a_target(password="new")], INTERVAL + 60, 5)
    assert provider.passwords == ["old", "new"]


def test_a_reload_allows_nothing_for_a_password_that_another_one_replaced() -> None:
    guard, provider = SignOnGuard(0.0), Provider(right="new")
    provider.sign_on(guard, a_target(password="old"), INTERVAL)
    provider.sign_on(guard, a_target(password="new"), 2 * INTERVAL)
    guard.reload_requested()
    provider.right = None  # the new password expires, long after
    rounds(guard, provider, [a_target(password="new")], 100 * HOUR, 5)
    assert provider.passwords == ["old", "new", "new"]


def test_a_reload_counts_for_the_attempt_that_was_due_anyway() -> None:
    guard, provider = SignOnGuard(0.0), Provider()
    provider.sign_on(guard, a_target(), INTERVAL)
    guard.reload_requested()
    rounds(guard, provider, [a_target()], INTERVAL + HOUR, 5)
    assert provider.passwords == ["pw", "pw"]


def test_reloads_of_a_user_who_is_not_suspended_change_nothing() -> None:
    guard, provider = SignOnGuard(0.0), Provider()
    guard.reload_requested()
    assert provider.sign_on(guard, a_target(), 1.0) is Admission.WITHHELD
    provider.sign_on(guard, a_target(), INTERVAL)
    assert provider.sign_on(guard, a_target(), INTERVAL + 1) is Admission.SUSPENDED


@pytest.mark.parametrize(
    "changed",
    [
        a_target(password="new"),
        a_target(user="joe"),
        a_target(source_environment_id=DESTINATION),
        a_target(source_url=f"https://auth.pingone.eu/{SOURCE}"),
    ],
)
def test_another_user_password_or_source_is_tried_at_once(changed: Target) -> None:
    guard, provider = SignOnGuard(0.0), Provider()
    provider.sign_on(guard, a_target(), INTERVAL)
    assert guard.suspended(a_target()) is not None
    assert guard.suspended(changed) is None
    assert provider.sign_on(guard, changed, INTERVAL + 1) is Admission.ALLOWED
    assert provider.sign_on(guard, a_target(), INTERVAL + 2) is Admission.SUSPENDED


def test_a_password_rotated_before_its_user_is_sent_once_until_the_user_has_it() -> None:
    guard, provider = SignOnGuard(0.0), Provider(right="old")
    targets = [a_target(f"t{number}", password="new") for number in range(5)]
    rounds(guard, provider, targets, INTERVAL, 3)
    assert provider.passwords == ["new"]
    provider.right = "new"
    guard.reload_requested()
    rounds(guard, provider, targets, 4 * INTERVAL, 1)
    assert len(provider.passwords) == 6
    assert guard.suspended(targets[0]) is None


def test_a_password_rotated_after_its_user_is_sent_once_before_and_at_once_after() -> None:
    guard, provider = SignOnGuard(0.0), Provider(right="new")
    rounds(guard, provider, [a_target(password="old")], INTERVAL, 3)
    assert provider.passwords == ["old"]
    rounds(guard, provider, [a_target(password="new")], 4 * INTERVAL, 1)
    assert provider.passwords == ["old", "new"]
    assert guard.suspended(a_target(password="new")) is None


def test_two_targets_with_different_passwords_of_one_user_do_not_clear_each_other() -> None:
    guard, provider = SignOnGuard(0.0), Provider(right="right")
    rounds(guard, provider, [a_target("a", password="wrong"), a_target("b", password="right")], INTERVAL, 5)
    assert provider.passwords.count("wrong") == 1


def test_user_names_that_differ_by_case_are_one_user() -> None:
    guard, provider = SignOnGuard(0.0), Provider()
    rounds(guard, provider, [a_target(user="Jane"), a_target(user="jane")], INTERVAL, 2)
    assert len(provider.passwords) == 1


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        (Verdict(Reason.RATE_LIMITED, Fault.QUOTA), 429),
        (Verdict(Reason.RATE_LIMITED, Fault.QUOTA), 403),
        (Verdict(Reason.SERVER_ERROR, Fault.PROVIDER), 500),
        (Verdict(Reason.SERVER_ERROR, Fault.PROVIDER), 503),
        (Verdict(Reason.PROXY, Fault.NETWORK), 407),
        (COMPLETED, 200),
        (Verdict(Reason.LOCATION_INVALID, Fault.PROVIDER, "COMPLETED"), 200),
    ],
)
def test_what_says_nothing_about_the_account_does_not_suspend(verdict: Verdict, code: int) -> None:
    guard, provider = SignOnGuard(0.0), Provider(verdict, code)
    rounds(guard, provider, [a_target()], INTERVAL, 10)
    assert len(provider.passwords) == 10
    assert guard.suspended(a_target()) is None


@pytest.mark.parametrize("reason", [Reason.ACCOUNT_LOCKED, Reason.FLOW_FAILED, Reason.NOT_A_FLOW])
def test_a_completed_flow_with_an_error_in_it_suspends(reason: Reason) -> None:
    guard, provider = SignOnGuard(0.0), Provider(Verdict(reason, FAULTS[reason][0], "COMPLETED"), 200)
    rounds(guard, provider, [a_target()], INTERVAL, 5)
    assert len(provider.passwords) == 1
    assert guard.suspended(a_target()) is reason


INCONCLUSIVE = {Reason.OK, Reason.RATE_LIMITED, Reason.PROXY, Reason.INTERNAL}


@pytest.mark.parametrize("code", [200, 202, 302, 400, 401, 403, 404, 408, 418])
@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in INCONCLUSIVE])
def test_any_other_answer_suspends_whatever_its_shape(reason: Reason, code: int) -> None:
    verdict = Verdict(reason, FAULTS[reason][0])
    guard, provider = SignOnGuard(0.0), Provider(verdict, code)
    rounds(guard, provider, [a_target()], INTERVAL, 10)
    assert len(provider.passwords) == 1
    assert guard.suspended(a_target()) is reason


def test_three_unanswered_passwords_in_a_row_suspend() -> None:
    guard, provider = SignOnGuard(0.0), Provider(TIMED_OUT, None)
    rounds(guard, provider, [a_target()], INTERVAL, 10)
    assert len(provider.passwords) == 3
    assert guard.suspended(a_target()) is Reason.TIMEOUT


def test_an_answer_in_between_and_a_request_that_was_not_sent_do_not_count() -> None:
    guard = SignOnGuard(0.0)
    for number in range(10):
        code = 503 if number % 3 == 2 else None
        assert guard.admit(a_target(), INTERVAL)
        guard.record(a_target(), TIMED_OUT, code=code, sent=True, now=INTERVAL)
        assert guard.admit(a_target(), INTERVAL)
        guard.record(a_target(), TIMED_OUT, code=None, sent=False, now=INTERVAL)
    assert guard.suspended(a_target()) is None


def test_an_attempt_that_says_nothing_leaves_a_suspended_user_suspended_for_another_hour() -> None:
    guard, provider = SignOnGuard(0.0), Provider()
    provider.sign_on(guard, a_target(), INTERVAL)
    provider.verdict, provider.code = Verdict(Reason.SERVER_ERROR, Fault.PROVIDER), 503
    assert provider.sign_on(guard, a_target(), INTERVAL + HOUR) is Admission.ALLOWED
    assert guard.suspended(a_target()) is Reason.CREDENTIALS_REJECTED
    assert provider.sign_on(guard, a_target(), INTERVAL + 2 * HOUR - 1) is Admission.SUSPENDED


def test_a_command_that_probes_once_sends_one_password_per_user_at_once() -> None:
    guard, provider = SignOnGuard(0.0, one_shot=True), Provider(right="pw")
    targets = [a_target(f"t{number}") for number in range(5)]
    found = [provider.sign_on(guard, target, 0.0) for target in targets]
    assert found == [Admission.ALLOWED, *[Admission.WITHHELD] * 4]
    assert provider.sign_on(guard, a_target(user="joe"), 0.0) is Admission.ALLOWED


def test_a_target_without_a_user_is_never_suspended() -> None:
    target = replace(a_target(), user=None)
    assert SignOnGuard(0.0).suspended(target) is None
    with pytest.raises(ValueError, match="without a user"):
        SignOnGuard(0.0).admit(target, 0.0)


def test_no_secret_shows_in_a_repr() -> None:
    guard, provider = SignOnGuard(0.0), Provider()
    target = a_target(user="planted-user", password="planted-password")
    provider.sign_on(guard, target, INTERVAL)
    assert "planted" not in repr(vars(guard)["_known"].values())
    assert "planted" not in f"{guard!r}{target!r}{guard.suspended(target)!r}"


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["probe", "reload"]),
        st.floats(0, 600),
        st.integers(0, 3),
        st.sampled_from([REJECTED, LOCKED, Verdict(Reason.NOT_JSON, Fault.PROVIDER)]),
    ),
    max_size=80,
)


@given(EVENTS)
def test_no_sequence_of_events_sends_a_rejected_password_more_often_than_every_15_minutes(
    events: list[tuple[str, float, int, Verdict]],
) -> None:
    guard, now, sent = SignOnGuard(0.0), 0.0, []
    for kind, passed, number, verdict in events:
        now += passed
        if kind == "reload":
            guard.reload_requested()
        elif Provider(verdict).sign_on(guard, a_target(f"t{number}"), now) is Admission.ALLOWED:
            sent.append(now)
    assert all(at >= INTERVAL for at in sent)
    # One reload may follow the first rejection at once, and one the attempt of each hour.
    assert all(later - earlier >= 900.0 for earlier, later in zip(sent, sent[2:], strict=False))
