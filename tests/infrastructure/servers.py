"""Servers for as long as a block runs: given, started here, or in containers; always stopped."""

import fcntl
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pymysql
import redis

from bookwell.cli.processes import spawn, stop
from tests.infrastructure.containers import engine_answers, running_containers
from tests.infrastructure.databases import new_database
from tests.infrastructure.installing import advice, can_install, install
from tests.infrastructure.kinds import KINDS, Kind
from tests.infrastructure.launching import Launch, Place

__all__ = ["MissingServers", "OwnServer", "Server", "free_port", "killable_server", "running_servers", "scratch_root"]

_START_SECONDS = 90
_PORTS = range(20_000, 32_000)  # below the range from which systems hand out ports by themselves
_FOLDER_PREFIX = "bookwell-servers-"
_OWNED = "owned"
_ROOM_FOR_SERVERS = 2 * 1024**3


class MissingServers(SystemExit):
    """A server is needed that is not here and cannot be brought."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server; its URL's user may create databases."""

    kind: str
    url: str
    version: str

    def __str__(self) -> str:
        """What answers: a MySQL may have been given for a MariaDB, whose version has that name in it."""
        product = "mysql" if self.kind == "mariadb" and "mariadb" not in self.version.lower() else self.kind
        return f"{product} ({self.version})"


@contextmanager
def running_servers(kinds: Sequence[str] = tuple(KINDS), *, durable: bool = False) -> Iterator[dict[str, Server]]:
    """The servers of these kinds, by kind: those in `BOOKWELL_TEST_*_URL`, else throw-away ones.

    `durable` makes a throw-away server's commits wait for the disk.

    Raises:
        MissingServers: if one cannot be brought; says what to install.
    """
    wanted = [KINDS[name] for name in kinds]
    given = {kind.name: os.environ[kind.variable] for kind in wanted if os.environ.get(kind.variable)}
    absent = [kind for kind in wanted if kind.name not in given]
    in_containers = _bring_programs(absent)
    with ExitStack() as stack:
        urls = given | stack.enter_context(running_containers({kind.name: free_port() for kind in in_containers}))
        root = stack.enter_context(_scratch_folder())
        begun = [
            stack.enter_context(_begun(kind, root / kind.name, durable=durable))
            for kind in reversed(absent)  # the broker takes longest, and starts while databases are laid out
            if kind.name not in urls
        ]
        for server in begun:
            urls[server.kind.name] = _url_when_up(server)
        versions = {kind.name: _version_when_up(kind, urls[kind.name]) for kind in wanted}
        yield {name: Server(name, urls[name], version) for name, version in versions.items()}


def free_port() -> int:
    """A loopback port on which nothing listens now, and which nobody else who asks here is given while we live."""
    while True:
        port = secrets.choice(_PORTS)  # not by `random`: its seed is the same in the parallel processes of a run
        with socket.socket() as probe, socket.socket(type=socket.SOCK_DGRAM) as claim:
            try:
                probe.bind(("127.0.0.1", port))
                claim.bind(("127.0.0.1", port))
            except OSError:
                continue
            claim.detach()  # the datagram port of the same number stays taken until this process ends
        return port


def scratch_root() -> str | None:
    """Memory where there is enough of it, else the usual temporary folder."""
    memory = Path("/dev/shm")  # noqa: S108 -- what is made in it has a fresh, closed folder
    has_room = memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM_FOR_SERVERS
    return str(memory) if has_room else None


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    """A folder for the servers' files, removed in the end; first, those whose owners were killed are."""
    parent = Path(scratch_root() or tempfile.gettempdir())
    for left_behind in parent.glob(f"{_FOLDER_PREFIX}*"):
        if _is_abandoned(left_behind):
            shutil.rmtree(left_behind, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_FOLDER_PREFIX, dir=parent) as folder:
        root = Path(folder)
        draft = root / "draft"
        with draft.open("w") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX)
            draft.rename(root / _OWNED)  # never to be seen without the lock
            root.chmod(0o711)  # a server that refuses root must reach its own folder
            yield root


