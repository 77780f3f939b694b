"""Circulation's rules: the life of a reservation as data, the checks, the estimate."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookwell.contracts.partners import HoldStatus
from bookwell.library.circulation.errors import (
    BorrowingBlocked,
    LoanLimitReached,
    RenewalsUsedUp,
    RenewalWouldDelayOthers,
    ReservationExists,
    ReservationLimitReached,
    ReservedUntilInPast,
    WrongState,
)
from bookwell.library.circulation.partner_rules import end_without_partner, is_believed, is_news, steps_at_partner
from bookwell.library.circulation.rules import (
    CLAIM_STATES,
    COPY_STATES,
    OPEN_STATES,
    TRANSITIONS,
    Cause,
    PolicyTerms,
    ReaderFacts,
    State,
    check_is_ours,
    check_may_borrow,
    check_may_renew,
    check_may_reserve,
    check_not_blocked,
    check_reserved_until,
    check_state,
    check_transition,
    estimate_ready_on,
    has_run_out,
    may_shelve_at_once,
)

NOW = dt.datetime(2026, 3, 2, 9, 30, tzinfo=dt.UTC)
LATER, EARLIER = NOW + dt.timedelta(seconds=1), NOW - dt.timedelta(seconds=1)
TERMS = PolicyTerms(
    max_open_reservations=3,
    max_open_loans=2,
    loan_days=10,
    max_renewals=1,
    pickup_days=7,
    reminder_days=3,
    overdue_loans_that_block=2,
    shelve_immediately=False,
    renewal_blocked_by_queue=True,
    self_return=False,
)
NOTHING = ReaderFacts(open_reservations=0, open_loans=0, overdue_loans=0, blocks=0)

BEFORE_BORROWED = (
    State.WAITING,
    State.ASSIGNED,
    State.IN_TRANSIT,
    State.READY,
    State.REQUESTED,
    State.ACCEPTED,
)
LIVES = [
    "waiting assigned in_transit ready borrowed returned",
    "waiting assigned ready borrowed returned",
    "waiting assigned ready expired",
    "waiting assigned borrowed lost",
    "waiting borrowed returned",
    "waiting expired",
    "assigned waiting assigned",
    "in_transit waiting",
    "ready waiting",
    "in_transit borrowed",
    "ready in_transit",
    "requested accepted ready borrowed returned",
    "accepted ready accepted",
    "accepted borrowed",
    "requested refused",
    "accepted refused",
    "requested expired",
    "accepted expired",
    *(f"{state} cancelled" for state in BEFORE_BORROWED),
]


def _steps(lives: Sequence[str]) -> set[tuple[State, State]]:
    states = [[State(name) for name in life.split()] for life in lives]
    return {step for life in states for step in pairwise(life)}


def test_transitions__are_the_steps_of_the_known_lives_and_no_others() -> None:
    listed = {(old, new) for old, following in TRANSITIONS.items() for new in following}

    assert listed == _steps(LIVES)
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize("old", State)
@pytest.mark.parametrize("new", State)
def test_check_transition__walks_the_table(old: State, new: State) -> None:
    if new in TRANSITIONS[old]:
        check_transition(old, new)
    else:
        with pytest.raises(WrongState, match=f"is {old} cannot become {new}"):
            check_transition(old, new)


@pytest.mark.parametrize("state", State)
def test_every_open_state__leads_to_an_end__and_ends_lead_nowhere(state: State) -> None:
    reached, frontier = {state}, {state}
    while frontier:
        frontier = {new for old in frontier for new in TRANSITIONS[old]} - reached
        reached |= frontier

    assert bool(TRANSITIONS[state]) is (state in OPEN_STATES)
    assert reached - OPEN_STATES


@pytest.mark.parametrize("state", State)
def test_every_state__is_reached_from_a_place_where_lives_begin(state: State) -> None:
    reached = {State.WAITING, State.REQUESTED}
    for _ in State:
        reached |= {new for old in reached for new in TRANSITIONS[old]}

    assert state in reached


def test_states__copies_are_held_in_open_states_and_loans_are_no_claims() -> None:
    assert COPY_STATES < OPEN_STATES
    assert {State.BORROWED} == OPEN_STATES - CLAIM_STATES


@pytest.mark.parametrize("state", State)
def test_check_state__allows_the_named_ones_only(state: State) -> None:
    if state in (State.READY, State.ASSIGNED):
        check_state(state, State.READY, State.ASSIGNED)
    else:
        with pytest.raises(WrongState, match=f"is {state}"):
            check_state(state, State.READY, State.ASSIGNED)


def test_check_not_blocked__a_block__refuses() -> None:
    with pytest.raises(BorrowingBlocked):
        check_not_blocked(replace(NOTHING, blocks=1), TERMS)


@pytest.mark.parametrize(("allowed", "overdue", "refused"), [(2, 1, False), (2, 2, True), (1, 1, True), (0, 9, False)])
def test_check_not_blocked__overdue_loans__refuse_from_the_policys_number_on(
    allowed: int, overdue: int, refused: bool
) -> None:
    terms = replace(TERMS, overdue_loans_that_block=allowed)
    facts = replace(NOTHING, overdue_loans=overdue)

    if refused:
        with pytest.raises(BorrowingBlocked, match=f"^{overdue} of"):
            check_not_blocked(facts, terms)
    else:
        check_not_blocked(facts, terms)


def test_check_may_reserve__below_the_limit__is_allowed() -> None:
    check_may_reserve(replace(NOTHING, open_reservations=2, open_loans=9), TERMS)


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        (replace(NOTHING, has_this_book=True, blocks=1, open_reservations=3), ReservationExists),
        (replace(NOTHING, blocks=1, open_reservations=3), BorrowingBlocked),
        (replace(NOTHING, open_reservations=3), ReservationLimitReached),
        (replace(NOTHING, open_reservations=4), ReservationLimitReached),
    ],
)
def test_check_may_reserve__refuses_in_this_order(facts: ReaderFacts, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        check_may_reserve(facts, TERMS)


def test_check_may_borrow__below_the_limit__is_allowed() -> None:
    check_may_borrow(replace(NOTHING, open_loans=1, open_reservations=9), TERMS)


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        (replace(NOTHING, blocks=1, open_loans=2), BorrowingBlocked),
        (replace(NOTHING, open_loans=2), LoanLimitReached),
    ],
)
def test_check_may_borrow__refuses_in_this_order(facts: ReaderFacts, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        check_may_borrow(facts, TERMS)


@pytest.mark.parametrize(
    ("renewals", "blocks", "waiting", "free", "by_queue", "refusal"),
    [
        (0, 0, 0, 0, True, None),
        (0, 0, 2, 2, True, None),
        (0, 0, 9, 0, False, None),
        (0, 0, 3, 2, True, RenewalWouldDelayOthers),
        (0, 1, 3, 2, True, BorrowingBlocked),
        (1, 1, 3, 2, True, RenewalsUsedUp),
    ],
)
def test_check_may_renew(
    renewals: int, blocks: int, waiting: int, free: int, by_queue: bool, refusal: type[Exception] | None
) -> None:
    def check() -> None:
        check_may_renew(
            facts=replace(NOTHING, blocks=blocks),
            terms=replace(TERMS, renewal_blocked_by_queue=by_queue),
            renewals=renewals,
            readers_waiting=waiting,
            copies_free=free,
        )

    if refusal is None:
        check()
    else:
        with pytest.raises(refusal):
            check()


@pytest.mark.parametrize("until", [None, LATER])
def test_check_reserved_until__to_come__is_allowed(until: dt.datetime | None) -> None:
    check_reserved_until(until, now=NOW)


@pytest.mark.parametrize("until", [NOW, EARLIER])
def test_check_reserved_until__passed__is_refused(until: dt.datetime) -> None:
    with pytest.raises(ReservedUntilInPast):
        check_reserved_until(until, now=NOW)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("moment", [None, EARLIER, NOW, LATER])
def test_has_run_out__the_pickup_deadline_counts_while_ready(state: State, moment: dt.datetime | None) -> None:
    is_over = state is State.READY and moment in (EARLIER, NOW)

    assert has_run_out(state, moment, None, now=NOW) == ("pickup deadline" if is_over else None)


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("moment", [None, EARLIER, NOW, LATER])
def test_has_run_out__the_readers_wish_counts_until_a_copy_is_set_aside(
    state: State, moment: dt.datetime | None
) -> None:
    is_over = state in (State.WAITING, State.REQUESTED, State.ACCEPTED) and moment in (EARLIER, NOW)

    assert has_run_out(state, None, moment, now=NOW) == ("no longer needed" if is_over else None)


def _in_days(*days: int) -> list[dt.datetime]:
    return [NOW + dt.timedelta(days=number) for number in days]


@pytest.mark.parametrize(
    ("position", "due_in_days", "copies", "expected_in_days"),
    [
        (1, [], 0, None),
        (1, [5], 1, 5),
        (2, [5], 1, 15),
        (3, [5], 1, 25),
        (1, [-30], 1, 0),
        (2, [-30], 1, 10),
        (1, [9, 4], 2, 4),
        (2, [9, 4], 2, 9),
        (3, [9, 4], 2, 14),
        (4, [9, 4], 2, 19),
        (1, [], 1, 10),
        (1, [12], 2, 10),
        (2, [12], 2, 12),
        (1, [3, 4, 5], 1, 3),
    ],
)
def test_estimate_ready_on(position: int, due_in_days: list[int], copies: int, expected_in_days: int | None) -> None:
    expected = None if expected_in_days is None else (NOW + dt.timedelta(days=expected_in_days)).date()

    estimate = estimate_ready_on(
        position=position, loans_due_at=_in_days(*due_in_days), copies=copies, loan_days=10, time_zone="UTC", now=NOW
    )

    assert estimate == expected


def _by_hand(position: int, due: list[int], copies: int, loan_days: int) -> dt.date:
    """Hand the copies out one by one."""
    back_in_days = [max(days, 0) for days in sorted(due)[:copies]]
    back_in_days += [loan_days] * (copies - len(back_in_days))
    for _ in range(position):
        turn = min(back_in_days)
        back_in_days.remove(turn)
        back_in_days.append(turn + loan_days)
    return (NOW + dt.timedelta(days=turn)).date()


@given(
    position=st.integers(1, 40),
    due=st.lists(st.integers(-60, 60), max_size=8),
    copies=st.integers(1, 8),
    loan_days=st.integers(1, 60),
)
def test_estimate_ready_on__any_queue__is_as_if_copies_were_handed_out_one_by_one(
    position: int, due: list[int], copies: int, loan_days: int
) -> None:
    estimate = estimate_ready_on(
        position=position, loans_due_at=_in_days(*due), copies=copies, loan_days=loan_days, time_zone="UTC", now=NOW
    )

    assert estimate == _by_hand(position, due, copies, loan_days)


def test_estimate_ready_on__a_queue_of_millennia__is_none() -> None:
    assert _far(position=7_900) is not None
    assert _far(position=8_100) is None
    assert _far(position=2**40) is None


def _far(*, position: int) -> dt.date | None:
    return estimate_ready_on(position=position, loans_due_at=[NOW], copies=1, loan_days=365, time_zone="UTC", now=NOW)


def test_estimate_ready_on__a_policy_without_loan_days__counts_one_day_a_loan() -> None:
    estimate = estimate_ready_on(position=3, loans_due_at=[NOW], copies=1, loan_days=0, time_zone="UTC", now=NOW)

    assert estimate == (NOW + dt.timedelta(days=2)).date()


@pytest.mark.parametrize(
    ("time_zone", "now", "position", "expected"),
    [
        ("America/New_York", dt.datetime(2026, 3, 2, 15, tzinfo=dt.UTC), 1, dt.date(2026, 3, 5)),
        ("America/New_York", dt.datetime(2026, 3, 2, 15, tzinfo=dt.UTC), 2, dt.date(2026, 3, 12)),  # summer has come
        ("Pacific/Auckland", dt.datetime(2026, 3, 9, 15, tzinfo=dt.UTC), 1, dt.date(2026, 3, 10)),  # overdue: today
    ],
)
def test_estimate_ready_on__a_branch_far_from_greenwich__is_the_branchs_day(
    time_zone: str, now: dt.datetime, position: int, expected: dt.date
) -> None:
    due = dt.datetime(2026, 3, 5, 23, 59, 59, tzinfo=ZoneInfo(time_zone)).astimezone(dt.UTC)

    estimate = estimate_ready_on(
        position=position, loans_due_at=[due], copies=1, loan_days=7, time_zone=time_zone, now=now
    )

    assert estimate == expected


@pytest.mark.parametrize("shelves", [False, True])
@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("cause", [None, *Cause])
def test_may_shelve_at_once__by_policy_where_the_copy_stands_and_staff_know_of_it(
    shelves: bool, is_there: bool, cause: Cause | None
) -> None:
    terms = replace(TERMS, shelve_immediately=shelves)

    may = may_shelve_at_once(terms, cause, is_at_pickup_branch=is_there)

    assert may is (shelves and is_there and cause is not Cause.SELF_RETURNED)


@pytest.mark.parametrize("state", [State.REQUESTED, State.ACCEPTED, State.READY, State.BORROWED])
@pytest.mark.parametrize("told", HoldStatus)
@pytest.mark.parametrize("is_past_pickup", [False, True])
def test_steps_at_partner__whatever_it_tells__are_steps_that_there_are(
    state: State, told: HoldStatus, is_past_pickup: bool
) -> None:
    for step in steps_at_partner(state, told, is_past_pickup=is_past_pickup):
        check_transition(state, step)
        state = step


@pytest.mark.parametrize(
    ("state", "told", "is_past_pickup", "end"),
    [
        (State.REQUESTED, HoldStatus.UNKNOWN, False, State.REQUESTED),
        (State.REQUESTED, HoldStatus.READY, False, State.READY),
        (State.REQUESTED, HoldStatus.BORROWED, False, State.BORROWED),
        (State.REQUESTED, HoldStatus.RETURNED, False, State.RETURNED),
        (State.REQUESTED, HoldStatus.CANCELLED, False, State.REFUSED),
        (State.ACCEPTED, HoldStatus.RETURNED, False, State.RETURNED),
        (State.ACCEPTED, HoldStatus.REQUESTED, False, State.ACCEPTED),
        (State.ACCEPTED, HoldStatus.UNKNOWN, False, State.CANCELLED),
        (State.READY, HoldStatus.UNKNOWN, False, State.RETURNED),
        (State.READY, HoldStatus.UNKNOWN, True, State.EXPIRED),
        (State.READY, HoldStatus.CANCELLED, True, State.EXPIRED),
        (State.READY, HoldStatus.REFUSED, True, State.EXPIRED),
        (State.READY, HoldStatus.RETURNED, True, State.RETURNED),
        (State.READY, HoldStatus.BORROWED, True, State.BORROWED),
        (State.READY, HoldStatus.READY, True, State.READY),
        (State.READY, HoldStatus.ACCEPTED, False, State.ACCEPTED),
        (State.BORROWED, HoldStatus.ACCEPTED, False, State.BORROWED),
        (State.BORROWED, HoldStatus.UNKNOWN, False, State.RETURNED),
        (State.BORROWED, HoldStatus.REFUSED, False, State.RETURNED),
        (State.BORROWED, HoldStatus.READY, False, State.BORROWED),
        (State.WAITING, HoldStatus.READY, False, State.WAITING),
    ],
)
def test_steps_at_partner__lead_to_what_it_tells(
    state: State, told: HoldStatus, is_past_pickup: bool, end: State
) -> None:
    assert [state, *steps_at_partner(state, told, is_past_pickup=is_past_pickup)][-1] is end


_NOON = dt.datetime(2026, 11, 25, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("before", "at", "expected"),
    [
        (None, _NOON, True),
        (_NOON, _NOON + dt.timedelta(seconds=61), False),
        (_NOON, _NOON - dt.timedelta(minutes=59), False),
        (_NOON, _NOON - dt.timedelta(hours=1), True),
        (_NOON, _NOON + dt.timedelta(days=1), True),
        # Warsaw's midnight: what ends with it ends with that day.
        (_NOON.replace(hour=22, minute=59, second=59), _NOON.replace(hour=23), False),
        (_NOON.replace(hour=22, minute=59, second=59), _NOON.replace(hour=23, second=2), True),
    ],
)
def test_is_news__another_day_or_hour__only(before: dt.datetime | None, at: dt.datetime, expected: bool) -> None:
    assert is_news(at, before=before, time_zone="Europe/Warsaw") is expected


def test_is_believed__not_listed__only_after_some_minutes() -> None:
    def is_unlisted(*, minutes_ago: float | None) -> bool:
        since = None if minutes_ago is None else NOW - dt.timedelta(minutes=minutes_ago)
        return is_believed(State.ACCEPTED, HoldStatus.UNKNOWN, unlisted_since=since, now=NOW)

    assert is_believed(State.ACCEPTED, HoldStatus.CANCELLED, unlisted_since=None, now=NOW)
    assert is_believed(State.REQUESTED, HoldStatus.ACCEPTED, unlisted_since=None, now=NOW)
    assert not is_believed(State.READY, HoldStatus.ACCEPTED, unlisted_since=None, now=NOW)
    assert [is_unlisted(minutes_ago=minutes) for minutes in (None, 0, 2.9, 3)] == [False, False, False, True]


def test_check_is_ours__at_a_partner__is_refused() -> None:
    check_is_ours("")

    with pytest.raises(WrongState, match="library 2"):
        check_is_ours("library 2")


@pytest.mark.parametrize(
    ("state", "hours", "pickup_in", "end"),
    [
        (State.REQUESTED, 23, None, None),
        (State.REQUESTED, 24, None, State.REFUSED),
        (State.ACCEPTED, 24, None, State.REFUSED),
        (State.READY, 24, 1, None),
        (State.READY, 24, 0, State.EXPIRED),
        (State.READY, 24, None, State.EXPIRED),
        (State.BORROWED, 999, None, None),
        (State.CANCELLED, 999, None, None),
    ],
)
def test_end_without_partner__ends_what_waits_for_its_word(
    state: State, hours: int, pickup_in: int | None, end: State | None
) -> None:
    hour = dt.timedelta(hours=1)
    deadline = None if pickup_in is None else NOW + pickup_in * hour

    assert end_without_partner(state, missing_since=NOW - hours * hour, pickup_deadline_at=deadline, now=NOW) is end
