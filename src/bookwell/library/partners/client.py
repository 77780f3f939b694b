"""The partners service, as the library calls it: over HTTP, for a bounded time, and never inside a transaction.

Whatever is wrong with it (nobody listens, it is slow, its answer makes no sense) is `PartnersSilent`. Some kinds
of it matter to whoever asks: `PartnersLate` and `PartnerMissing` about holds, `PartnersAbsent` about the partners.
"""

import datetime as dt
from functools import cache
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import quote

import httpx2
import structlog
from django.conf import settings
from pydantic import BaseModel, TypeAdapter, ValidationError

from bookwell.contracts.partners import HoldRequest, HoldState, PartnerAvailability
from bookwell.kit import clock
from bookwell.kit.request_context import request_id, traceparent
from bookwell.library.accounts.tokens import sign_as_library
from bookwell.library.partners.errors import HoldRefused, PartnerMissing, PartnersAbsent, PartnersLate, PartnersSilent

__all__ = ["ListedPartner", "cancel_hold", "fetch_availability", "fetch_partners", "find_hold", "place_hold"]

T = TypeVar("T")

_CONNECT_SECONDS = 0.5
_PARTNER_UNKNOWN = "partner.unknown"
_MARGIN_SECONDS = 0.5
"""Its own budgets end its work; this much longer the answer may take to arrive."""

_log = structlog.get_logger()


class ListedPartner(BaseModel):
    """A partner as the partners service lists it, and how the process that answers finds it."""

    name: str
    takes_holds: bool
    circuit: str | None = None
    last_success_at: dt.datetime | None = None
    error_rate: float | None = None
    p95_milliseconds: float | None = None


class _Partners(BaseModel):
    items: list[ListedPartner]


class _Availability(BaseModel):
    libraries: list[PartnerAvailability]


_PARTNERS, _AVAILABILITY, _HOLD = TypeAdapter(_Partners), TypeAdapter(_Availability), TypeAdapter(HoldState)


def fetch_partners() -> list[ListedPartner]:
    """Every partner.

    Raises:
        PartnersSilent
    """
    return _ask("GET", "/partners", _PARTNERS, seconds=settings.PARTNERS_BUDGET_SECONDS).items


def fetch_availability(isbn: str, *, partner: str | None = None) -> list[PartnerAvailability]:
    """What every partner, or one by its name, says of an ISBN-13, within the partners service's time budget.

    Raises:
        PartnersSilent
    """
    chosen = f"?partner={quote(partner, safe='')}" if partner else ""
    path, seconds = f"/books/{isbn}/availability{chosen}", settings.PARTNERS_BUDGET_SECONDS
    return _ask("GET", path, _AVAILABILITY, seconds=seconds).libraries


def place_hold(partner: str, hold: HoldRequest) -> HoldState:
    """Place a hold; again with the same reference it is the same one. A refusal is a state.

    Raises:
        PartnersSilent: whether or not it was placed is then not known.
    """
    return _ask("POST", _holds_of(partner), _HOLD, seconds=settings.PARTNERS_HOLD_SECONDS, body=hold.model_dump_json())


def find_hold(partner: str, ref: str) -> HoldState:
    """How a hold stands.

    Raises:
        PartnersSilent, HoldRefused
    """
    return _ask("GET", _hold(partner, ref), _HOLD, seconds=settings.PARTNERS_HOLD_SECONDS)


def cancel_hold(partner: str, ref: str) -> HoldState:
    """Cancel a hold; one that is gone counts as cancelled.

    Raises:
        PartnersSilent
        HoldRefused: if the partner does not let it go.
    """
    return _ask("DELETE", _hold(partner, ref), _HOLD, seconds=settings.PARTNERS_HOLD_SECONDS)


def _holds_of(partner: str) -> str:
    return f"/partners/{quote(partner, safe='')}/reservations"


def _hold(partner: str, ref: str) -> str:
    return f"{_holds_of(partner)}/{quote(ref, safe='')}"


def _ask(method: str, path: str, shape: TypeAdapter[T], *, seconds: float, body: str | None = None) -> T:
    headers = {"Authorization": f"Bearer {sign_as_library(now=clock.now())}", "Accept": "application/json"}
    passed_on = {
        "X-Request-ID": request_id(),
        "traceparent": traceparent(),
        "Content-Type": body and "application/json",
    }
    headers |= {name: value for name, value in passed_on.items() if value}
    timeout = httpx2.Timeout(seconds + _MARGIN_SECONDS, connect=_CONNECT_SECONDS)
    try:
        answer = _client().request(method, settings.PARTNERS_URL + path, headers=headers, content=body, timeout=timeout)
        if answer.status_code == httpx2.codes.CONFLICT:
            raise HoldRefused(_detail_of(answer))
        answer.raise_for_status()
        return shape.validate_json(answer.content)
    except (httpx2.HTTPError, ValidationError) as error:
        _log.warning("partners.silent", method=method, error=type(error).__name__, status=_status_of(error))
        raise _meaning_of(error) from error


def _meaning_of(error: Exception) -> PartnersSilent:
    if isinstance(error, (httpx2.ReadTimeout, httpx2.WriteTimeout)):
        return PartnersLate()
    if isinstance(error, httpx2.ConnectError):
        return PartnersAbsent()
    is_missing = (
        isinstance(error, httpx2.HTTPStatusError) and _problem_of(error.response).get("code") == _PARTNER_UNKNOWN
    )
    return PartnerMissing() if is_missing else PartnersSilent()


def _status_of(error: Exception) -> int | None:
    return error.response.status_code if isinstance(error, httpx2.HTTPStatusError) else None


def _detail_of(answer: httpx2.Response) -> str:
    return str(_problem_of(answer).get("detail", ""))[:200]


def _problem_of(answer: httpx2.Response) -> dict[str, Any]:
    try:
        problem: Any = answer.json()
    except ValueError:
        return {}
    return problem if isinstance(problem, dict) else {}


@cache
def _client() -> httpx2.Client:
    """One a process, used by all its threads; connections are kept."""
    return httpx2.Client(headers={"User-Agent": f"Bookwell/{version('bookwell')}"}, trust_env=False)
