"""The restaurant for commands: its settings, and its database, made where it is embedded and nobody has started it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from bookwell.kit import clock
from bookwell.kit.errors import DomainError
from bookwell.kit.private_files import make_private_folder

if TYPE_CHECKING:  # heavy imports that other commands do without
    from bookwell.tables.db import Database
    from bookwell.tables.settings import TablesSettings

__all__ = ["fail", "opened_restaurant", "restaurant_settings"]


def restaurant_settings() -> "TablesSettings":
    """The restaurant's settings; its clock is set by them."""
    from bookwell.tables.settings import TablesSettings  # noqa: PLC0415 -- needs the extra

    settings = TablesSettings.load()
    clock.set_offset(settings.clock_offset)
    return settings


@contextmanager
def opened_restaurant() -> "Iterator[Database]":
    """The restaurant's database; a refusal ends the command with its words."""
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 -- heavy

    from bookwell.tables.db import Database  # noqa: PLC0415 -- the same
    from bookwell.tables.migrating import migrate  # noqa: PLC0415 -- the same

    settings = restaurant_settings()
    if not settings.tables_database_url:
        make_private_folder(settings.data_dir)
        migrate(settings.database_url)  # accounts may be made before the first start
    database = Database.of_url(settings.database_url)
    try:
        yield database
    except DomainError as refusal:
        fail(refusal.detail)
    except DBAPIError as error:
        fail(f"The database cannot be read, or was never migrated: {error.orig}")
    finally:
        database.engine.dispose()


def fail(message: str) -> NoReturn:
    """End the command with a message."""
    typer.echo(message, err=True)
    raise typer.Exit(1)
