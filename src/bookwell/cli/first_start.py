"""What must be there before the services start: their tables and, where asked for, their samples.

Runs as a process of its own (`python -m bookwell.cli.first_start FOLDER SERVICE… [--demo]`), so that the supervisor
stays small and free of threads and connections. It touches the services that are named, and no other's code.
"""

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bookwell.cli.backup.unfinished import refuse_unfinished_restore
from bookwell.cli.machine_failures import line_of
from bookwell.cli.management import MIGRATIONS
from bookwell.cli.preparing import await_databases
from bookwell.cli.samples import list_empty, load_samples
from bookwell.cli.unread_variables import unread_variables
from bookwell.kit import clock
from bookwell.kit.settings import CommonSettings

_OF_ALL = ("logs", "notifier")
_FIRST_ACCOUNTS = {
    "library": "create-admin NAME EMAIL",
    "tables": "tables create-user NAME --role admin",
}


def _main() -> None:
    folder, *words = sys.argv[1:]
    try:
        _prepare(Path(folder), [word for word in words if word != "--demo"], is_demo="--demo" in words)
    except Exception as error:
        if (line := line_of(error)) is None:
            raise
        raise SystemExit(line) from None


def _prepare(folder: Path, services: Sequence[str], *, is_demo: bool) -> None:
    for line in unread_variables(os.environ, folder):
        sys.stderr.write(f"{line}.\n")
    refuse_unfinished_restore(folder)
    clock.set_offset(CommonSettings.load().clock_offset)
    wanted = [name for name in MIGRATIONS if name in services or name in _OF_ALL]
    await_databases(wanted, seconds=0)  # one that is away is a line, and not the driver's hundred
    for name in wanted:
        MIGRATIONS[name]()
    if is_demo:
        load_samples(folder, services)
    for service in list_empty([name for name in _FIRST_ACCOUNTS if name in services][:1]):  # tables take its people
        sys.stdout.write(f"{service}: nobody can log in yet. {_first_account(service, folder)}\n")


def _first_account(service: str, folder: Path) -> str:
    """The command that makes the first account, as it can be typed anywhere."""
    program = shlex.quote(str(Path(sys.executable).with_name("bookwell")))
    return f"BOOKWELL_DATA_DIR={shlex.quote(str(folder))} {program} {_FIRST_ACCOUNTS[service]}"


if __name__ == "__main__":
    _main()
