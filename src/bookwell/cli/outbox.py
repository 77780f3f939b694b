"""`bookwell outbox …`: what has not been told yet, and what never could be."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bookwell.kit import clock
from bookwell.kit.outbox.rules import RowState

if TYPE_CHECKING:  # heavy imports that other commands do without
    from bookwell.kit.adapters.sqlalchemy.outbox import OutboxEntry, OutboxTable

__all__ = ["outbox"]

_COLUMNS = ("source", "event", "queue", "type", "about", "state", "age", "attempts", "error")

outbox = typer.Typer(no_args_is_help=True, help="Messages on their way out of the services' databases.")


@outbox.command(name="list")
def list_rows(
    state: Annotated[RowState | None, typer.Option(help="Default: everything that is not done.")] = None,
    limit: Annotated[int, typer.Option(help="Of each service, the oldest first.", min=1)] = 100,
) -> None:
    """List messages without a receipt; `--state dead` those that nobody could handle."""
    table = Table(*_COLUMNS, box=None, pad_edge=False)
    with _outboxes() as outboxes:
        for source, rows in outboxes.items():
            for entry in rows.list_rows(state, limit=limit):
                table.add_row(*(Text(cell) for cell in (source, *_cells(entry))))  # no markup, whatever stands there
    # A pipe has no width: there every cell stays whole.
    console = Console(width=None if Console().is_terminal else 1000)
    if table.row_count:
        console.print(table)
    else:
        console.print("Nothing: every message has been handled." if state is None else f"Nothing is {state}.")


@outbox.command()
def retry(
    event: Annotated[str, typer.Argument(help="An event's id; without one, every dead message.")] = "",
) -> None:
    """Make dead messages due again, once their cause is gone."""
    with _outboxes() as outboxes:
        revived = sum(rows.retry(event or None, now=clock.now()) for rows in outboxes.values())
    typer.echo(f"{revived} due again")
    if event and not revived:
        raise typer.Exit(1)


@contextmanager
def _outboxes() -> "Iterator[Mapping[str, OutboxTable]]":
    """The outboxes by service; a database that does not answer ends the command with one line."""
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415 -- see above

    from bookwell.cli.composition import BackgroundSettings, open_outboxes  # noqa: PLC0415 -- see above

    settings = BackgroundSettings.load()
    clock.set_offset(settings.clock_offset)
    try:
        yield open_outboxes(settings)
    except DBAPIError as error:
        typer.echo(f"A database cannot be read, or was never migrated: {error.orig}", err=True)
        raise typer.Exit(1) from error


def _cells(entry: "OutboxEntry") -> tuple[str, ...]:
    age = int(clock.now().timestamp() - entry.created_at / 1000)
    what = (entry.event_id, entry.queue, entry.type, f"{entry.aggregate} v{entry.aggregate_version}")
    return (*what, entry.state, f"{age} s", str(entry.attempts), entry.error)
