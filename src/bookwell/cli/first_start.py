"""What must be there before the services start: their tables and, where asked for, the sample library.

Runs as a process of its own (`python -m bookwell.cli.first_start FOLDER [--demo]`), so that the supervisor stays
small and free of threads and connections.
"""

import json
import os
import secrets
import sys
from pathlib import Path
from typing import Any

from bookwell.cli.management import migrate_library, migrate_logs, migrate_notifier, set_up_library

__all__ = ["DEMO_FILE", "read_demo_file", "write_demo_file"]

DEMO_FILE = "demo.json"
_PASSWORD_BYTES = 12


def read_demo_file(folder: Path) -> dict[str, Any]:
    """The addresses and users written at an earlier start; empty when there was none."""
    file = folder / DEMO_FILE
    document: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return document


def write_demo_file(folder: Path, document: dict[str, Any]) -> None:
    """Replace `demo.json` whole; only its owner may read it."""
    draft = folder / f".{DEMO_FILE}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(document, stream, indent=2)
        stream.write("\n")
    draft.replace(folder / DEMO_FILE)


def _load_demo(folder: Path) -> None:
    """Load the sample library into an empty database.

    The passwords are in `demo.json` before the database knows them: whenever this is killed, none is lost.
    """
    from bookwell.library.config.environment import LibrarySettings  # noqa: PLC0415 -- needs the extra
    from bookwell.library.demo import DEMO_USERS, is_empty, load_demo  # noqa: PLC0415 -- Django must be set up first

    if not is_empty():
        return
    one_for_all = LibrarySettings.load().demo_password.get_secret_value()
    passwords = {name: one_for_all or secrets.token_urlsafe(_PASSWORD_BYTES) for name in DEMO_USERS}
    users = [{"role": role, "username": name, "password": passwords[name]} for name, role in DEMO_USERS.items()]
    write_demo_file(folder, {"users": users})
    load_demo(passwords=passwords)


def _main() -> None:
    folder, *options = sys.argv[1:]
    set_up_library()
    migrate_library()
    migrate_logs()
    migrate_notifier()
    if "--demo" in options:
        _load_demo(Path(folder))


if __name__ == "__main__":
    _main()
