"""States, limits of an order, decisions that come late, twice or otherwise."""

import datetime as dt
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise

import pytest

from bookwell.kit.errors import DomainError
from bookwell.tables.bookings.errors import (
    ContactMissing,
    DecisionContradicts,
    DecisionOutdated,
    OrderCancelled,
    OrderExpired,
    OutsideHours,
    PartyTooLarge,
    StateRefused,
    TableNotBookable,
    TooFarAhead,
    TooLateToCancel,
    TooLong,
    TooManyOpenOrders,
    TooSoon,
)
from bookwell.tables.bookings.rules import (
    TRANSITIONS,
    Actor,
    Decision,
    DecisionFacts,
    Exemption,
    OrderFacts,
    Slot,
    State,
    can_be_ordered,
    check_decidable,
    check_guest_cancels,
    check_mark,
    check_order,
    check_transition,
    decide_by,
    escalate_at,
    is_same_decision,
    mailbox_of,
)
from bookwell.tables.floor.rules import House

NOW = dt.datetime(2030, 5, 6, 10, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
EVENING = Slot(NOW + 30 * HOUR, NOW + 32 * HOUR)
ORDER = OrderFacts(slot=EVENING, party_size=4, seats=4, can_be_booked=True, has_contact=True)
WAITING = DecisionFacts(state=State.REQUESTED, version=2, decide_by=NOW + HOUR)
CONFIRMED = DecisionFacts(State.CONFIRMED, 3, None, decided=Decision.CONFIRM, decided_version=2)
CANCELLED = replace(CONFIRMED, state=State.CANCELLED, version=4)
LIVES = [
    "requested confirmed seated completed",
    "requested confirmed no_show",
    "requested confirmed cancelled",
    "requested declined",
    "requested expired",
    "requested cancelled",
]


def _at(hours: float) -> Slot:
    return Slot(NOW + hours * HOUR, NOW + (hours + 1) * HOUR)


def test_transitions__are_the_steps_of_the_known_lives_and_no_others() -> None:
    listed = {(before, after) for before, following in TRANSITIONS.items() for after in following}

    assert listed == {step for life in LIVES for step in pairwise(map(State, life.split()))}
    assert set(TRANSITIONS) == set(State)


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("after", State)
def test_check_transition__only_what_the_table_has(before: State, after: State) -> None:
    if after in TRANSITIONS[before]:
        check_transition(before, after)
        return

    with pytest.raises(StateRefused):
        check_transition(before, after)


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        (replace(ORDER, can_be_booked=False), TableNotBookable),
        (replace(ORDER, has_contact=False), ContactMissing),
        (replace(ORDER, party_size=5), PartyTooLarge),
        (replace(ORDER, slot=_at(0.9)), TooSoon),
        (replace(ORDER, slot=_at(24 * 91)), TooFarAhead),
        (replace(ORDER, slot=_at(20)), OutsideHours),
        (replace(ORDER, party_size=2), TooLong),
        (replace(ORDER, open_of_contact=5), TooManyOpenOrders),
        (replace(ORDER, open_of_address=20), TooManyOpenOrders),
    ],
)
def test_check_order__beyond_a_limit__is_refused(facts: OrderFacts, refusal: type[DomainError]) -> None:
    with pytest.raises(refusal):
        check_order(facts, House(), exemption=Exemption.NONE, now=NOW)


@pytest.mark.parametrize(
    ("slot", "can_be"),
    [
        (EVENING, True),
        (_at(1), True),
        (_at(0.9), False),
        (_at(24 * 90), True),
        (_at(24 * 91), False),
        (_at(20), False),
    ],
)
def test_can_be_ordered__within_the_limits_of_time(slot: Slot, can_be: bool) -> None:
    assert can_be_ordered(slot, House(), now=NOW) is can_be


def test_check_order__at_every_limit__passes() -> None:
    facts = replace(ORDER, slot=_at(1), open_of_contact=4, open_of_address=19)

    check_order(facts, House(), exemption=Exemption.NONE, now=NOW)


@pytest.mark.parametrize(
    ("house", "second"),
    [
        (House(open_orders_per_contact=1), replace(ORDER, open_of_contact=1)),
        (House(open_orders_per_address=1), replace(ORDER, open_of_address=1)),
    ],
)
def test_check_order__one_at_a_time__is_one(house: House, second: OrderFacts) -> None:
    check_order(ORDER, house, exemption=Exemption.NONE, now=NOW)

    with pytest.raises(TooManyOpenOrders):
        check_order(second, house, exemption=Exemption.NONE, now=NOW)


def test_check_order__limits_switched_off__pass() -> None:
    house = House(open_orders_per_contact=0, open_orders_per_address=0)

    check_order(replace(ORDER, open_of_contact=999, open_of_address=999), house, exemption=Exemption.NONE, now=NOW)


def test_check_order__exemptions__are_for_counts_or_for_all() -> None:
    many = replace(ORDER, open_of_contact=99)
    check_order(many, House(), exemption=Exemption.COUNTS, now=NOW)
    check_order(replace(many, party_size=2), House(), exemption=Exemption.COUNTS, now=NOW)
    check_order(replace(many, party_size=9, has_contact=False), House(), exemption=Exemption.ALL, now=NOW)

    with pytest.raises(PartyTooLarge):
        check_order(replace(many, party_size=9), House(), exemption=Exemption.COUNTS, now=NOW)
    with pytest.raises(TableNotBookable):
        check_order(replace(many, can_be_booked=False), House(), exemption=Exemption.ALL, now=NOW)


