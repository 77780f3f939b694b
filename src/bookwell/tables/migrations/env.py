"""How Alembic runs the migrations of tables: on the connection that `migrating.migrate` gives it."""

from alembic import context

import bookwell.tables.accounts.models
import bookwell.tables.backoffice.models
import bookwell.tables.bookings.models
import bookwell.tables.floor.models  # noqa: F401 -- what is declared there is compared with the database
from bookwell.tables.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=context.config.attributes["version_table"],
    transaction_per_migration=True,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