def _is_abandoned(folder: Path) -> bool:
    """Whether the process that made the folder has ended: the kernel then gave its lock back."""
    try:
        with (folder / _OWNED).open("r+") as mark:
            fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _bring_programs(kinds: Sequence[Kind]) -> list[Kind]:
    """Install what is missing; answers the kinds that must run in containers instead."""
    missing = [kind for kind in kinds if kind.missing]
    if not missing:
        return []
    if can_install():
        install([kind.package for kind in missing])
        missing = [kind for kind in missing if kind.missing]
    if missing and not engine_answers():
        raise MissingServers(advice(missing))
    return missing


@dataclass(slots=True)
class OwnServer:
    """A server of our own, from local programs, that can be killed and started again; it keeps its folder and port."""

    kind: Kind
    folder: Path
    launch: Launch
    user: str | None = None
    _processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @classmethod
    def prepare(cls, kind: Kind, folder: Path, *, durable: bool) -> "OwnServer":
        """Lay one out in a new folder."""
        folder.mkdir()
        user = "postgres" if kind.refuses_root and os.geteuid() == 0 else None
        if user:
            shutil.chown(folder, user, user)
        folder.chmod(0o700)
        inner_ports = tuple(free_port() for _ in range(kind.inner_ports))
        return cls(kind, folder, kind.prepare(Place(folder, free_port(), inner_ports, user, durable)), user)

    def start(self) -> None:
        """Start it and wait until it answers. Call it from the main thread.

        Raises:
            MissingServers: when it does not, with the end of its log.
        """
        self.begin()
        self.wait_until_up()

    def begin(self) -> None:
        """Start it; it needs a while until it answers. Call it from the main thread."""
        launch = self.launch
        commands = [launch.companion, launch.command] if launch.companion else [launch.command]
        with self._log.open("ab") as log:
            for command in commands:
                child = spawn(
                    command, env=launch.environment, user=self.user, output=log, death_signal=launch.stop_signal
                )
                self._processes.append(child)

    def wait_until_up(self) -> None:
        """Wait until it answers.

        Raises:
            MissingServers: when it does not, with the end of its log.
        """
        try:
            _version_when_up(self.kind, self.launch.url, self._processes[-1])
        except MissingServers as error:
            raise MissingServers(f"{error}\n{self._log.read_text(errors='replace')[-2000:]}") from error

    @property
    def _log(self) -> Path:
        return self.folder / "server.log"

    @property
    def is_running(self) -> bool:
        """Whether it was started and has not ended."""
        return bool(self._processes) and all(process.poll() is None for process in self._processes)

    def stop(self) -> None:
        """End it at once; what it had promised to keep is kept."""
        while self._processes:
            stop(self._processes.pop(), ask=self.launch.stop_signal)

    def kill(self) -> None:
        """`kill -9`."""
        while self._processes:
            stop(self._processes.pop(), ask=signal.SIGKILL)


@contextmanager
def killable_server(name: str) -> Iterator[OwnServer]:
    """A throw-away server of this kind that the test starts, kills and starts again; stopped in the end.

    Raises:
        MissingServers: if its programs are not here and cannot be installed.
    """
    kind = KINDS[name]
    if _bring_programs([kind]):
        raise MissingServers(advice([kind]))
    with _scratch_folder() as root:
        server = OwnServer.prepare(kind, root / name, durable=False)
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def _begun(kind: Kind, folder: Path, *, durable: bool) -> Iterator[OwnServer]:
    """A throw-away server from local programs, which has begun to start."""
    server = OwnServer.prepare(kind, folder, durable=durable)
    try:
        server.begin()
        yield server
    finally:
        server.stop()


def _url_when_up(server: OwnServer) -> str:
    """Its URL, whose database is there."""
    server.wait_until_up()
    if server.kind.has_databases:
        new_database(server.launch.url, name="bookwell")
    return server.launch.url


def _version_when_up(kind: Kind, url: str, child: subprocess.Popen[bytes] | None = None) -> str:
    """The server's version, as soon as it answers.

    Raises:
        MissingServers: when its process ended or `_START_SECONDS` passed.
    """
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            return kind.version(url)
        except (OSError, pymysql.Error, psycopg.Error, redis.RedisError) as error:
            is_dead = child is not None and child.poll() is not None
            if is_dead or time.monotonic() > deadline:
                raise MissingServers(f"{kind.name} does not answer: {error}") from error
            time.sleep(0.1)
