"""What is remembered of partner libraries."""

import threading
import time

from bookwell.contracts.partners import PartnerAvailability
from bookwell.library.partners.models import Partner, PartnerAnswer

__all__ = ["KnownPartners", "known_partners", "list_known_answers"]

_FRESH_SECONDS = 10


class KnownPartners:
    """The partners' names in this process's memory, read again after some seconds: placing asks at every request."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._read_at = -float("inf")
        self._takes_holds: dict[str, bool] = {}

    def by_name(self) -> dict[str, bool]:
        """Whether each takes holds, by its name; one statement every ten seconds."""
        with self._guard:
            if time.monotonic() - self._read_at > _FRESH_SECONDS:
                self._takes_holds = dict(Partner.objects.values_list("name", "takes_holds"))
                self._read_at = time.monotonic()
            return self._takes_holds

    def forget(self) -> None:
        """Read at the next question."""
        with self._guard:
            self._read_at = -float("inf")


known_partners = KnownPartners()


def list_known_answers(book_id: int) -> list[PartnerAvailability]:
    """What each partner last said of a book, by name; one statement."""
    rows = PartnerAnswer.objects.filter(book_id=book_id).order_by("partner")
    return [PartnerAvailability.model_validate(content) for content in rows.values_list("content", flat=True)]
