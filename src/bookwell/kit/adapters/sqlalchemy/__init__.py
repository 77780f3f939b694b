"""The kit's side of SQLAlchemy: engines with each database's needs, and the outbox as the relay reads it."""

from bookwell.kit.adapters.sqlalchemy.engines import engine_of, reading, writing
from bookwell.kit.adapters.sqlalchemy.outbox import OutboxTable

__all__ = ["OutboxTable", "engine_of", "reading", "writing"]
