"""Only the constraint's name decides what a violation means, wherever a database writes it."""

from types import SimpleNamespace

import pytest
from django.db import IntegrityError

from bookwell.kit.adapters.django import constraints
from bookwell.kit.adapters.django.constraints import ReferenceChanged, domain_error_of, map_constraint
from bookwell.kit.errors import Conflict


class _Taken(Conflict):
    code = "test.name_taken"
    title = "The name is taken"


map_constraint("shelf_name_once", _Taken, sqlite_columns="shelf.branch_id, shelf.name")
map_constraint("tag", _Taken, sqlite_columns="shelf.tag")


def _postgresql(name: str) -> IntegrityError:
    error, cause = IntegrityError("Key (name)=(shelf_name_once) is there"), Exception()
    cause.diag = SimpleNamespace(constraint_name=name)  # type: ignore[attr-defined]
    error.__cause__ = cause
    return error


_KNOWN = [
    ("mysql", IntegrityError(1062, "Duplicate entry 'a' for key 'shelf_name_once'")),
    ("mysql", IntegrityError(1062, "Duplicate entry 'a' for key 'shelf.shelf_name_once'")),
    ("mysql", IntegrityError(1062, "Duplicate entry 'it's\n' for key 'x'' for key 'tag'")),
    ("mysql", IntegrityError(4025, "CONSTRAINT `shelf_name_once` failed for `db`.`shelf`")),
    ("mysql", IntegrityError(3819, "Check constraint 'shelf_name_once' is violated.")),
    (
        "mysql",
        IntegrityError(
            1451,
            "Cannot delete or update a parent row: a foreign key constraint fails (`db`.`shelf`, "
            "CONSTRAINT `shelf_name_once` FOREIGN KEY (`branch_id`) REFERENCES `branch` (`id`))",
        ),
    ),
    ("sqlite", IntegrityError("UNIQUE constraint failed: shelf.branch_id, shelf.name")),
    ("sqlite", IntegrityError("CHECK constraint failed: shelf_name_once")),
    ("sqlite", IntegrityError("UNIQUE constraint failed: shelf.tag")),
    ("postgresql", _postgresql("shelf_name_once")),
    ("postgresql", _postgresql("shelf_tag_key")),
]
_UNKNOWN = [
    ("mysql", IntegrityError(1062, "Duplicate entry 'a' for key 'shelf_name_once' for key 'PRIMARY'")),
    ("mysql", IntegrityError(1062, "Duplicate entry 'CONSTRAINT `tag` failed' for key 'shelf.PRIMARY'")),
    ("mysql", IntegrityError(1048, "Column 'tag' cannot be null")),
    ("mysql", IntegrityError(1062, "Duplicate entry 'a' for key 'tags'")),
    ("sqlite", IntegrityError("NOT NULL constraint failed: shelf.tag")),
    ("sqlite", IntegrityError("UNIQUE constraint failed: shelf.name")),
    ("postgresql", _postgresql("shelf_pkey")),
    ("postgresql", IntegrityError("shelf_name_once")),
]


@pytest.mark.parametrize(("vendor", "error"), _KNOWN)
def test_violation__of_a_known_constraint__is_its_error(
    vendor: str, error: IntegrityError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constraints, "connection", SimpleNamespace(vendor=vendor))

    assert isinstance(domain_error_of(error), _Taken)


@pytest.mark.parametrize(("vendor", "error"), _UNKNOWN)
def test_violation__of_another_one__stays_what_it_is(
    vendor: str, error: IntegrityError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constraints, "connection", SimpleNamespace(vendor=vendor))

    assert domain_error_of(error) is error


def _broken_reference_on_postgresql() -> IntegrityError:
    error, cause = IntegrityError("violates foreign key constraint"), Exception()
    cause.sqlstate = "23503"  # type: ignore[attr-defined]
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("vendor", "error"),
    [
        ("sqlite", IntegrityError("FOREIGN KEY constraint failed")),
        ("mysql", IntegrityError(1452, "Cannot add or update a child row: a foreign key constraint fails")),
        ("postgresql", _broken_reference_on_postgresql()),
    ],
)
def test_domain_error_of__reference_that_nobody_registered__is_a_conflict(
    monkeypatch: pytest.MonkeyPatch, vendor: str, error: IntegrityError
) -> None:
    monkeypatch.setattr(constraints, "connection", SimpleNamespace(vendor=vendor))

    assert isinstance(domain_error_of(error), ReferenceChanged)
