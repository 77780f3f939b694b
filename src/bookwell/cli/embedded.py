"""`bookwell up`: every service on this machine, with one data folder and nothing else installed."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from bookwell.cli.back_office import prepare_back_office
from bookwell.cli.folder_lock import folder_to_ourselves
from bookwell.cli.processes import spawn, stop
from bookwell.cli.samples import DEMO_FILE, SAMPLED, read_demo_file, users_told, write_demo_file
from bookwell.cli.server import serving_command
from bookwell.cli.service_settings import SERVICES as CONFIGURED
from bookwell.cli.service_settings import seconds_to_stop
from bookwell.cli.supervisor import Service, StartFailed, Supervisor, check_ports
from bookwell.kit.private_files import make_private_folder
from bookwell.kit.settings import CommonSettings

__all__ = ["SERVICES", "EmbeddedSettings", "run_embedded"]

SERVICES = ("library", "partners", "tables")
"""What a person may choose from; the notifier's page and the background's work run beside any of them."""
_STOP_SECONDS = 10
"""Of a process that waits for nobody."""
_ADDRESSES = ("library_url", "partners_url", "tables_url", "mail_url", "simulators_url", "backoffice_url")


@dataclass(frozen=True, slots=True)
class _Server:
    """A server by the setting of its port, its name among the addresses, and what a person finds there."""

    port: str
    address: str
    shows: str


_SERVERS = {
    "library": _Server("library_port", "library_url", "API: {url}/api/docs"),
    "simulators": _Server(
        "simulators_port", "simulators_url", "partner libraries and a back office to try things with"
    ),
    "partners": _Server("partners_port", "partners_url", "API: {url}/docs"),
    "tables": _Server("tables_port", "tables_url", "API: {url}/docs"),
    "notifier": _Server("mail_port", "mail_url", "the mails that were sent"),
}


class EmbeddedSettings(BaseSettings):
    """Where the embedded services keep their data and listen."""

    model_config = SettingsConfigDict(env_prefix="BOOKWELL_", env_ignore_empty=True, frozen=True, extra="ignore")

    data_dir: Path = Field(default=Path(".bookwell"), description="Embedded databases, keys, mails and logs lie here")
    library_port: int = Field(default=8013, ge=1, le=65535, description="Where the library listens")
    partners_port: int = Field(default=5013, ge=1, le=65535, description="Where the partners service listens")
    partners_config: Path | None = Field(default=None, description="partners.toml; without it, the simulators")
    simulators_port: int = Field(default=8030, ge=1, le=65535, description="Where the simulators listen")
    tables_port: int = Field(default=9000, ge=1, le=65535, description="Where the tables service listens")
    mail_port: int = Field(default=8025, ge=1, le=65535, description="Where the notifier listens")


def run_embedded(settings: EmbeddedSettings, *, only: Sequence[str], is_demo: bool, say: Callable[[str], None]) -> None:
    """Prepare the data folder, start the services and keep them running until SIGINT or SIGTERM.

    Raises:
        StartFailed: if a port or the folder is taken, or a service does not start; nothing is left running.
    """
    folder = settings.data_dir.absolute()
    make_private_folder(folder)
    taken = StartFailed(f"Another `bookwell up` is running with {folder}.")
    with folder_to_ourselves(folder, refusal=taken):
        back_office = _back_office(settings, folder) if is_demo and "tables" in only else {}
        environment = {**_environment(folder, is_demo=is_demo), **back_office}
        wanted = {name for name in _SERVERS if _is_wanted(name, only, settings)}
        wanted |= {"simulators"} if back_office else set()
        servers = [
            _server(name, settings, folder, environment | _of_server(name, only)) for name in _SERVERS if name in wanted
        ]
        check_ports(servers)
        _prepare(folder, only, environment, is_demo=is_demo)
        if is_demo:
            urls = {_SERVERS[server.name].address: server.url for server in servers}
            urls |= {"backoffice_url": _back_office_url(settings)} if back_office else {}
            addresses: dict[str, Any] = {name: urls.get(name) for name in _ADDRESSES}
            write_demo_file(folder, addresses | {"users": read_demo_file(folder).get("users", [])})
        supervisor = Supervisor([*servers, _background(folder, only, environment)], say)
        supervisor.run(on_ready=lambda: _tell(servers, folder, is_demo=is_demo, say=say))


def _is_wanted(name: str, only: Sequence[str], settings: EmbeddedSettings) -> bool:
    """Whoever has partners of their own needs no simulated ones."""
    if name == "simulators":
        return "partners" in only and settings.partners_config is None
    return name in only or name == "notifier"


def _back_office(settings: EmbeddedSettings, folder: Path) -> Mapping[str, str]:
    """What the services are told of the simulated back office; nothing where somebody has endpoints of their own."""
    tables_url = f"http://127.0.0.1:{settings.tables_port}"
    return prepare_back_office(folder, backoffice_url=_back_office_url(settings), tables_url=tables_url)


def _back_office_url(settings: EmbeddedSettings) -> str:
    return f"http://127.0.0.1:{settings.simulators_port}/backoffice"


def _server(name: str, settings: EmbeddedSettings, folder: Path, environment: Mapping[str, str]) -> Service:
    port: int = getattr(settings, _SERVERS[name].port)
    variable = f"BOOKWELL_{_SERVERS[name].port.upper()}"
    return Service(
        name=name,
        port=port,
        port_variable=variable,
        command=serving_command(name, port=port),
        environment={**environment, variable: str(port)},
        log=folder / "logs" / f"{name}.log",
        stop_seconds=_STOP_SECONDS + (seconds_to_stop(name) if name in CONFIGURED else 0),
    )


def _background(folder: Path, only: Sequence[str], environment: Mapping[str, str]) -> Service:
    ready_file = folder / ".background-is-ready"
    return Service(
        name="background",
        command=[sys.executable, "-m", "bookwell.cli.background", str(ready_file), *only, "notifier"],
        environment=environment,
        log=folder / "logs" / "background.log",
        ready_file=ready_file,
    )


def _environment(folder: Path, *, is_demo: bool) -> dict[str, str]:
    demo = {"BOOKWELL_TABLES_DEMO": "1"} if is_demo else {}
    return {**os.environ, **demo, "BOOKWELL_DATA_DIR": str(folder)}


def _of_server(name: str, only: Sequence[str]) -> dict[str, str]:
    """What one server is told besides: beside the library, tables take its tokens too."""
    if name != "tables" or "library" not in only:
        return {}
    issuers = [issuer.model_dump(mode="json") for issuer in CommonSettings.load().issuers_with_library]
    return {"BOOKWELL_ISSUERS": json.dumps(issuers)}


def _prepare(folder: Path, only: Sequence[str], environment: Mapping[str, str], *, is_demo: bool) -> None:
    options = ["--demo"] if is_demo else []
    command = [sys.executable, "-m", "bookwell.cli.first_start", str(folder), *only, *options]
    child = spawn(command, env=environment)
    try:
        status = child.wait()
    finally:
        stop(child)
    if status:
        raise StartFailed("The databases could not be prepared.")


def _tell(servers: Sequence[Service], folder: Path, *, is_demo: bool, say: Callable[[str], None]) -> None:
    for server in servers:
        say(f"{server.name}: {server.url} ({_SERVERS[server.name].shows.format(url=server.url)}, log: {server.log})")
    if is_demo:
        document = read_demo_file(folder)
        if document["backoffice_url"]:
            say(f"back office: {document['backoffice_url']} (where an employee answers orders of tables)")
        users = users_told(folder)
        for user in users:
            say(user)
        say(f"The same for scripts: {folder / DEMO_FILE}")
        if not users and any(server.name in SAMPLED for server in servers):
            say("The database was not empty, so no demo users were made. Choose another folder with --data-dir.")
    say("Bookwell is ready")
