"""Browser sessions in the database, written through the transaction runner.

On SQLite its queue is what keeps a log-in from starving behind the writers that do stand in line.
"""

from typing import Any

from django.contrib.sessions.backends import db

from bookwell.kit.adapters.django.transactions import run_in_transaction

__all__ = ["SessionStore"]


class SessionStore(db.SessionStore):
    """Django's store; the name is the one that Django looks for."""

    def save(self, must_create: bool = False) -> None:
        """Write the session.

        Raises:
            CreateError, UpdateError: as Django's store.
        """
        save: Any = super().save
        run_in_transaction(lambda: save(must_create))

    def delete(self, session_key: str | None = None) -> None:
        """Forget the session, or the one named."""
        delete: Any = super().delete
        run_in_transaction(lambda: delete(session_key))
