import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from bookwell.contracts.partners import HoldStatus, PartnerState
from bookwell.partners.adapters.koha.records import (
    Biblio,
    Hold,
    Item,
    availability_of,
    carries,
    live_first,
    marker_of,
    matching,
    state_of,
)
from bookwell.partners.adapters.protocol import Failure, PartnerFailed

UTC = ZoneInfo("UTC")
TODAY = dt.date(2026, 11, 22)


def item(number: int = 1, **facts: Any) -> Item:
    return Item.model_validate({"item_id": number, **facts})


def hold(number: int = 1, **facts: Any) -> Hold:
    return Hold.model_validate({"hold_id": number, "biblio_id": 5, **facts})


def free(items: list[Item], holds: list[Hold]) -> int | None:
    return availability_of(items, holds, today=TODAY, zone=UTC, href=None).copies_available


@pytest.mark.parametrize(
    "facts",
    [
        {"checked_out_date": "2026-12-01"},
        {"not_for_loan_status": 1},
        {"not_for_loan_status": -1},
        {"lost_status": 2},
        {"withdrawn": 1},
        {"damaged_status": 1},
        {"restricted_status": 1},
    ],
)
def test_availability_of__something_is_the_matter__is_not_free(facts: dict[str, Any]) -> None:
    assert free([item(**facts)], []) == 0


def test_availability_of__nothing_is_the_matter__is_free() -> None:
    facts: dict[str, Any] = {
        "not_for_loan_status": 0,
        "lost_status": 0,
        "withdrawn": 0,
        "damaged_status": 0,
        "restricted_status": 0,
        "checked_out_date": None,
    }

    assert free([item(**facts), item(2)], []) == 2


@pytest.mark.parametrize("status", ["W", "T", "P"])
def test_availability_of__item_waits_for_a_reader__is_not_free(status: str) -> None:
    assert free([item(1), item(2)], [hold(item_id=2, status=status)]) == 1


def test_availability_of__readers_wait_for_any_copy__are_served_first() -> None:
    told = availability_of([item(1), item(2)], [hold(1), hold(2), hold(3)], today=TODAY, zone=UTC, href=None)

    assert (told.state, told.copies_available, told.queue) == (PartnerState.UNAVAILABLE, 0, 3)


def test_availability_of__a_hold_in_an_unknown_status__is_malformed() -> None:
    with pytest.raises(PartnerFailed) as failed:
        free([item(1), item(2)], [hold(status="teleported")])

    assert failed.value.code is Failure.MALFORMED
    assert free([item()], [hold(status="teleported", cancellation_date="2026-11-01")]) == 1


@pytest.mark.parametrize("suspended", [True, 1])
def test_availability_of__a_suspended_hold__waits_for_no_copy(suspended: Any) -> None:
    assert free([item()], [hold(suspended=suspended)]) == 1
    assert free([item(1), item(2)], [hold(1, suspended=suspended), hold(2, suspended=False)]) == 1


def test_availability_of__cancelled_hold__does_not_count() -> None:
    assert free([item()], [hold(cancellation_date="2026-11-01")]) == 1


def test_availability_of__checked_out_date__is_the_day_it_is_due() -> None:
    items = [item(1, checked_out_date="2026-12-09"), item(2, checked_out_date="2026-12-01")]
    lost = item(3, checked_out_date="2026-11-25", lost_status=1)

    assert availability_of([*items, lost], [], today=TODAY, zone=UTC, href=None).expected == dt.date(2026, 12, 1)


def test_matching__like_found_too_much__keeps_whole_isbns() -> None:
    right = Biblio(biblio_id=1, isbn="0439023483 (pbk.)")
    longer = Biblio(biblio_id=2, isbn="97804390234819")
    none = Biblio(biblio_id=3)

    assert matching([right, longer, none], "9780439023481") == [right]


def test_carries__longer_reference__is_another() -> None:
    notes = f"please call; {marker_of('reservation:17')} thanks"

    assert carries(hold(notes=notes), "reservation:17")
    assert not carries(hold(notes=notes), "reservation:1")
    assert not carries(hold(notes=None), "reservation:17")


def test_live_first__several__the_most_advanced_then_the_oldest() -> None:
    ended = hold(1, cancellation_date="2026-11-01")
    holds = [ended, hold(9), hold(3), hold(8, status="W"), hold(2, status="X")]

    assert [one.hold_id for one in live_first(holds)] == [8, 3, 9, 2, 1]


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, HoldStatus.ACCEPTED),
        ({"status": None}, HoldStatus.ACCEPTED),
        ({"status": "T"}, HoldStatus.ACCEPTED),
        ({"status": "P"}, HoldStatus.ACCEPTED),
        ({"status": "W"}, HoldStatus.READY),
        ({"status": "W", "cancellation_date": "2026-11-01"}, HoldStatus.CANCELLED),
    ],
)
def test_state_of__status__in_our_words(facts: dict[str, Any], state: HoldStatus) -> None:
    assert state_of(hold(**facts), "reservation:1", UTC).state is state


def test_state_of__unknown_status__is_malformed() -> None:
    with pytest.raises(PartnerFailed):
        state_of(hold(status="X"), "reservation:1", UTC)


def test_state_of__waiting_for_pickup__until_the_end_of_the_day() -> None:
    told = state_of(hold(status="W", expiration_date="2026-12-01"), "reservation:1", UTC)
    earlier = state_of(hold(expiration_date="2026-12-01"), "reservation:1", UTC)

    assert told.pickup_deadline_at == dt.datetime(2026, 12, 1, 23, 59, 59, tzinfo=dt.UTC)
    assert told.pickup_deadline_on == dt.date(2026, 12, 1)
    assert (earlier.pickup_deadline_at, earlier.pickup_deadline_on) == (None, None)


@pytest.mark.parametrize("row", [None, [], {}, {"hold_id": "1"}, {"hold_id": 0}, {"hold_id": 1, "status": 1}])
def test_hold__wrong_types__is_refused(row: Any) -> None:
    with pytest.raises(ValidationError):
        Hold.model_validate(row)
