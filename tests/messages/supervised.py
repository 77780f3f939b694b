"""A relay that is started again when it ends, as `bookwell up` does: `python -m tests.messages.supervised FOLDER`."""

import os
import sys
from pathlib import Path

import typer

from bookwell.cli.supervisor import Service, Supervisor


def _main(folder: Path) -> None:
    relay = Service(
        name="relay",
        command=[sys.executable, "-m", "bookwell.cli.main", "relay"],
        environment=os.environ,
        log=folder / "supervised.log",
        ready_file=Path(os.environ["BOOKWELL_HEARTBEAT_FILE"]),
    )
    Supervisor([relay], typer.echo).run(on_ready=lambda: typer.echo("ready"))


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
