"""Who calls: the bearer token's user, found in one statement, and the roles an operation needs."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja.security import HttpBearer

from bookwell.kit.permissions import RoleForbidden, ScopeMissing
from bookwell.library.accounts.outside_login import find_outside_caller
from bookwell.library.accounts.queries import (
    Caller,
    ClientCaller,
    ExpectedCaller,
    SessionEnded,
    expect_caller,
    find_caller,
    find_client_caller,
)
from bookwell.library.accounts.rules import Role, Scope, includes
from bookwell.library.circulation.rules import Actor

__all__ = [
    "TokenAuth",
    "actor_of",
    "admin",
    "anyone",
    "caller_of",
    "librarian",
    "reader",
    "reader_or_looker",
    "reader_or_writer",
]


class TokenAuth(HttpBearer):
    """A bearer token whose user's role includes `role`; otherwise 401, or 403."""

    openapi_bearerFormat = "JWT"  # noqa: N815 -- the name is ninja's

    def __init__(self, role: Role) -> None:
        super().__init__()
        self.role = role

    def __call__(self, request: HttpRequest) -> Any:
        """Ninja's hook: as its own, without making a mapping of all headers."""
        scheme, _, token = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        return self.authenticate(request, token) if scheme.lower() == self.openapi_scheme else None

    def authenticate(self, request: HttpRequest, token: str) -> Caller | None:
        """Ninja's hook: the caller, None for 401.

        Raises:
            RoleForbidden: if the role does not include what the operation needs, or a machine client asks.
            IssuerUnreachable: if the token is an outside issuer's, whose keys could not be had yet.
        """
        caller = _find_person(token)
        refused = find_client_caller(token) if caller is None else caller
        if refused is None or (caller is not None and includes(caller.role, self.role)):
            return caller
        request.auth = refused  # type: ignore[attr-defined]  # the refusal counts as one of the caller's requests
        raise RoleForbidden


class OptionalToken(TokenAuth):
    """Anyone: a person, a machine client, nobody where no token is sent; a token that is sent must be good."""

    def __call__(self, request: HttpRequest) -> Any:
        """Ninja's hook; answers True for an anonymous caller."""
        if "HTTP_AUTHORIZATION" not in request.META:
            return True
        return super().__call__(request)

    def authenticate(self, request: HttpRequest, token: str) -> Any:  # noqa: ARG002 -- ninja's signature
        """Ninja's hook: the caller, None for 401."""
        return _find_person(token) or find_client_caller(token)


class ReaderOrClient(TokenAuth):
    """Any reader, or a machine client with a scope."""

    def __init__(self, scope: Scope) -> None:
        super().__init__(Role.READER)
        self.scope = scope

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        """Ninja's hook: the caller, None for 401.

        Raises:
            ScopeMissing: if the client has not the scope.
        """
        caller = _find_person(token) or find_client_caller(token)
        if isinstance(caller, ClientCaller) and self.scope not in caller.scopes:
            request.auth = caller  # type: ignore[attr-defined]  # as in TokenAuth
            raise ScopeMissing
        return caller


class PlacerOrClient(ReaderOrClient):
    """The same for placing, which checks the session of an expected caller by its own first lock."""

    def authenticate(self, request: HttpRequest, token: str) -> Any:
        """Ninja's hook: the caller, perhaps an expected one; None for 401."""
        return expect_caller(token) or super().authenticate(request, token)


def _find_person(token: str) -> Caller | None:
    caller = find_caller(token)
    return find_outside_caller(token) if caller is None and settings.OUTSIDE_ISSUERS else caller


reader = TokenAuth(Role.READER)
librarian = TokenAuth(Role.LIBRARIAN)
admin = TokenAuth(Role.ADMIN)
anyone = OptionalToken(Role.READER)
reader_or_writer = PlacerOrClient(Scope.WRITE_RESERVATIONS)
reader_or_looker = ReaderOrClient(Scope.READ_AVAILABILITY)


def caller_of(request: HttpRequest) -> Caller:
    """The authenticated caller of an operation that requires one.

    Raises:
        SessionEnded: if the caller was only expected, and may not be served.
    """
    caller: Caller | ExpectedCaller | None = request.auth  # type: ignore[attr-defined]  # set by ninja
    if isinstance(caller, ExpectedCaller):
        caller = request.auth = caller.confirmed()  # type: ignore[attr-defined]
    if caller is None:
        raise SessionEnded
    return caller


def actor_of(request: HttpRequest) -> Actor:
    """The authenticated caller as circulation sees them."""
    caller = caller_of(request)
    return Actor(caller.user_id, is_librarian=includes(caller.role, Role.LIBRARIAN))
