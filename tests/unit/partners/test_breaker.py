from bookwell.partners.availability.breaker import (
    CLOSED,
    Breaker,
    BreakerRules,
    Circuit,
    admit,
    circuit_of,
    failed,
    hold_off,
    succeeded,
    wait_of,
)

RULES = BreakerRules(failures_until_open=3, open_seconds=10)


def after_failures(count: int, *, now: float = 0, breaker: Breaker = CLOSED) -> Breaker:
    for _ in range(count):
        breaker = failed(breaker, RULES, now=now)
    return breaker


def test_breaker__fewer_failures_than_the_limit__stays_closed() -> None:
    breaker = after_failures(2)

    assert circuit_of(breaker, now=0) is Circuit.CLOSED
    assert admit(breaker, now=0) == breaker


def test_breaker__as_many_failures_in_a_row__opens() -> None:
    breaker = after_failures(3)

    assert circuit_of(breaker, now=9.9) is Circuit.OPEN
    assert admit(breaker, now=9.9) is None
    assert wait_of(breaker, now=4) == 6


def test_breaker__a_success_between_failures__starts_counting_anew() -> None:
    breaker = after_failures(2, breaker=succeeded(after_failures(2)))

    assert circuit_of(breaker, now=0) is Circuit.CLOSED


def test_breaker__time_is_over__lets_one_call_through() -> None:
    breaker = after_failures(3)

    probing = admit(breaker, now=10)

    assert circuit_of(breaker, now=10) is Circuit.HALF_OPEN
    assert probing is not None
    assert admit(probing, now=11) is None


def test_breaker__the_try_succeeds__closes() -> None:
    probing = admit(after_failures(3), now=10)

    assert probing is not None
    assert circuit_of(succeeded(probing), now=10) is Circuit.CLOSED


def test_breaker__the_try_fails__opens_for_twice_as_long() -> None:
    probing = admit(after_failures(3), now=10)
    assert probing is not None

    again = failed(probing, RULES, now=11)

    assert circuit_of(again, now=30.9) is Circuit.OPEN
    assert circuit_of(again, now=31) is Circuit.HALF_OPEN
    assert admit(again, now=31) is not None


def test_breaker__failures_of_calls_that_were_under_way__change_nothing_when_open() -> None:
    breaker = after_failures(3)

    assert failed(breaker, RULES, now=5) == breaker


def test_breaker__keeps_failing_for_days__opens_for_five_minutes_at_most() -> None:
    breaker, now = after_failures(3), 0.0
    for _ in range(3000):
        now = breaker.open_until
        breaker = failed(breaker, RULES, now=now)

    assert breaker.open_until - now == 300


def test_breaker__a_try_that_never_reports__does_not_lock_it() -> None:
    probing = admit(after_failures(3), now=10)

    assert probing is not None
    assert admit(probing, now=10 + 121) is not None


def test_hold_off__asked_to_wait__admits_nobody_before() -> None:
    breaker = hold_off(CLOSED, 30, now=100)

    assert admit(breaker, now=129) is None
    assert wait_of(breaker, now=120) == 10
    assert admit(breaker, now=130) is not None


def test_hold_off__asked_to_wait_longer_than_a_circuit_stays_open__admits_nobody_before() -> None:
    breaker = hold_off(CLOSED, 3600, now=100)

    assert admit(breaker, now=3699) is None
    assert admit(breaker, now=3700) is not None


def test_hold_off__a_success_meanwhile__still_waits() -> None:
    breaker = succeeded(hold_off(CLOSED, 30, now=100))

    assert admit(breaker, now=110) is None
