"""`bookwell tables …`: who works at the restaurant, and which programs, where tables have accounts of their own."""

from enum import StrEnum
from typing import Annotated

import typer

from bookwell.cli.restaurant import fail, opened_restaurant, restaurant_settings
from bookwell.cli.restaurant_clients import clients
from bookwell.kit import clock
from bookwell.kit.asking import read_password
from bookwell.kit.key_ring import rotate_keys

__all__ = ["staff"]

_VARIABLE = "BOOKWELL_USER_PASSWORD"
_PASSWORD = f"The password is asked for, read from a pipe, or taken from {_VARIABLE}."

staff = typer.Typer(no_args_is_help=True, help="The restaurant's own staff accounts, and programs.")
staff.add_typer(clients, name="clients")

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

    with opened_restaurant() as database:
        password = read_password(_VARIABLE)
        staffing.create_account(database, username=username, password=password, role=Role(role.value), now=clock.now())
    typer.echo(f"Created {username}, {role}.")


@staff.command(help=f"Give somebody another password, which ends every session. {_PASSWORD}")
def set_password(username: Username) -> None:
    """Give somebody another password."""
    from bookwell.tables import staffing  # noqa: PLC0415 -- heavy

    with opened_restaurant() as database:
        password = read_password(_VARIABLE)
        staffing.change_password(database, username=username, password=password, now=clock.now())
    typer.echo(f"{username} has another password.")


@staff.command()
def deactivate_user(username: Username) -> None:
    """Let somebody work here no more; every session ends at once."""
    from bookwell.tables.accounts.services.accounts import deactivate_account  # noqa: PLC0415 -- heavy

    with opened_restaurant() as database:
        database.write(lambda connection: deactivate_account(connection, username=username, now=clock.now()))
    typer.echo(f"{username} works here no more.")


@staff.command(name="rotate-keys")
def rotate() -> None:
    """Sign with a new key from now on; the old one stays published until its tokens have expired."""
    settings = restaurant_settings()
    if settings.tables_signing_keys.get_secret_value().strip():
        fail("BOOKWELL_TABLES_SIGNING_KEYS holds the keys: put a new one before the others there.")
    typer.echo(f"The new key is {rotate_keys(settings.keys_dir)}")
