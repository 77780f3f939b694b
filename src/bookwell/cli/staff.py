"""`bookwell tables …`: who works at the restaurant, where tables have accounts of their own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from bookwell.kit import clock
from bookwell.kit.asking import read_password
from bookwell.kit.errors import DomainError
from bookwell.kit.key_ring import rotate_keys

if TYPE_CHECKING:  # heavy imports that other commands do without
    from bookwell.tables.db import Database
    from bookwell.tables.settings import TablesSettings

__all__ = ["staff"]

_VARIABLE = "BOOKWELL_USER_PASSWORD"
_PASSWORD = f"The password is asked for, read from a pipe, or taken from {_VARIABLE}."

staff = typer.Typer(no_args_is_help=True, help="The restaurant's own staff accounts.")

Username = Annotated[str, typer.Argument(help="In whatever case.")]


class _Role(StrEnum):
    ADMIN = "admin"
    STAFF = "staff"


@staff.command(help=f"Let somebody work here. {_PASSWORD}")
def create_user(
    username: Username, role: Annotated[_Role, typer.Option(help="What they may do.")] = _Role.STAFF
) -> None:
    """Let somebody work here."""
    from bookwell.tables import staffing  # noqa: PLC0415 -- heavy
    from bookwell.tables.accounts.rules import Role  # noqa: PLC0415 -- the same

    with _database() as database:
        password = read_password(_VARIABLE)
        staffing.create_account(database, username=username, password=password, role=Role(role.value), now=clock.now())
    typer.echo(f"Created {username}, {role}.")


@staff.command(help=f"Give somebody another password, which ends every session. {_PASSWORD}")
def set_password(username: Username) -> None:
    """Give somebody another password."""
    from bookwell.tables import staffing  # noqa: PLC0415 -- heavy

    with _database() as database:
        password = read_password(_VARIABLE)
        staffing.change_password(database, username=username, password=password, now=clock.now())
    typer.echo(f"{username} has another password.")


@staff.command()
def deactivate_user(username: Username) -> None:
    """Let somebody work here no more; every session ends at once."""
    from bookwell.tables.accounts.services.accounts import deactivate_account  # noqa: PLC0415 -- heavy

    with _database() as database:
        database.write(lambda connection: deactivate_account(connection, username=username, now=clock.now()))
    typer.echo(f"{username} works here no more.")


@staff.command(name="rotate-keys")
def rotate() -> None:
    """Sign with a new key from now on; the old one stays published until its tokens have expired."""
    settings = _settings()
    if settings.tables_signing_keys.get_secret_value().strip():
        _fail("BOOKWELL_TABLES_SIGNING_KEYS holds the keys: put a new one before the others there.")
    typer.echo(f"The new key is {rotate_keys(settings.keys_dir)}")


def _settings() -> "TablesSettings":
    from bookwell.tables.settings import TablesSettings  # noqa: PLC0415 -- needs the extra

    settings = TablesSettings.load()
    clock.set_offset(settings.clock_offset)
    return settings


@contextmanager
def _database() -> "Iterator[Database]":
    """The restaurant's database; a refusal ends the command with its words."""
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 -- heavy

    from bookwell.tables.db import Database  # noqa: PLC0415 -- the same
    from bookwell.tables.migrating import migrate  # noqa: PLC0415 -- the same

    settings = _settings()
    if "BOOKWELL_TABLES_DATABASE_URL" not in os.environ:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        migrate(settings.database_url)  # accounts may be made before the first start
    database = Database.of_url(settings.database_url)
    try:
        yield database
    except DomainError as refusal:
        _fail(refusal.detail)
    except DBAPIError as error:
        _fail(f"The database cannot be read, or was never migrated: {error.orig}")
    finally:
        database.engine.dispose()


def _fail(message: str) -> None:
    typer.echo(message, err=True)
    raise typer.Exit(1)
