"""Who may call what: readers, machine clients, the library service, staff."""

from dataclasses import replace

from flask import g

from bookwell.kit.adapters.flask.auth import authenticated, find_claims
from bookwell.kit.adapters.flask.throttle import Caller, sender_of
from bookwell.kit.permissions import RoleForbidden, ScopeMissing
from bookwell.kit.tokens import Claims, TokenVerifier

__all__ = ["WRITE_RESERVATIONS", "Access", "claims"]

WRITE_RESERVATIONS = "reservations:write"

_SERVICE = "service"
_STAFF = frozenset({"librarian", "admin"})
_READERS = frozenset({"reader", "librarian", "staff", "admin"})


class Access:
    """What operations authenticate with; each method lets a caller pass or raises 401 or 403."""

    def __init__(self, verifier: TokenVerifier, *, library_issuer: str) -> None:
        self._verifier = verifier
        self._library_issuer = library_issuer

    def who_reserves(self) -> None:
        """A reader, or a machine client with the scope."""
        found = self._authenticated()
        if found.subject is None:
            if WRITE_RESERVATIONS not in found.scopes:
                raise ScopeMissing
        elif not _READERS & set(found.roles):
            raise RoleForbidden

    def library_service(self) -> None:
        """The library service itself: a token of role `service` that it signed."""
        found = self._authenticated()
        if not self._is_library(found):
            raise RoleForbidden

    def staff(self) -> None:
        """Librarians and administrators, and the library service, which needs to know whom it may ask."""
        found = self._authenticated()
        if not (_STAFF & set(found.roles) or self._is_library(found)):
            raise RoleForbidden

    def find_caller(self) -> Caller:
        """Whose token is good, to count requests by: anonymous otherwise. The library service is not counted."""
        found = find_claims(self._verifier)
        return replace(sender_of(found), is_unlimited=found is not None and self._is_library(found))

    def _is_library(self, found: Claims) -> bool:
        return _SERVICE in found.roles and found.issuer == self._library_issuer

    def _authenticated(self) -> Claims:
        g.claims = authenticated(self._verifier)
        found: Claims = g.claims
        return found


def claims() -> Claims:
    """Whose token let the request pass."""
    found: Claims = g.claims
    return found
