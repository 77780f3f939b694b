"""Who calls with a token of an outside issuer (`BOOKWELL_ISSUERS`), made known here at the first use."""

from bookwell.kit import clock
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.permissions import RoleForbidden
from bookwell.kit.tokens import Claims
from bookwell.library.accounts import services
from bookwell.library.accounts.errors import (
    CardNumberTaken,
    EmailTaken,
    IdentityKnown,
    UsernameTaken,
)
from bookwell.library.accounts.queries import Account, Caller, find_outside_account, find_outside_claims
from bookwell.library.accounts.rules import Role, outside_role

__all__ = ["find_outside_caller"]

_TRIES = 3
_LONGEST_NAME = 255
_RACES = (IdentityKnown, UsernameTaken, EmailTaken, CardNumberTaken)


def find_outside_caller(token: str) -> Caller | None:
    """The caller of an outside issuer's token; None when it is none, or the account here was deactivated.

    What the caller may do is the token's to say, at every call; who it is, the account's.

    Raises:
        IssuerUnreachable: if the issuer's keys could not be had yet.
        RoleForbidden: if the token names none of our roles.
    """
    claims = find_outside_claims(token)
    if claims is None or not _is_name(claims.subject):
        return None
    role = outside_role(claims.roles)
    if role is None:
        raise RoleForbidden
    account = _account_of(claims, role)
    return Caller(account.user_id, role, account.home_branch_id, None) if account.is_active else None


def _is_name(subject: str | None) -> bool:
    """Whether it is a subject as OpenID Connect has them."""
    return subject is not None and subject.isprintable() and len(subject) <= _LONGEST_NAME


def _account_of(claims: Claims, role: Role) -> Account:
    """The account, connected or made at the first use; whoever comes second at once finds the first one's."""
    tries = 0
    while (known := find_outside_account(issuer=claims.issuer, subject=claims.subject or "")) is None:
        tries += 1
        try:
            run_in_transaction(lambda: services.adopt_identity(claims=claims, role=role, now=clock.now()))
        except _RACES:
            if tries == _TRIES:
                raise
    return known
