"""Reservations that a machine client places for a reader."""

import datetime as dt
from dataclasses import dataclass

from bookwell.library.audit.services import Change, record_in_tx
from bookwell.library.circulation.errors import ExternalReferenceTaken
from bookwell.library.circulation.locks import lock_reader
from bookwell.library.circulation.models import ExternalReference
from bookwell.library.circulation.queries.desk import get_reader_id_of_card
from bookwell.library.circulation.rules import SYSTEM
from bookwell.library.circulation.services.partner_holds import PartnerChoice, place_at_partner
from bookwell.library.circulation.services.placing import place_reservation

__all__ = ["ClientOrder", "place_for_client"]


@dataclass(frozen=True, slots=True)
class ClientOrder:
    """Which client places for whom; `external_ref` is the client's own name of the reservation, empty for none."""

    client_id: str
    card: str
    external_ref: str


def place_for_client(
    *,
    order: ClientOrder,
    book_id: int,
    library: str | None,
    choice: PartnerChoice | None,
    now: dt.datetime,
    reserved_until: dt.datetime | None = None,
) -> int:
    """Place a reservation, or find the one that the client has told before; its id.

    Raises:
        ReaderNotFound: if nobody has this card.
        ExternalReferenceTaken: if the client used the reference for another reader or book.
        and what placing raises
    """
    reader_id = get_reader_id_of_card(order.card)
    lock_reader(reader_id)  # whoever tells the same twice at once comes here one after the other
    if (known := _find_told(order, reader_id=reader_id, book_id=book_id)) is not None:
        return known
    if choice is not None:
        placed = place_at_partner(
            reader_id=reader_id,
            book_id=book_id,
            choice=choice,
            reserved_until=reserved_until,
            actor=SYSTEM,
            now=now,
        ).pk
    else:
        placed = place_reservation(
            reader_id=reader_id,
            book_id=book_id,
            library=library,
            reserved_until=reserved_until,
            actor=SYSTEM,
            now=now,
        ).id
    _note(order, placed)
    return placed


def _find_told(order: ClientOrder, *, reader_id: int, book_id: int) -> int | None:
    """The reservation that the client has told by this reference before."""
    if not order.external_ref:
        return None
    told = ExternalReference.objects.filter(client_id=order.client_id, name=order.external_ref)
    known = told.select_related("reservation").first()
    if known is None:
        return None
    if known.name != order.external_ref or (known.reservation.reader_id, known.reservation.book_id) != (
        reader_id,
        book_id,
    ):
        raise ExternalReferenceTaken
    return known.reservation_id


def _note(order: ClientOrder, reservation_id: int) -> None:
    if order.external_ref:
        ExternalReference.objects.create(
            client_id=order.client_id, name=order.external_ref, reservation_id=reservation_id
        )
    by = Change("reservation.placed_by_client", "reservation", reservation_id, {"client_id": order.client_id})
    record_in_tx([by], actor_id=SYSTEM.user_id)
