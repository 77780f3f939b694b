"""Partner libraries as the API asks for them: before a transaction, never inside one."""

from collections.abc import Sequence
from typing import Any

from bookwell.contracts.partners import PartnerAvailability
from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.api.partner_list import partner_list
from bookwell.library.catalog.queries import find_isbn
from bookwell.library.circulation.services import PartnerChoice
from bookwell.library.network.queries import find_branch_facts
from bookwell.library.partners import client
from bookwell.library.partners.errors import PartnersSilent
from bookwell.library.partners.queries import known_partners, list_known_answers
from bookwell.library.partners.rules import SILENT, as_remembered, has_just_said_no
from bookwell.library.partners.services import remember_answers

__all__ = ["ask_partners", "choose_partner", "known_elsewhere"]


def choose_partner(library: str | None, *, book_id: int | None, isbn: str | None) -> PartnerChoice | None:
    """The partner that `library` names, asked about the book just now; None where it names a branch, or nobody.

    A branch comes before a partner of the same name. A partner that cannot be asked has not said no.

    Raises:
        PartnersSilent: if no partner is known yet, and the partners service does not tell who they are.
    """
    if library is None:
        return None
    known = known_partners.by_name()
    if (known and library not in known) or _is_branch(library):
        return None
    takes_holds = (known or partner_list.fetch()).get(library)
    if takes_holds is None:
        return None
    number = isbn or (find_isbn(book_id) if book_id else None)
    if number is None or not takes_holds:
        return PartnerChoice(library, number, takes_holds, has_said_no=False)
    try:
        answers = client.fetch_availability(number, partner=library)
    except PartnersSilent:
        answers = []
    answer = next((answer for answer in answers if answer.name == library), None)
    return PartnerChoice(library, number, takes_holds, has_said_no=has_just_said_no(answer, now=clock.now()))


def ask_partners(book_id: int, isbn: str | None) -> Sequence[PartnerAvailability]:
    """What every partner says of a book of ours, and what they said before where the partners service is silent."""
    known, now = list_known_answers(book_id), clock.now()
    try:
        answers = client.fetch_availability(isbn) if isbn else []
    except PartnersSilent:
        silent = {name: PartnerAvailability(name=name, state="unknown") for name in known_partners.by_name()}
        return as_remembered((silent | {answer.name: answer for answer in known}).values(), now=now, error=SILENT)
    told_before = {answer.name: (answer.state, answer.fetched_at) for answer in known}
    if {answer.name: (answer.state, answer.fetched_at) for answer in answers if answer.fetched_at} != told_before:
        run_in_transaction(lambda: remember_answers(book_id=book_id, answers=answers, now=now))
    return answers


def known_elsewhere(book_id: int) -> dict[str, Any]:
    """Where else a book may be had: nobody is asked, one statement."""
    known = as_remembered(list_known_answers(book_id), now=clock.now())
    return {"href": f"/api/books/{book_id}/availability/", "known": known}


def _is_branch(name: str) -> bool:
    return find_branch_facts(name_or_code=name, today=clock.now().date()) is not None
