"""Who is in the sample library."""

import datetime as dt
from collections.abc import Mapping

from django.contrib.auth.hashers import make_password

from bookwell.library.accounts.models import User
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.services import create_user_in_tx
from bookwell.library.audit.services import SYSTEM

__all__ = ["DEMO_USERS", "EXTRAS", "add_people"]

DEMO_USERS: dict[str, Role] = {
    "admin": Role.ADMIN,
    "librarian": Role.LIBRARIAN,
    "staff": Role.STAFF,
    "reader": Role.READER,
    "customer": Role.READER,
    "josh": Role.READER,
    "mike": Role.READER,
}
"""Those who can log in. The readers among them have nothing open, so that whatever is tried first works."""

EXTRAS = {"anna": "adult", "jan": "adult", "olga": "staff", "maja": "child"}
"""Readers who give the desk something to do, and their categories; nobody knows their passwords."""


def add_people(*, passwords: Mapping[str, str], now: dt.datetime) -> dict[str, User]:
    """Create all of them, by username."""
    people = {name: _add(name, role, "adult", make_password(passwords[name]), now) for name, role in DEMO_USERS.items()}
    for name, category in EXTRAS.items():
        people[name] = _add(name, Role.READER, category, make_password(None), now)
    return people


def _add(name: str, role: Role, category: str, password: str, now: dt.datetime) -> User:
    return create_user_in_tx(
        fields={
            "username": name,
            "email": f"{name}@bookwell.example",
            "password": password,
            "role": role,
            "category_id": category,
            "channels": ["email"],
        },
        now=now,
        actor_id=SYSTEM,
        is_email_confirmed=True,
    )
