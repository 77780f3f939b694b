"""The list of partners, before a background process has stored it for the first time."""

import threading
import time

from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.library.partners import client
from bookwell.library.partners.errors import PartnersAbsent, PartnersSilent
from bookwell.library.partners.queries import known_partners
from bookwell.library.partners.services import remember_partners

__all__ = ["PartnerList", "partner_list"]

_PAUSE_SECONDS = 10


class PartnerList:
    """Asks the partners service, while no partner is known: rarely, one request does and the others wait for it."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._next_at = -float("inf")
        self._is_silent = False

    def fetch(self) -> dict[str, bool]:
        """Whether each takes holds, by its name; empty where nobody listens for partners.

        Raises:
            PartnersSilent
        """
        with self._guard:
            if time.monotonic() >= self._next_at:
                self._ask()
                self._next_at = time.monotonic() + _PAUSE_SECONDS
            if self._is_silent:
                raise PartnersSilent
        return known_partners.by_name()

    def _ask(self) -> None:
        try:
            listed = {partner.name: partner.takes_holds for partner in client.fetch_partners()}
        except PartnersSilent as error:
            self._is_silent = not isinstance(error, PartnersAbsent)
            return
        run_in_transaction(lambda: remember_partners(takes_holds=listed))
        known_partners.forget()  # also where somebody else has just stored the same
        self._is_silent = False


partner_list = PartnerList()
