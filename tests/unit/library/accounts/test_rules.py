"""Roles, and who may change what."""

import pytest

from bookwell.library.accounts.errors import FieldForbidden
from bookwell.library.accounts.rules import (
    Role,
    check_may_change,
    has_permission,
    includes,
    outside_role,
)


@pytest.mark.parametrize(
    ("named", "role"),
    [
        ((), None),
        (("offline_access", "service", "ADMIN"), None),
        (("reader", "x"), Role.READER),
        (("staff",), Role.READER),
        (("reader", "librarian"), Role.LIBRARIAN),
        (("librarian", "admin"), Role.ADMIN),
    ],
)
def test_outside_role__is_the_highest_that_counts_here(named: tuple[str, ...], role: Role | None) -> None:
    assert outside_role(named) is role


@pytest.mark.parametrize(
    ("role", "included"),
    [
        (Role.READER, {Role.READER}),
        (Role.STAFF, {Role.STAFF, Role.READER}),
        (Role.LIBRARIAN, {Role.LIBRARIAN, Role.READER}),
        (Role.ADMIN, set(Role)),
    ],
)
def test_includes__every_role(role: Role, included: set[Role]) -> None:
    assert {needed for needed in Role if includes(role, needed)} == included


@pytest.mark.parametrize(
    ("role", "permission", "expected"),
    [
        (Role.ADMIN, "accounts.delete_user", True),
        (Role.LIBRARIAN, "catalog.change_book", True),
        (Role.LIBRARIAN, "catalog.delete_book", False),
        (Role.LIBRARIAN, "accounts.view_user", False),
        (Role.LIBRARIAN, "circulation.view_policy", True),
        (Role.LIBRARIAN, "circulation.change_policy", False),
        (Role.LIBRARIAN, "circulation.delete_block", False),
        (Role.LIBRARIAN, "network.change_branch", False),
        (Role.STAFF, "catalog.view_book", False),
        (Role.READER, "catalog.view_book", False),
    ],
)
def test_has_permission__by_role(role: Role, permission: str, expected: bool) -> None:
    assert has_permission(role, permission) is expected


@pytest.mark.parametrize(
    ("fields", "is_admin", "is_own"),
    [
        ({"email", "password", "home_branch", "language", "channels"}, False, True),
        ({"username", "email", "category"}, True, True),
        ({"role", "is_active", "username"}, True, False),
        (set(), False, True),
    ],
)
def test_check_may_change__allowed(fields: set[str], is_admin: bool, is_own: bool) -> None:
    check_may_change(fields, is_admin=is_admin, is_own=is_own)


@pytest.mark.parametrize(
    ("fields", "is_admin"),
    [({"role"}, False), ({"role"}, True), ({"is_active"}, True), ({"category"}, False), ({"username", "email"}, False)],
)
def test_check_may_change__own_record__refused(fields: set[str], is_admin: bool) -> None:
    with pytest.raises(FieldForbidden):
        check_may_change(fields, is_admin=is_admin, is_own=True)