@pytest.mark.parametrize(
    ("before", "after", "is_fine"),
    [
        (State.CONFIRMED, State.SEATED, True),
        (State.CONFIRMED, State.NO_SHOW, True),
        (State.SEATED, State.COMPLETED, True),
        (State.CONFIRMED, State.COMPLETED, False),
        (State.REQUESTED, State.SEATED, False),
        (State.REQUESTED, State.CONFIRMED, False),
        (State.CONFIRMED, State.CANCELLED, False),
    ],
)
def test_check_mark__only_what_is_seen_at_a_table(before: State, after: State, is_fine: bool) -> None:
    with nullcontext() if is_fine else pytest.raises(StateRefused):
        check_mark(before, after)


def test_decide_by__never_after_the_start() -> None:
    assert decide_by(House(), starts_at=NOW + 2 * HOUR, now=NOW) == NOW + 2 * HOUR
    assert decide_by(House(), starts_at=NOW + 9 * HOUR, now=NOW) == NOW + 4 * HOUR


def test_escalate_at__half_way() -> None:
    assert escalate_at(deadline=NOW + 4 * HOUR, now=NOW) == NOW + 2 * HOUR


@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        (replace(WAITING, decide_by=NOW), OrderExpired),
        (replace(WAITING, state=State.EXPIRED, decide_by=None), OrderExpired),
        (replace(WAITING, state=State.CANCELLED, decide_by=None), OrderCancelled),
        (replace(WAITING, state=State.DECLINED, decide_by=None), StateRefused),
        (replace(WAITING, state=State.CONFIRMED, decide_by=NOW), StateRefused),
    ],
)
def test_check_decidable__what_waits_no_more__is_refused(facts: DecisionFacts, refusal: type[DomainError]) -> None:
    check_decidable(WAITING, now=NOW)

    with pytest.raises(refusal):
        check_decidable(facts, now=NOW)


@pytest.mark.parametrize(
    ("facts", "decision", "version", "expected"),
    [
        (WAITING, Decision.CONFIRM, 2, False),
        (WAITING, Decision.DECLINE, 2, False),
        (WAITING, Decision.CONFIRM, 1, DecisionOutdated),
        (WAITING, Decision.CONFIRM, 3, DecisionOutdated),
        (CONFIRMED, Decision.CONFIRM, 2, True),
        (CONFIRMED, Decision.CONFIRM, 3, True),
        (CONFIRMED, Decision.CONFIRM, 1, DecisionOutdated),
        (CONFIRMED, Decision.DECLINE, 1, DecisionOutdated),
        (CONFIRMED, Decision.DECLINE, 2, DecisionContradicts),
        (CANCELLED, Decision.CONFIRM, 2, True),
        (CANCELLED, Decision.DECLINE, 2, DecisionContradicts),
        (CANCELLED, Decision.CONFIRM, 3, OrderCancelled),
        (CANCELLED, Decision.CONFIRM, 4, OrderCancelled),
        (CANCELLED, Decision.DECLINE, 4, OrderCancelled),
        (CANCELLED, Decision.CONFIRM, 5, DecisionOutdated),
    ],
)
def test_is_same_decision(
    facts: DecisionFacts, decision: Decision, version: int, expected: bool | type[DomainError]
) -> None:
    if isinstance(expected, bool):
        assert is_same_decision(facts, decision, version=version) is expected
        return

    with pytest.raises(expected):
        is_same_decision(facts, decision, version=version)


@pytest.mark.parametrize(
    ("state", "hours", "expected"),
    [
        (State.REQUESTED, 1, True),
        (State.CONFIRMED, 1, True),
        (State.CANCELLED, 1, False),
        (State.CANCELLED, -1, False),
        (State.CONFIRMED, 0, TooLateToCancel),
        (State.SEATED, 1, TooLateToCancel),
        (State.COMPLETED, 1, TooLateToCancel),
        (State.NO_SHOW, 1, TooLateToCancel),
        (State.DECLINED, 1, StateRefused),
        (State.EXPIRED, 1, StateRefused),
    ],
)
def test_check_guest_cancels(state: State, hours: int, expected: bool | type[DomainError]) -> None:
    starts_at = NOW + hours * HOUR
    if isinstance(expected, bool):
        assert check_guest_cancels(state, starts_at=starts_at, now=NOW) is expected
        return

    with pytest.raises(expected):
        check_guest_cancels(state, starts_at=starts_at, now=NOW)


def test_actor__reads_as_kind_and_reference() -> None:
    assert (str(Actor("system")), str(Actor("staff", "7"))) == ("system", "staff:7")


@pytest.mark.parametrize(
    ("email", "mailbox"),
    [
        ("ada@example.org", "ada@example.org"),
        ("Ada+one@Example.org", "ada@example.org"),
        ("ada+one+two@example.org", "ada@example.org"),
        ("+ada@example.org", "+ada@example.org"),  # nothing stands before it
        ("ada@plus+plus.example", "ada@plus+plus.example"),
        ("", ""),
    ],
)
def test_mailbox__what_only_sorts_mail__does_not_count(email: str, mailbox: str) -> None:
    assert mailbox_of(email) == mailbox
