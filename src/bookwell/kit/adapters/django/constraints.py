"""Violated constraints as domain errors, by the constraint's name.

Only the name is compared: messages also quote what a caller sent. PostgreSQL tells the name apart, MySQL and MariaDB
write it in a fixed place; SQLite names the columns of a unique constraint, so both spellings are registered.
"""

import re

from django.db import IntegrityError, connection

from bookwell.kit.errors import Conflict, DomainError

__all__ = ["ReferenceChanged", "domain_error_of", "map_constraint"]

_FOREIGN_KEY_MYSQL = frozenset({1451, 1452})
_FOREIGN_KEY_POSTGRESQL = "23503"

_MYSQL = re.compile(
    r" for key '(?:[^'.]+\.)?([^'.]+)'$"  # unique; MySQL writes the table before it, MariaDB does not
    r"|^Cannot (?:add or update a child|delete or update a parent) row: .* CONSTRAINT `([^`]+)` FOREIGN KEY"
    r"|^CONSTRAINT `([^`]+)` failed"
    r"|^Check constraint '([^']+)' is violated",
    re.DOTALL,
)
_SQLITE = re.compile(r"^(?:UNIQUE|CHECK) constraint failed: (.+)$", re.DOTALL)


class ReferenceChanged(Conflict):
    """What the request refers to was removed meanwhile, or what it removes came into use."""

    code = "reference.changed"
    title = "Something this request refers to has just changed"
    retryable = True


_by_name: dict[str, type[DomainError]] = {}


def map_constraint(name: str, error: type[DomainError], *, sqlite_columns: str = "") -> None:
    """Let a violation of constraint `name` (on SQLite of `table.column, …`) be raised as `error`.

    A column that is unique by itself has its own name on MySQL and `table_column_key` on PostgreSQL; the second
    follows from `sqlite_columns`.
    """
    _by_name[name] = error
    if sqlite_columns:
        _by_name[sqlite_columns] = error
        _by_name[sqlite_columns.replace(".", "_") + "_key"] = error


def domain_error_of(error: IntegrityError) -> Exception:
    """The domain error that a violation stands for, or the error itself when nobody registered it.

    A broken reference that nobody registered is a race that checks cannot see: somebody removed what was referred to.
    """
    kind = _by_name.get(_violated(error)) or (ReferenceChanged if _is_foreign_key(error) else None)
    return kind() if kind else error


def _is_foreign_key(error: IntegrityError) -> bool:
    if connection.vendor == "postgresql":
        return getattr(error.__cause__, "sqlstate", None) == _FOREIGN_KEY_POSTGRESQL
    if connection.vendor == "mysql":
        return error.args[0] in _FOREIGN_KEY_MYSQL
    return "FOREIGN KEY constraint failed" in str(error)


def _violated(error: IntegrityError) -> str:
    if connection.vendor == "postgresql":
        return getattr(getattr(error.__cause__, "diag", None), "constraint_name", None) or ""
    pattern, message = (_MYSQL, error.args[-1]) if connection.vendor == "mysql" else (_SQLITE, str(error))
    match = pattern.search(message)
    return next((name for name in match.groups() if name), "") if match else ""
