"""Constraints as refusals: what is registered exists under that name, and every unique one of ours is registered."""

import pytest
from django.apps import apps
from django.db import connection, models

from bookwell.kit.adapters.django import constraints

pytestmark = pytest.mark.django_db

_OF_NO_CALLERS = {"outbox_event_queue", "partner_name_once", "partner_answer_once"}
"""No request can violate them: their rows have ids of our own, or are made by whoever finds that there are none."""
_NOT_ON_MYSQL = {"unique_verified_email"}
"""allauth's, of some rows alone."""


def _mapped() -> set[str]:
    """Names that stand for errors of ours; other tests map some to errors of their own."""
    return {name for name, error in constraints._by_name.items() if error.__module__.startswith("bookwell.")}  # noqa: SLF001


def _registered() -> set[str]:
    """What this database would call the constraints that services registered; SQLite names columns."""
    known = _mapped()
    if connection.vendor == "sqlite":
        return {name for name in known if "." in name}
    # The names that PostgreSQL would have chosen itself stand beside ours.
    named = {name for name in known if "." not in name and not name.endswith("_key")}
    return named - _NOT_ON_MYSQL if connection.vendor == "mysql" else named


def _existing() -> set[str]:
    names = set[str]()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            for name, found in connection.introspection.get_constraints(cursor, table).items():
                columns = ", ".join(f"{table}.{column}" for column in found["columns"])
                names.add(columns if connection.vendor == "sqlite" and found["unique"] else name)
    return names


def test_registered__each__is_a_constraint_of_this_database() -> None:
    registered = _registered()

    assert len(registered) >= 16
    assert registered - _existing() == set()


def test_unique__each_that_a_request_may_violate__is_registered() -> None:
    ours = {
        constraint.name
        for model in apps.get_models()
        if model.__module__.startswith("bookwell.")
        for constraint in model._meta.constraints  # noqa: SLF001 -- Django's public name
        if isinstance(constraint, models.UniqueConstraint)
    }

    assert ours - _mapped() == _OF_NO_CALLERS
