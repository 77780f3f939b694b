"""Remembering what partners are and say."""

import datetime as dt
from collections.abc import Mapping, Sequence

from bookwell.contracts.partners import PartnerAvailability, PartnerState
from bookwell.library.partners.models import LONGEST_NAME, Partner, PartnerAnswer
from bookwell.library.partners.queries import known_partners

__all__ = ["remember_answers", "remember_partners"]


def remember_partners(*, takes_holds: Mapping[str, bool]) -> None:
    """Make the list of partners that one: those that are not on it are not partners any more."""
    usable = {name: takes for name, takes in takes_holds.items() if len(name) <= LONGEST_NAME}
    known = {partner.name: partner for partner in Partner.objects.all()}
    if {name: partner.takes_holds for name, partner in known.items()} == usable:
        return
    Partner.objects.exclude(name__in=usable).delete()
    for name, takes in usable.items():
        Partner.objects.update_or_create(name=name, defaults={"takes_holds": takes})
    known_partners.forget()


def remember_answers(*, book_id: int, answers: Sequence[PartnerAvailability], now: dt.datetime) -> None:
    """Keep what partners say of a book; who said nothing keeps the earlier word, with its time."""
    rows = {row.partner: row for row in PartnerAnswer.objects.filter(book_id=book_id)}
    for answer in answers:
        if len(answer.name) > LONGEST_NAME:
            continue
        content = answer.model_copy(update={"from_cache": False, "error": None}).model_dump(mode="json")
        row = rows.get(answer.name)
        if row is None:  # unless another request has just been faster
            first = {"content": content, "checked_at": now}
            row, _ = PartnerAnswer.objects.get_or_create(book_id=book_id, partner=answer.name, defaults=first)
        if answer.state is not PartnerState.UNKNOWN:
            row.content = content
        row.checked_at = now
        row.save()
