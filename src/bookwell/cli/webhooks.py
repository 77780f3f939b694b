"""`bookwell webhooks …`: what could not be told to other programs, and how it is told again."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bookwell.kit import clock
from bookwell.kit.errors import DomainError
from bookwell.kit.pages import Position

if TYPE_CHECKING:  # heavy imports that other commands do without
    from bookwell.notifier.db import Database
    from bookwell.notifier.deliveries.queries import Delivery, Endpoint

__all__ = ["webhooks"]

_ENDPOINTS = ("endpoint", "dead letters", "disabled since")
_DEAD = ("delivery", "event", "endpoint", "type", "about", "attempts", "since", "reason")

webhooks = typer.Typer(no_args_is_help=True, help="Signed webhooks that other programs did not take.")


@webhooks.command(name="list")
def list_dead(
    endpoint: Annotated[str, typer.Argument(help="By default every endpoint.")] = "",
    limit: Annotated[int, typer.Option(help="Dead letters that are shown, the newest first.", min=1)] = 100,
) -> None:
    """List endpoints that said they are gone or have dead letters, and the dead letters."""
    from bookwell.notifier.deliveries.queries import Filter, list_deliveries, list_endpoints  # noqa: PLC0415 -- heavy
    from bookwell.notifier.deliveries.rules import WEBHOOK, DeliveryState  # noqa: PLC0415 -- the same

    wanted = Filter(state=DeliveryState.FAILED.value, recipient=endpoint, channel=WEBHOOK)
    with _notifier() as database:
        found = [each for each in database.read(list_endpoints) if endpoint in {"", each.name}]
        dead = database.read(lambda tx: list_deliveries(tx, wanted, position=Position(), limit=limit))
    if not found and not dead:
        typer.echo("Nothing: no endpoint is gone, and none has dead letters.")
        return
    _show(_ENDPOINTS, (_cells_of_endpoint(each) for each in found))
    _show(_DEAD, (_cells_of_delivery(each) for each in dead))


@webhooks.command()
def replay(
    endpoint: Annotated[str, typer.Argument(help="The endpoint's name.")] = "",
    delivery: Annotated[str, typer.Option(help="One dead letter's id, instead of all of an endpoint.")] = "",
) -> None:
    """Send dead letters again, in their order, with as many attempts as new ones."""
    from bookwell.notifier.deliveries.services.endpoints import replay_in_tx  # noqa: PLC0415 -- heavy
    from bookwell.notifier.deliveries.services.record import retry_in_tx  # noqa: PLC0415 -- the same

    if bool(endpoint) == bool(delivery):
        raise typer.BadParameter("an endpoint's name, or --delivery with an id")
    now = clock.now()
    with _notifier() as database:
        if delivery:
            database.write(lambda tx: retry_in_tx(tx, delivery_id=delivery, now=now))
        count = 1 if delivery else database.write(lambda tx: replay_in_tx(tx, name=endpoint, now=now))
    typer.echo(f"{count} queued again")


@webhooks.command()
def enable(endpoint: Annotated[str, typer.Argument(help="The endpoint's name.")]) -> None:
    """Send to an endpoint again that said it is gone, its dead letters first."""
    from bookwell.notifier.deliveries.services.endpoints import enable_endpoint_in_tx  # noqa: PLC0415 -- heavy

    now = clock.now()
    with _notifier() as database:
        count = database.write(lambda tx: enable_endpoint_in_tx(tx, name=endpoint, now=now))
    typer.echo(f"{endpoint} is enabled; {count} queued again")


@contextmanager
def _notifier() -> "Iterator[Database]":
    """The notifier's database; what it refuses, or that it does not answer, ends the command with one line."""
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 -- see above

    from bookwell.notifier.db import Database  # noqa: PLC0415 -- see above
    from bookwell.notifier.settings import NotifierSettings  # noqa: PLC0415 -- see above

    settings = NotifierSettings.load()
    clock.set_offset(settings.clock_offset)
    database = Database.of_url(settings.database_url)
    try:
        yield database
    except DBAPIError as error:
        typer.echo(f"The notifier's database cannot be read, or was never migrated: {error.orig}", err=True)
        raise typer.Exit(1) from error
    except DomainError as error:
        typer.echo(error.detail, err=True)
        raise typer.Exit(1) from error
    finally:
        database.engine.dispose()


def _show(columns: tuple[str, ...], rows: "Iterator[tuple[str, ...]]") -> None:
    table = Table(*columns, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))  # no markup, whatever stands there
    if table.row_count:
        # A pipe has no width: there every cell stays whole.
        Console(width=None if Console().is_terminal else 1000).print(table)


def _cells_of_endpoint(endpoint: "Endpoint") -> tuple[str, ...]:
    since = f"{endpoint.disabled_at:%Y-%m-%d %H:%M}" if endpoint.disabled_at else "-"
    return endpoint.name, str(endpoint.dead_letters), since


def _cells_of_delivery(delivery: "Delivery") -> tuple[str, ...]:
    about = f"{delivery.aggregate} v{delivery.aggregate_version}"
    since = f"{delivery.ended_at:%Y-%m-%d %H:%M}" if delivery.ended_at else "-"
    what = (delivery.id, delivery.event_id, delivery.recipient, delivery.type, about)
    return (*what, str(delivery.attempts), since, delivery.reason)
