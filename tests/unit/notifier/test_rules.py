"""Which way a notice goes, and what follows from an attempt."""

import datetime as dt
from itertools import pairwise
from typing import Any

import pytest

from bookwell.contracts.messages import Notice
from bookwell.notifier.deliveries.rules import (
    ENDED,
    MAX_ATTEMPTS,
    MOVING,
    SCHEDULES,
    TRANSITIONS,
    WEBHOOK,
    AttemptOutcome,
    DeliveryState,
    NextStep,
    Plan,
    RetryRefused,
    Verdict,
    check_retry,
    gap_after,
    next_step,
    plan_delivery,
)

_NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
_QUEUED, _SUPPRESSED = DeliveryState.QUEUED, DeliveryState.SUPPRESSED


def _notice(*channels: str, is_mandatory: bool = False, **recipient: Any) -> Notice:
    person = {"reference": "user:5", "name": "Ada", "email": "ada@example.org", "phone": "+48123456789"} | recipient
    return Notice.model_validate({"recipient": person | {"channels": channels}, "is_mandatory": is_mandatory})


@pytest.mark.parametrize(
    ("notice", "channels", "plan"),
    [
        (_notice("email"), {"email"}, Plan("email", "ada@example.org", _QUEUED)),
        (_notice("sms", "email"), {"email", "sms"}, Plan("sms", "+48123456789", _QUEUED)),
        (_notice("sms", "email"), {"email"}, Plan("email", "ada@example.org", _QUEUED)),
        (_notice("sms", "email", phone=""), {"email", "sms"}, Plan("email", "ada@example.org", _QUEUED)),
        (_notice("pigeon", is_mandatory=True), {"email"}, Plan("email", "ada@example.org", _QUEUED)),
        (_notice(is_mandatory=True), {"email"}, Plan("email", "ada@example.org", _QUEUED)),
        (
            _notice(email="ada@bücher.example", is_mandatory=True),
            {"email"},
            Plan("email", "ada@xn--bcher-kva.example", _QUEUED),
        ),
        (_notice(email="", is_mandatory=True), {"email", "sms"}, Plan("sms", "+48123456789", _QUEUED)),
        (_notice("sms", phone="+48 12 345 67 89"), {"sms"}, Plan("sms", "+48123456789", _QUEUED)),
        (_notice("sms", phone="123456789"), {"sms"}, Plan("sms", "", _SUPPRESSED, "there is no usable address")),
        (_notice("webhook"), {"webhook"}, Plan("email", "", _SUPPRESSED, "there is no usable address")),
        (_notice(), {"email"}, Plan("email", "", _SUPPRESSED, "the recipient wants no messages")),
        (_notice("sms"), {"email"}, Plan("sms", "", _SUPPRESSED, "none of the recipient's channels exists here")),
        (_notice("pigeon"), {"email", "pigeon"}, Plan("email", "", _SUPPRESSED, "there is no usable address")),
        (_notice("email", email=""), {"email"}, Plan("email", "", _SUPPRESSED, "there is no usable address")),
        (
            _notice(email="a b@c", is_mandatory=True),
            {"email"},
            Plan("email", "", _SUPPRESSED, "there is no usable address"),
        ),
    ],
)
def test_plan_delivery__by_preference_address_and_duty(notice: Notice, channels: set[str], plan: Plan) -> None:
    assert plan_delivery(notice, channels=channels) == plan


@pytest.mark.parametrize(
    ("outcome", "attempts", "allowed", "state"),
    [
        (AttemptOutcome.ACCEPTED, 1, MAX_ATTEMPTS, DeliveryState.SENT),
        (AttemptOutcome.ACCEPTED, MAX_ATTEMPTS, MAX_ATTEMPTS, DeliveryState.SENT),
        (AttemptOutcome.REFUSED, 1, MAX_ATTEMPTS, DeliveryState.FAILED),
        (AttemptOutcome.BROKEN, 1, MAX_ATTEMPTS, DeliveryState.FAILED),
        (AttemptOutcome.TRANSIENT, 1, MAX_ATTEMPTS, DeliveryState.QUEUED),
        (AttemptOutcome.UNREACHABLE, MAX_ATTEMPTS - 1, MAX_ATTEMPTS, DeliveryState.QUEUED),
        (AttemptOutcome.TRANSIENT, MAX_ATTEMPTS, MAX_ATTEMPTS, DeliveryState.FAILED),
        (AttemptOutcome.TRANSIENT, MAX_ATTEMPTS, 2 * MAX_ATTEMPTS, DeliveryState.QUEUED),
    ],
)
def test_next_step__follows_from_outcome_and_attempts(
    outcome: AttemptOutcome, attempts: int, allowed: int, state: DeliveryState
) -> None:
    step = next_step(Verdict(outcome, 0, "why"), attempts=attempts, attempts_allowed=allowed, now=_NOW, spread=0.5)

    assert step.state is state
    assert step.state in TRANSITIONS[DeliveryState.SENDING]
    assert (step.next_attempt_at is not None) == (state is DeliveryState.QUEUED)


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 5), (2, 12.5), (3, 31.25)])
def test_next_step__each_attempt__waits_longer(attempts: int, seconds: float) -> None:
    verdict = Verdict(AttemptOutcome.TRANSIENT)

    step = next_step(verdict, attempts=attempts, attempts_allowed=MAX_ATTEMPTS, now=_NOW, spread=0.5)

    assert step.next_attempt_at == _NOW + dt.timedelta(seconds=seconds)


