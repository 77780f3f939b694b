"""DAIA's answer, and what it means for somebody who wants to borrow. No I/O."""

import datetime as dt
from collections.abc import Iterable, Sequence
from zoneinfo import ZoneInfo

from pydantic import Field

from bookwell.contracts.partners import PartnerState
from bookwell.partners.adapters.protocol import Availability
from bookwell.partners.adapters.values import Answer, Count, Many, Text, day_of, web_address

__all__ = ["DaiaAnswer", "Document", "availability_of", "is_strange", "matching"]

_LOAN = "loan"


class Service(Answer):
    """What can, or cannot, be done with an item; services that are not known are ignored."""

    service: str
    expected: Text = None
    queue: Count = None

    @property
    def is_loan(self) -> bool:
        """By name, or by a URI that ends with it."""
        return self.service.rpartition("#")[2].rpartition("/")[2].lower() == _LOAN


class Item(Answer):
    """A copy, or something smaller or larger than the document (`part`)."""

    part: Text = None
    available: Many[Service] = []
    unavailable: Many[Service] = []


class Document(Answer):
    """A title at the partner; `id` is the URI by which holds are placed."""

    id: str = Field(min_length=1, max_length=300)
    requested: Text = None
    href: Text = None
    item: Many[Item] = []


class DaiaAnswer(Answer):
    """The whole answer. One that has an error instead of documents is refused as malformed."""

    document: Many[Document]


def matching(documents: Iterable[Document], identifiers: Sequence[str]) -> list[Document]:
    """The documents that were asked for, each once, however their servers write an ISBN."""
    asked = frozenset(map(_compact, identifiers))
    found = {
        document.id: document
        for document in documents
        if _compact(document.id) in asked or _compact(document.requested or "") in asked
    }
    return list(found.values())


def _compact(identifier: str) -> str:
    return identifier.replace("-", "").replace(" ", "").casefold()


def availability_of(documents: Sequence[Document], *, today: dt.date, zone: ZoneInfo) -> Availability:
    """All items of a book taken together.

    An item that lists loan as available and as unavailable, as those with limitations do, counts as unavailable, and
    so does one that offers other services alone. Items that are a part of the book say nothing about the whole.
    """
    items = [item for document in documents for item in document.item if item.part != "narrower"]
    told = [item for item in items if item.available or item.unavailable]
    known = [item for item in told if _tells_of_loan(item)]
    loans = [service for item in known for service in item.unavailable if service.is_loan]
    days = [day for service in loans if (day := day_of(service.expected, zone)) is not None and day >= today]
    count = sum(_is_available(item) for item in known)
    return Availability(
        state=_state(count, has_items=bool(items), is_understood=bool(known)),
        copies_available=count if known or not items else None,
        queue=min((service.queue for service in loans if service.queue is not None), default=None),
        expected=min(days, default=None),
        href=next((address for document in documents if (address := web_address(document.href))), None),
    )


def _state(count: int, *, has_items: bool, is_understood: bool) -> PartnerState:
    if has_items and not is_understood:
        return PartnerState.UNKNOWN
    return PartnerState.AVAILABLE if count else PartnerState.UNAVAILABLE


def is_strange(documents: Iterable[Document]) -> bool:
    """Whether items tell of services, but only of such as neither the protocol nor a URI names."""
    items = [item for document in documents for item in document.item]
    names = [service.service for item in items for service in (*item.available, *item.unavailable)]
    is_known = any(":" in name for name in names) or any(_tells_of_loan(item) for item in items)
    return bool(names) and not is_known


_KNOWN_SERVICES = frozenset({"presentation", _LOAN, "remote", "interloan", "openaccess"})


def _tells_of_loan(item: Item) -> bool:
    """Whether any service is one that the protocol knows: then silence about loan means no."""
    names = {service.service.rpartition("#")[2].lower() for service in (*item.available, *item.unavailable)}
    return not names.isdisjoint(_KNOWN_SERVICES) or any(
        service.is_loan for service in (*item.available, *item.unavailable)
    )


def _is_available(item: Item) -> bool:
    return any(service.is_loan for service in item.available) and not any(
        service.is_loan for service in item.unavailable
    )
