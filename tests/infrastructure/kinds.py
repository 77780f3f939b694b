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

import redis

from bookwell.cli.processes import spawn, stop
from tests.infrastructure.databases import version_of
from tests.infrastructure.launching import USER, Launch, Place, program, program_path
from tests.infrastructure.rabbitmq import prepare_rabbitmq, rabbitmq_version

__all__ = ["KINDS", "Kind"]

_MAX_CONNECTIONS = 400


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of server; `version` raises until the server answers. `inner_ports` is how many more ports it needs."""

    name: str
    programs: tuple[str, ...]
    package: str
    prepare: Callable[[Place], Launch]
    version: Callable[[str], str]
    refuses_root: bool = False
    has_databases: bool = False
    inner_ports: int = 0

    @property
    def variable(self) -> str:
        """The environment variable that names a running one."""
        return f"BOOKWELL_TEST_{self.name.upper()}_URL"

    @property
    def missing(self) -> list[str]:
        """The programs that are not on this machine."""
        return [program for program in self.programs if program_path(program) is None]


def _prepare_mariadb(place: Place) -> Launch:
    data, password = place.folder / "data", secrets.token_hex(8)
    _run(
        [program("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--skip-test-db", *_as_root()],
        place,
    )
    first_statements = place.folder / "first.sql"
    first_statements.write_text(
        f"CREATE OR REPLACE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL ON *.* TO '{USER}'@'127.0.0.1';\n"
    )
    command = [
        *(program("mariadbd"), "--no-defaults", *_as_root()),
        *(f"--datadir={data}", f"--init-file={first_statements}", f"--pid-file={place.folder}/pid"),
        *(f"--socket={place.folder}/socket", f"--port={place.port}", "--bind-address=127.0.0.1"),
        *("--skip-name-resolve", f"--max-connections={_MAX_CONNECTIONS}", "--back-log=400"),
        *("--character-set-server=utf8mb4", "--collation-server=utf8mb4_bin", "--innodb-buffer-pool-size=512M"),
        *([] if place.durable else ["--innodb-flush-log-at-trx-commit=2", "--innodb-flush-method=fsync"]),
    ]
    return Launch(command, f"mysql://{USER}:{password}@127.0.0.1:{place.port}/bookwell", signal.SIGKILL)


def _prepare_postgresql(place: Place) -> Launch:
    data, password = place.folder / "data", secrets.token_hex(8)
    password_file = place.folder / "password"
    password_file.write_text(password)
    password_file.chmod(0o644)  # for the server's user; the folder above is closed
    login = [f"--username={USER}", "--auth=scram-sha-256", f"--pwfile={password_file}"]
    _run([program("initdb"), "-D", str(data), "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync", *login], place)
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
    url = f"postgresql://{USER}:{password}@127.0.0.1:{place.port}/bookwell"
    return Launch([program("postgres"), "-D", str(data), *flags], url, signal.SIGQUIT)


def _prepare_redis(place: Place) -> Launch:
    password, settings = secrets.token_hex(8), place.folder / "redis.conf"
    settings.write_text(
        f"bind 127.0.0.1\nport {place.port}\nrequirepass {password}\ndir {place.folder}\nsave ''\n"
        f"appendonly {'yes' if place.durable else 'no'}\nappendfsync always\n"
    )
    url = f"redis://:{password}@127.0.0.1:{place.port}/0"
    return Launch([program("redis-server"), str(settings)], url, signal.SIGKILL)


def _redis_version(url: str) -> str:
    with redis.Redis.from_url(url, socket_connect_timeout=2) as client:
        return str(client.info("server")["redis_version"])


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


_MARIADB = ("mariadbd", "mariadb-install-db")
_POSTGRESQL = ("postgres", "initdb")
_RABBITMQ = ("rabbitmq-server", "epmd")
KINDS = {
    kind.name: kind
    for kind in (
        Kind("mariadb", _MARIADB, "mariadb-server", _prepare_mariadb, version_of, has_databases=True),
        Kind(
            "postgresql",
            _POSTGRESQL,
            "postgresql",
            _prepare_postgresql,
            version_of,
            refuses_root=True,
            has_databases=True,
        ),
        Kind("redis", ("redis-server",), "redis-server", _prepare_redis, _redis_version),
        Kind("rabbitmq", _RABBITMQ, "rabbitmq-server", prepare_rabbitmq, rabbitmq_version, inner_ports=2),
    )
}
