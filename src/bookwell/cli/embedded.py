"""`bookwell up`: every service on this machine, with one data folder and nothing else installed."""

import fcntl
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from bookwell.cli.first_start import DEMO_FILE, read_demo_file, write_demo_file
from bookwell.cli.processes import spawn, stop
from bookwell.cli.server import serving_command
from bookwell.cli.supervisor import Service, StartFailed, Supervisor, check_ports

__all__ = ["SERVICES", "EmbeddedSettings", "run_embedded"]

SERVICES = ("library",)
_ADDRESSES = ("library_url", "partners_url", "tables_url", "mail_url", "simulators_url", "backoffice_url")


class EmbeddedSettings(BaseSettings):
    """Where the embedded services keep their data and listen."""

    model_config = SettingsConfigDict(env_prefix="BOOKWELL_", frozen=True, extra="ignore")

    data_dir: Path = Path(".bookwell")
    library_port: int = Field(default=8013, ge=1, le=65535)


def run_embedded(settings: EmbeddedSettings, *, only: Sequence[str], is_demo: bool, say: Callable[[str], None]) -> None:
    """Prepare the data folder, start the services and keep them running until SIGINT or SIGTERM.

    Raises:
        StartFailed: if a port or the folder is taken, or a service does not start; nothing is left running.
    """
    folder = settings.data_dir.absolute()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    services = [_service(name, settings, folder) for name in only]
    with _folder_to_ourselves(folder):
        check_ports(services)
        for service in services:
            _prepare(service, folder, is_demo=is_demo)
        if is_demo:
            urls = {f"{service.name}_url": service.url for service in services}
            addresses: dict[str, Any] = {name: urls.get(name) for name in _ADDRESSES}
            write_demo_file(folder, addresses | {"users": read_demo_file(folder).get("users", [])})
        Supervisor(services, say).run(on_ready=lambda: _tell(services, folder, is_demo=is_demo, say=say))


def _service(name: str, settings: EmbeddedSettings, folder: Path) -> Service:
    port: int = getattr(settings, f"{name}_port")
    variable = f"BOOKWELL_{name.upper()}_PORT"
    return Service(
        name=name,
        port=port,
        port_variable=variable,
        command=serving_command(name, port=port),
        environment=os.environ | {"BOOKWELL_DATA_DIR": str(folder), variable: str(port)},
        log=folder / "logs" / f"{name}.log",
    )


def _prepare(service: Service, folder: Path, *, is_demo: bool) -> None:
    command = [sys.executable, "-m", "bookwell.cli.first_start", str(folder), *(["--demo"] if is_demo else [])]
    child = spawn(command, env=service.environment)
    try:
        status = child.wait()
    finally:
        stop(child)
    if status:
        raise StartFailed(f"The database of {service.name} could not be prepared.")


def _tell(services: Sequence[Service], folder: Path, *, is_demo: bool, say: Callable[[str], None]) -> None:
    for service in services:
        say(f"{service.name}: {service.url} (API: {service.url}/api/docs, log: {service.log})")
    if is_demo:
        users = read_demo_file(folder)["users"]
        for user in users:
            say(f"  {user['role']:<10} {user['username']:<10} {user['password']}")
        say(
            f"The same for scripts: {folder / DEMO_FILE}"
            if users
            else "The database was not empty, so no demo users were made. Choose another folder with --data-dir."
        )
    say("Bookwell is ready")


@contextmanager
def _folder_to_ourselves(folder: Path) -> Iterator[None]:
    """SQLite's writers would starve one another in two servers."""
    with (folder / ".up.lock").open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StartFailed(f"Another `bookwell up` is running with {folder}.") from None
        yield