def test_next_step__after_somebody_asked_for_it_again__begins_with_short_gaps() -> None:
    step = next_step(
        Verdict(AttemptOutcome.TRANSIENT), attempts=16, attempts_allowed=15 + MAX_ATTEMPTS, now=_NOW, spread=0.5
    )

    assert step == NextStep(DeliveryState.QUEUED, "", _NOW + dt.timedelta(seconds=5))


def test_gap_after__grows_and_is_spread_and_lasts_about_a_day_in_all() -> None:
    gaps = [gap_after(number, spread=0.5) for number in range(1, MAX_ATTEMPTS)]

    assert gaps == sorted(gaps)
    assert dt.timedelta(hours=18) < sum(gaps, dt.timedelta()) < dt.timedelta(hours=30)
    assert gap_after(1, spread=0) == dt.timedelta(seconds=4)
    assert gap_after(1, spread=1) == dt.timedelta(seconds=6)


def test_schedules__webhooks__have_the_gaps_of_the_standard_for_three_days() -> None:
    webhooks = SCHEDULES[WEBHOOK]
    gaps = [gap_after(number, spread=0.5, schedule=webhooks).total_seconds() for number in range(1, webhooks.attempts)]

    assert gaps == [5, 300, 1800, *(3600 * hours for hours in (2, 5, 10, 14, 20, 24))]
    assert gap_after(1, spread=0, schedule=webhooks) == dt.timedelta(seconds=4.5)
    assert gap_after(99, spread=1, schedule=webhooks) == dt.timedelta(hours=26.4)


def test_schedules__sms__are_given_up_within_a_day_of_work() -> None:
    gaps = SCHEDULES["sms"].gaps

    assert list(gaps) == sorted(gaps)
    assert gaps[0] == dt.timedelta(seconds=5)
    assert dt.timedelta(hours=7) < sum(gaps, dt.timedelta()) < dt.timedelta(hours=9)


@pytest.mark.parametrize(("asked", "pause"), [(1, 5), (60, 60), (10**9, 86_400)])
def test_next_step__the_server_asks_for_a_pause__gets_it_up_to_a_day(asked: int, pause: int) -> None:
    verdict = Verdict(AttemptOutcome.UNREACHABLE, 429, retry_after=dt.timedelta(seconds=asked))

    step = next_step(verdict, attempts=1, attempts_allowed=10, now=_NOW, spread=0.5, schedule=SCHEDULES[WEBHOOK])

    assert step.next_attempt_at == _NOW + dt.timedelta(seconds=pause)


def test_next_step__a_receiver_that_is_gone__is_not_asked_again() -> None:
    step = next_step(Verdict(AttemptOutcome.GONE, 410), attempts=1, attempts_allowed=10, now=_NOW, spread=0.5)

    assert step == NextStep(DeliveryState.FAILED, "gone")


@pytest.mark.parametrize("state", [state for state in DeliveryState if state is not DeliveryState.FAILED])
def test_check_retry__what_did_not_fail__is_refused(state: DeliveryState) -> None:
    with pytest.raises(RetryRefused):
        check_retry(state, is_forgotten=False)


def test_check_retry__a_failed_one__is_allowed_unless_forgotten() -> None:
    check_retry(DeliveryState.FAILED, is_forgotten=False)
    with pytest.raises(RetryRefused):
        check_retry(DeliveryState.FAILED, is_forgotten=True)


def test_transitions__are_the_steps_of_the_known_lives_and_no_others() -> None:
    lives = ["queued sending queued", "sending sent", "sending failed queued", "sending expired"]
    lives += ["queued expired", "queued failed", "queued suppressed", "queued sent"]
    listed = {(before, after) for before, following in TRANSITIONS.items() for after in following}

    assert listed == {step for life in lives for step in pairwise(map(DeliveryState, life.split()))}
    assert set(TRANSITIONS) == set(DeliveryState) == {*MOVING, *ENDED}
