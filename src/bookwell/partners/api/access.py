"""Who may call what: readers, machine clients, the library service, staff."""

from flask import g, request

from bookwell.kit import clock
from bookwell.kit.adapters.flask.auth import RoleForbidden, authenticated
from bookwell.kit.errors import Forbidden
from bookwell.kit.tokens import Claims, TokenInvalid, TokenVerifier

__all__ = ["WRITE_RESERVATIONS", "Access", "ScopeMissing", "claims"]

WRITE_RESERVATIONS = "reservations:write"

_SERVICE = "service"
_STAFF = frozenset({"librarian", "admin"})
_READERS = frozenset({"reader", "librarian", "staff", "admin"})


class ScopeMissing(Forbidden):
    """A machine client without the scope that the operation needs."""

    code = "auth.scope_missing"
    title = "Your client's scopes do not allow this"


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
        if _SERVICE not in found.roles or found.issuer != self._library_issuer:
            raise RoleForbidden

    def staff(self) -> None:
        """Librarians and administrators."""
        if not _STAFF & set(self._authenticated().roles):
            raise RoleForbidden

    def find_caller(self) -> str | None:
        """A name for the caller whose token is good, to count requests by."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return None
        try:
            found = self._verifier.verify(token.strip(), now=clock.now())
        except TokenInvalid:
            return None
        return f"{found.issuer} {found.subject or found.client_id}"

    def _authenticated(self) -> Claims:
        g.claims = authenticated(self._verifier)
        found: Claims = g.claims
        return found


def claims() -> Claims:
    """Whose token let the request pass."""
    found: Claims = g.claims
    return found
