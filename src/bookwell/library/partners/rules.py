"""What an answer about another library means to us."""

import datetime as dt
from collections.abc import Iterable

from bookwell.contracts.partners import PartnerAvailability, PartnerState

__all__ = ["SILENT", "as_remembered", "has_just_said_no"]

SILENT = "partners_unreachable"
"""The error of answers that we remember because the partners service says nothing."""

_FRESH = dt.timedelta(seconds=75)
"""The partners service serves an answer for a minute as it is."""

_WORTH_TELLING = dt.timedelta(hours=24)


def has_just_said_no(answer: PartnerAvailability | None, *, now: dt.datetime) -> bool:
    """Whether a partner itself said so a moment ago: unknown, old or remembered after a failure is no refusal."""
    if answer is None or answer.state is not PartnerState.UNAVAILABLE or answer.error is not None:
        return False
    return answer.fetched_at is not None and now - answer.fetched_at <= _FRESH


def as_remembered(
    answers: Iterable[PartnerAvailability], *, now: dt.datetime, error: str | None = None
) -> list[PartnerAvailability]:
    """Earlier answers as they are told now; what is older than a day is unknown. `error` says why nobody was asked."""
    return [_aged(answer, now).model_copy(update={"from_cache": True, "error": error}) for answer in answers]


def _aged(answer: PartnerAvailability, now: dt.datetime) -> PartnerAvailability:
    if answer.fetched_at is not None and now - answer.fetched_at <= _WORTH_TELLING:
        return answer
    return PartnerAvailability(name=answer.name, state=PartnerState.UNKNOWN)
