"""Readers as circulation knows them: blocks, and closing an account."""

import datetime as dt

from bookwell.kit.adapters.django.outbox_scrubbing import rewrite_in_tx
from bookwell.library.accounts.services import anonymise_user_in_tx, lock_administrators_in_tx
from bookwell.library.audit.services import Change, record_in_tx
from bookwell.library.circulation.errors import OpenLoans
from bookwell.library.circulation.events import without_person
from bookwell.library.circulation.journal import Journal
from bookwell.library.circulation.locks import lock_book, lock_book_of_reservation, lock_reader, save_book
from bookwell.library.circulation.models import Block
from bookwell.library.circulation.queries.readers import (
    find_block,
    list_claimed_book_ids,
    list_open_ids,
    list_reservation_ids,
)
from bookwell.library.circulation.rules import CLAIM_STATES, Actor, Cause, State
from bookwell.library.circulation.services.ending import give_up
from bookwell.library.circulation.services.queue import promote

__all__ = ["add_block", "close_reader", "lift_block"]


def add_block(*, reader_id: int, reason: str, actor: Actor, now: dt.datetime) -> int:
    """Block a reader; the queue passes over who is blocked. The id of the block.

    Raises:
        ReaderNotFound
    """
    lock_reader(reader_id)
    block = Block.objects.create(reader_id=reader_id, reason=reason, created_at=now)
    record_in_tx([Change("block.added", "user", reader_id, {"block_id": block.pk})], actor_id=actor.user_id)
    return block.pk


def lift_block(*, block_id: int, actor: Actor, now: dt.datetime) -> None:
    """Lift a block, and hand over whatever free copies the reader was passed over for. Lifting twice is no error."""
    block = find_block(block_id)
    if block is None:
        return
    lock_reader(block.reader_id, is_active=False)
    if not Block.objects.filter(pk=block_id).delete()[0]:
        return
    books = [lock_book(book_id) for book_id in list_claimed_book_ids(reader_id=block.reader_id)]
    journal = Journal(actor=actor, now=now)
    journal.note(Change("block.lifted", "user", block.reader_id, {"block_id": block_id}))
    for book in books:
        promote(book, journal, because=Cause.BLOCK_LIFTED)
        save_book(book)
    journal.write_in_tx()


def close_reader(*, reader_id: int, actor: Actor, now: dt.datetime) -> None:
    """Close an account: claims are cancelled, the history is kept without the person.

    Messages about the reader's reservations stay, and have nobody to go to any more.

    Raises:
        ReaderNotFound
        OpenLoans: while the reader has books.
    """
    lock_administrators_in_tx()  # before any account, as wherever both are locked
    lock_reader(reader_id, is_active=False)
    journal = Journal(actor=actor, now=now)
    for reservation_id in list_open_ids(reader_id=reader_id):
        book, reservation = lock_book_of_reservation(reservation_id)
        if reservation.state == State.BORROWED:  # a partner may have lent it since, which needs no reader's lock
            raise OpenLoans
        if State(reservation.state) in CLAIM_STATES:
            give_up(book, reservation, State.CANCELLED, journal, reason="account closed")
            save_book(book)
    Block.objects.filter(reader_id=reader_id).delete()
    journal.write_in_tx()
    told = [f"reservation:{reservation_id}" for reservation_id in list_reservation_ids(reader_id=reader_id)]
    rewrite_in_tx(told, without_person)
    anonymise_user_in_tx(user_id=reader_id, actor_id=actor.user_id, now=now)
