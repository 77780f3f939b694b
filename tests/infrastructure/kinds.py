"""What each kind of server is called, how a throw-away one is laid out and started, and how it is asked.

They listen on loopback with a fresh password. Unless `durable`, commits do not wait for the disk: killing a process
of ours loses nothing then either, only a crash of the machine would.
"""

import os
import secrets
import signal
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import redis

from bookwell.cli.processes import spawn, stop
from tests.infrastructure.databases import version_of

__all__ = ["KINDS", "Kind", "Launch", "Place", "program_path"]

_USER = "bookwell"
_MAX_CONNECTIONS = 400
_PROGRAM_FOLDERS = ("/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one server runs: an empty folder of its own, a free port, and the user it runs as (None: ours)."""

    folder: Path
    port: int
    user: str | None
    durable: bool


@dataclass(frozen=True, slots=True)
class Launch:
    """The command that starts a prepared server, its address, and the signal that ends it at once."""

    command: list[str]
    url: str
    stop_signal: signal.Signals


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of server; `version` raises until the server answers."""

    name: str
    programs: tuple[str, ...]
    package: str
    prepare: Callable[[Place], Launch]
    version: Callable[[str], str]
    refuses_root: bool = False

    @property
    def variable(self) -> str:
        """The environment variable that names a running one."""
        return f"BOOKWELL_TEST_{self.name.upper()}_URL"

    @property
    def missing(self) -> list[str]:
        """The programs that are not on this machine."""
        return [program for program in self.programs if program_path(program) is None]


def program_path(name: str) -> Path | None:
    """Where a program is, also outside PATH, where Debian keeps servers; the newest PostgreSQL wins."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda bin_: int(bin_.parent.name), reverse=True)
    for folder in [*versions, *map(Path, _PROGRAM_FOLDERS)]:
        if (folder / name).is_file():
            return folder / name
    return None


def _prepare_mariadb(place: Place) -> Launch:
    data, password = place.folder / "data", secrets.token_hex(8)
    _run(
        [_program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db", *_as_root()],
        place,
    )
    first_statements = place.folder / "first.sql"
    first_statements.write_text(
        f"CREATE OR REPLACE USER '{_USER}'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL ON *.* TO '{_USER}'@'127.0.0.1';\n"
    )
    command = [
        *(_program("mariadbd"), "--no-defaults", *_as_root()),
        *(f"--datadir={data}", f"--init-file={first_statements}", f"--pid-file={place.folder}/pid"),
        *(f"--socket={place.folder}/socket", f"--port={place.port}", "--bind-address=127.0.0.1"),
        *("--skip-name-resolve", f"--max-connections={_MAX_CONNECTIONS}", "--back-log=400"),
        *("--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin", "--innodb-buffer-pool-size=512M"),
        *([] if place.durable else ["--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=fsync"]),
    ]
    return Launch(command, f"mysql://{_USER}:{password}@127.0.0.1:{place.port}/bookwell", signal.SIGKILL)


def _prepare_postgresql(place: Place) -> Launch:
    data, password = place.folder / "data", secrets.token_hex(8)
    password_file = place.folder / "password"
    password_file.write_text(password)
    password_file.chmod(0o644)  # for the server's user; the folder above is closed
    login = [f"--username={_USER}", "--auth=scram-sha-256", f"--pwfile={password_file}"]
    _run([_program("initdb"), "-D", str(data), "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", *login], place)
    options = {
        "listen_addresses": "127.0.0.1",
        "port": str(place.port),
        "unix_socket_directories": str(place.folder),
        "max_connections": str(_MAX_CONNECTIONS),
        "shared_buffers": "256MB",
        "dynamic_shared_memory_type": "mmap",  # in its folder, so that killing it leaves nothing behind
    }
    if not place.durable:
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    url = f"postgresql://{_USER}:{password}@127.0.0.1:{place.port}/bookwell"
    return Launch([_program("postgres"), "-D", str(data), *flags], url, signal.SIGQUIT)


def _prepare_redis(place: Place) -> Launch:
    password, settings = secrets.token_hex(8), place.folder / "redis.conf"
    settings.write_text(
        f"bind 127.0.0.1\nport {place.port}\nrequirepass {password}\ndir {place.folder}\nsave ''\n"
        f"appendonly {'yes' if place.durable else 'no'}\nappendfsync always\n"
    )
    url = f"redis://:{password}@127.0.0.1:{place.port}/0"
    return Launch([_program("redis-server"), str(settings)], url, signal.SIGKILL)


def _redis_version(url: str) -> str:
    with redis.Redis.from_url(url, socket_connect_timeout=2) as client:
        return str(client.info("server")["redis_version"])


def _program(name: str) -> str:
    path = program_path(name)
    if path is None:
        raise FileNotFoundError(name)
    return str(path)


def _as_root() -> list[str]:
    """MariaDB runs as root only when told to."""
    return ["--user=root"] if os.geteuid() == 0 else []


def _run(command: list[str], place: Place) -> None:
    log = place.folder / "prepare.log"
    with log.open("wb") as output:
        child = spawn(command, user=place.user, output=output)
        try:
            status = child.wait()
        finally:
            stop(child)
    if status:
        raise subprocess.CalledProcessError(status, command[0], log.read_bytes())


KINDS = {
    kind.name: kind
    for kind in (
        Kind("mariadb", ("mariadbd", "mariadb-install-db"), "mariadb-server", _prepare_mariadb, version_of),
        Kind("postgresql", ("postgres", "initdb"), "postgresql", _prepare_postgresql, version_of, refuses_root=True),
        Kind("redis", ("redis-server",), "redis-server", _prepare_redis, _redis_version),
    )
}
