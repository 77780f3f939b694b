"""`bookwell tables clients …`: programs that read the restaurant's feed."""

import datetime as dt
from typing import Annotated

import typer

from bookwell.cli.restaurant import opened_restaurant
from bookwell.kit import clock
from bookwell.kit.machine_clients import NewClient

__all__ = ["clients"]

clients = typer.Typer(no_args_is_help=True, help="Programs that may call the tables service, and what they may.")

_Name = Annotated[str, typer.Argument(help="The client's name, or its id.")]


@clients.command()
def add(
    name: Annotated[str, typer.Argument(help="As it is to stand in the list.")],
    scope: Annotated[list[str] | None, typer.Option(help="What it may do: bookings:read.")] = None,
) -> None:
    """Let a program in; prints its id and secret, once."""
    from bookwell.tables import staffing  # noqa: PLC0415 -- heavy

    with opened_restaurant() as database:
        _tell(staffing.add_client(database, name=name, scopes=scope or [], now=clock.now()))


@clients.command(name="list")
def list_all() -> None:
    """List programs with their scopes; secrets are not kept."""
    from bookwell.tables.accounts.queries import list_clients  # noqa: PLC0415 -- heavy

    with opened_restaurant() as database:
        for client in database.read(list_clients):
            revoked = "" if client.revoked_at is None else f"revoked {_shown(client.revoked_at)}"
            typer.echo("  ".join(filter(None, (client.client_id, client.name, client.scopes, revoked))))


@clients.command()
def rotate(
    name: _Name,
    both_for: Annotated[float, typer.Option(help="Hours for which the secret before it is good.", min=0)] = 24,
) -> None:
    """Give a program another secret; the one before stays good for a day, so that nothing stops."""
    from bookwell.tables import staffing  # noqa: PLC0415 -- heavy

    hours = dt.timedelta(hours=both_for)
    with opened_restaurant() as database:
        _tell(staffing.rotate_secret(database, name=name, both_for=hours, now=clock.now()))


@clients.command()
def revoke(name: _Name) -> None:
    """Shut a program out, at once."""
    from bookwell.tables.accounts.services.clients import revoke_client  # noqa: PLC0415 -- heavy

    with opened_restaurant() as database:
        database.write(lambda connection: revoke_client(connection, name=name, now=clock.now()))
    typer.echo(f"{name} is revoked.")


def _tell(new: NewClient) -> None:
    typer.echo(str(new))
    typer.echo("The secret is not shown again.", err=True)


def _shown(milliseconds: int) -> str:
    return f"{dt.datetime.fromtimestamp(milliseconds / 1000, tz=dt.UTC):%Y-%m-%d %H:%M} UTC"
