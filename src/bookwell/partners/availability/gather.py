"""The state of a book at every partner, within one time budget."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from bookwell.partners.availability.answers import Answers, Question, Told
from bookwell.partners.availability.calls import Partner
from bookwell.partners.availability.rules import shown, unknown

__all__ = ["gather", "nobody_asked"]

_NO_ISBN = "no_isbn"


def gather(
    partners: Sequence[Partner], answers: Answers, isbn: str, *, deadline: float, budget_seconds: float
) -> list[dict[str, Any]]:
    """Each partner as PartnerAvailability shows it, in the order of the configuration, by the deadline."""
    questions = [_question(partner, isbn, budget_seconds) for partner in partners]
    told = answers.tell(questions, deadline=deadline)
    return [_shown(partner.name, one) for partner, one in zip(partners, told, strict=True)]


def nobody_asked(partners: Sequence[Partner]) -> list[dict[str, Any]]:
    """A book without ISBN: no partner can be asked."""
    return [unknown(partner.name, _NO_ISBN) for partner in partners]


def _question(partner: Partner, isbn: str, seconds: float) -> Question:
    async def ask(left: float) -> Mapping[str, Any]:
        call = partial(partner.adapter.fetch_availability, isbn)
        found = await partner.availability.ask(call, seconds=left, is_idempotent=True)
        return {
            "state": found.state.value,
            "copies_available": found.copies_available,
            "queue": found.queue,
            "expected": None if found.expected is None else found.expected.isoformat(),
            "href": found.href,
        }

    return Question(f"availability:{partner.name}:{isbn}", ask, seconds)


def _shown(name: str, told: Told) -> dict[str, Any]:
    if told.answer is None:
        return unknown(name, told.error)
    return shown(name, told.answer, from_cache=told.from_cache, error=told.error)
