"""Roles and what they include."""

from enum import StrEnum

__all__ = ["Role", "includes"]


class Role(StrEnum):
    """One a user. Admin includes librarian includes reader; staff (of the restaurant) includes reader."""

    READER = "reader"
    LIBRARIAN = "librarian"
    STAFF = "staff"
    ADMIN = "admin"


_INCLUDED: dict[Role, frozenset[Role]] = {
    Role.READER: frozenset({Role.READER}),
    Role.STAFF: frozenset({Role.STAFF, Role.READER}),
    Role.LIBRARIAN: frozenset({Role.LIBRARIAN, Role.READER}),
    Role.ADMIN: frozenset(Role),
}


def includes(role: Role, needed: Role) -> bool:
    """Whether a user of `role` may do what `needed` may."""
    return needed in _INCLUDED[role]
