"""Roles, names, and who may change what."""

import pytest

from bookwell.library.accounts.errors import FieldForbidden, UsernameInvalid
from bookwell.library.accounts.rules import (
    Role,
    check_may_change,
    check_username,
    fold_username,
    has_permission,
    includes,
)


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
    ("one", "other"), [("Anna", "ANNA"), ("Straße", "STRASSE"), ("e\u0301va", "\u00c9VA"), ("\uff41nna", "anna")]
)
def test_fold_username__spellings_of_one_name(one: str, other: str) -> None:
    assert fold_username(one) == fold_username(other)


@pytest.mark.parametrize(("one", "other"), [("jose", "jos\u00e9"), ("lodz", "\u0142\u00f3d\u017a")])
def test_fold_username__different_names(one: str, other: str) -> None:
    assert fold_username(one) != fold_username(other)


@pytest.mark.parametrize("name", ["a", "anna.k+1@home_2-x", "\u0410\u043d\u043d\u0430", "x" * 150])
def test_check_username__allowed(name: str) -> None:
    check_username(name)


@pytest.mark.parametrize("name", ["", "a b", "a\tb", "deleted:5", "x" * 151, "\ufdfa" * 50, "a/b", "\u200b"])
def test_check_username__refused(name: str) -> None:
    with pytest.raises(UsernameInvalid):
        check_username(name)


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
