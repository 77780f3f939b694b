"""Every way by which a table is ordered and booked: guests, staff and the back office call a service."""

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from bookwell.kit.ids import new_id
from bookwell.kit.webhooks import WebhookSecret, sign
from tests.concurrency.racing import race
from tests.restaurant import EVENING, NOW

__all__ = ["SECRET", "Doors", "all_at_once", "assert_refused_for_the_table", "by_turns"]

SECRET = "whsec_" + 10 * "TmV3"
"""What signs decisions."""


@dataclass(frozen=True, slots=True)
class Doors:
    """The ways in, for one table; `client` is one of Starlette's or httpx's, `staff` an employee's header."""

    client: Any
    table_id: int
    staff: Mapping[str, str]
    now: Callable[[], dt.datetime] = lambda: NOW

    def order(self, guest: int, starts_at: dt.datetime = EVENING) -> Any:
        """A guest orders."""
        body = {"starts_at": starts_at.isoformat(), "party_size": 2, "email": f"guest{guest}@example.org"}
        return self.client.post("/api/customer/book_table/", params={"id": self.table_id}, json=body)

    def accept(self, booking_id: int) -> Any:
        """An employee clicks."""
        return self._by_staff("accept_booking", id=booking_id)

    def decide(self, booking_id: int) -> Any:
        """The back office sends what an employee said there."""
        body = json.dumps({"booking_id": booking_id, "decision": "confirm", "version": 1}).encode()
        signed = sign([WebhookSecret.parse(SECRET)], message_id=new_id(), sent_at=self.now(), body=body)
        headers = {"Content-Type": "application/json", **signed}
        return self.client.post("/api/backoffice/decisions", content=body, headers=headers)

    def set_booking(self, starts_at: dt.datetime = EVENING) -> Any:
        """Somebody telephones."""
        return self._by_staff("set_booking", id=self.table_id, starts_at=starts_at.isoformat(), party_size=2)

    def close(self, starts_at: dt.datetime, ends_at: dt.datetime) -> Any:
        """A pipe bursts."""
        period = {"from": starts_at.isoformat(), "until": ends_at.isoformat()}
        return self._by_staff("close_table", id=self.table_id, **period)

    def _by_staff(self, verb: str, **body: Any) -> Any:
        return self.client.post(f"/api/admin/{verb}/", json=body, headers=self.staff)


def all_at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """What each of them answers."""
    return [outcome.value for outcome in race(works, by_django=False)]


def by_turns(doors: Doors, booking_ids: list[int]) -> list[Callable[[], Any]]:
    """Confirm each, one by an employee, the next by the back office."""
    return [partial((doors.accept, doors.decide)[n % 2], each) for n, each in enumerate(booking_ids)]


def assert_refused_for_the_table(answers: list[Any], table_id: int) -> None:
    """All were told that the table is taken, and which others are free."""
    for answer in answers:
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "booking.slot_taken"), answer.text
        assert problem["alternatives"]
        assert table_id not in {free["id"] for free in problem["alternatives"]}
