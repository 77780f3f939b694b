"""`bookwell backup` and `bookwell restore`, as a person or a timer calls them."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

__all__ = ["backup", "restore"]


def backup(
    folder: Annotated[Path, typer.Argument(help="Where backups are kept, each in a folder of its own.")],
) -> None:
    """Save every database that the settings name, and the keys and secrets of the data folder; services may run."""
    from bookwell.cli.backup.working import FAILURES, make_backup  # noqa: PLC0415 -- heavy

    try:
        with _cleared_up_when_told_to_stop():
            made = make_backup(folder, say=_tell)
    except FAILURES as error:
        _fail(error)
    typer.echo(made)


def restore(
    folder: Annotated[Path, typer.Argument(help="A backup: the folder with manifest.json.")],
    force: Annotated[bool, typer.Option("--force", help="Drop what the databases hold now.")] = False,
    ignore_connections: Annotated[
        bool, typer.Option("--ignore-connections", help="Go on though others are connected to a database.")
    ] = False,
    check: Annotated[bool, typer.Option("--check", help="Only look whether the backup is whole.")] = False,
) -> None:
    """Put a backup back into the databases that the settings name; stop every service first."""
    from bookwell.cli.backup.manifest import read_backup  # noqa: PLC0415 -- heavy
    from bookwell.cli.backup.working import FAILURES, restore_backup  # noqa: PLC0415 -- the same

    try:
        if check:
            found = read_backup(folder)
            typer.echo(f"whole: {', '.join(part.service for part in found.parts)}, made {found.made_at}")
            return
        restore_backup(folder, is_forced=force, ignores_others=ignore_connections, say=_tell)
    except FAILURES as error:
        _fail(error)
    typer.echo("restored; now bring it up to date: bookwell migrate")


@contextmanager
def _cleared_up_when_told_to_stop() -> Iterator[None]:
    """Let SIGTERM (of a timer that is stopped) end the block like Ctrl-C: no half of everybody's data stays behind."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    former = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _tell(line: str) -> None:
    typer.echo(line, err=True)


def _fail(error: Exception) -> None:
    """End with the message; a database's own words hold no password."""
    typer.echo(str(getattr(error, "orig", None) or error), err=True)
    raise typer.Exit(1)
