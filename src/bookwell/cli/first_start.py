"""What must be there before the services start: their tables and, where asked for, their samples.

Runs as a process of its own (`python -m bookwell.cli.first_start FOLDER SERVICE… [--demo]`), so that the supervisor
stays small and free of threads and connections. It touches the services that are named, and no other's code.
"""

import os
import sys
from pathlib import Path

from bookwell.cli.backup.unfinished import refuse_unfinished_restore
from bookwell.cli.management import MIGRATIONS
from bookwell.cli.samples import load_samples
from bookwell.cli.unread_variables import unread_variables
from bookwell.kit import clock
from bookwell.kit.settings import CommonSettings

_OF_ALL = ("logs", "notifier")


def _main() -> None:
    folder, *words = sys.argv[1:]
    services = [word for word in words if word != "--demo"]
    for line in unread_variables(os.environ, Path(folder)):
        sys.stderr.write(f"{line}.\n")
    refuse_unfinished_restore(Path(folder))
    clock.set_offset(CommonSettings.load().clock_offset)
    for name in MIGRATIONS:
        if name in services or name in _OF_ALL:
            MIGRATIONS[name]()
    if "--demo" in words:
        load_samples(Path(folder), services)


if __name__ == "__main__":
    _main()
