"""Roles and what they include, who may change what of a user."""

from collections.abc import Collection, Sequence
from enum import StrEnum

from bookwell.library.accounts.errors import FieldForbidden

__all__ = [
    "CHANNELS",
    "LANGUAGES",
    "Role",
    "Scope",
    "check_may_change",
    "has_permission",
    "includes",
    "outside_role",
]

LANGUAGES = ("en", "pl", "ru")
CHANNELS = ("email", "sms", "webhook")

_SELF_CHANGEABLE = frozenset({"email", "password", "language", "channels", "wants_reminders", "home_branch"})


class Role(StrEnum):
    """One a user. Admin includes librarian includes reader; staff (of the restaurant) includes reader."""

    READER = "reader"
    LIBRARIAN = "librarian"
    STAFF = "staff"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a machine client may be allowed to do."""

    WRITE_RESERVATIONS = "reservations:write"
    READ_AVAILABILITY = "availability:read"
    READ_BOOKINGS = "bookings:read"
    """The restaurant's, at the tables service."""


_INCLUDED: dict[Role, frozenset[Role]] = {
    Role.READER: frozenset({Role.READER}),
    Role.STAFF: frozenset({Role.STAFF, Role.READER}),
    Role.LIBRARIAN: frozenset({Role.LIBRARIAN, Role.READER}),
    Role.ADMIN: frozenset(Role),
}

# What a librarian may do in Django's admin: "app.verb" of its permissions. Policies, branches, closures, users and
# their categories are the administrators' to change; what happens at the desk goes over the API.
_LIBRARIAN_MAY = frozenset(
    {"catalog.view", "catalog.add", "catalog.change", "network.view", "circulation.view", "partners.view"}
)


def includes(role: Role, needed: Role) -> bool:
    """Whether a user of `role` may do what `needed` may."""
    return needed in _INCLUDED[role]


def outside_role(named: Sequence[str]) -> Role | None:
    """The highest of the roles that an outside token names; the restaurant's staff are readers. None without any."""
    known = set(Role).intersection(named)
    return next((role for role in (Role.ADMIN, Role.LIBRARIAN) if role in known), Role.READER if known else None)


def has_permission(role: Role, permission: str) -> bool:
    """Whether a role has a permission of Django's (`catalog.change_book`): admins all, librarians their work's."""
    if role is Role.ADMIN:
        return True
    app, _, action = permission.partition(".")
    return role is Role.LIBRARIAN and f"{app}.{action.partition('_')[0]}" in _LIBRARIAN_MAY


def check_may_change(fields: Collection[str], *, is_admin: bool, is_own: bool) -> None:
    """Let administrators change everybody, but nobody the own role, and others some fields of their own record.

    `fields` are those whose value would differ.

    Raises:
        FieldForbidden
    """
    if is_own and not {"role", "is_active"}.isdisjoint(fields):
        raise FieldForbidden("Nobody changes the own role or standing.")
    if not is_admin and not _SELF_CHANGEABLE.issuperset(fields):
        raise FieldForbidden(f"Only an administrator changes {', '.join(sorted(set(fields) - _SELF_CHANGEABLE))}.")
