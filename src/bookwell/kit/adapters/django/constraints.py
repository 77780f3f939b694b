"""Violated constraints as domain errors, by the constraint's name.

PostgreSQL and MariaDB name the constraint in their message; SQLite names the columns of a unique one, so both
spellings are registered.
"""

from django.db import IntegrityError

from bookwell.kit.errors import DomainError

__all__ = ["domain_error_of", "map_constraint"]

_by_mark: dict[str, type[DomainError]] = {}


def map_constraint(name: str, error: type[DomainError], *, sqlite_columns: str = "") -> None:
    """Let a violation of constraint `name` (on SQLite of `table.column, …`) be raised as `error`."""
    _by_mark[name] = error
    if sqlite_columns:
        _by_mark[sqlite_columns] = error


def domain_error_of(error: IntegrityError) -> Exception:
    """The domain error that a violation stands for, or the error itself when nobody registered it."""
    message = str(error)
    matching = [mark for mark in _by_mark if mark in message]
    if not matching:
        return error
    return _by_mark[max(matching, key=len)]()
