"""Violated constraints as domain errors, by the constraint's name, for services on SQLAlchemy.

PostgreSQL tells the name apart. SQLite names the columns of a unique constraint, and triggers raise the name itself.
"""

import re
from collections.abc import Mapping

from sqlalchemy.exc import IntegrityError

from bookwell.kit.errors import DomainError

__all__ = ["domain_error_of"]

_SQLITE = re.compile(r"^(?:UNIQUE|CHECK) constraint failed: (.+)$", re.DOTALL)


def domain_error_of(error: IntegrityError, known: Mapping[str, type[DomainError]]) -> Exception:
    """The domain error that a violation stands for, or the error itself when nobody named its constraint."""
    kind = known.get(_violated(error))
    return kind() if kind else error


def _violated(error: IntegrityError) -> str:
    diagnosis = getattr(error.orig, "diag", None)
    if diagnosis is not None:
        return getattr(diagnosis, "constraint_name", None) or ""
    message = str(error.orig)
    match = _SQLITE.match(message)
    return match[1] if match else message
