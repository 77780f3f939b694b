"""Servers for as long as a block runs: given, started here, or in containers; always stopped."""

import fcntl
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pymysql
import redis

from bookwell.cli.processes import spawn, stop
from tests.infrastructure.containers import engine_answers, running_containers
from tests.infrastructure.databases import new_database
from tests.infrastructure.installing import advice, can_install, install
from tests.infrastructure.kinds import KINDS, Kind, Place

__all__ = ["MissingServers", "Server", "free_port", "running_servers", "scratch_root"]

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
        for kind in absent:
            if kind.name not in urls:
                urls[kind.name] = stack.enter_context(_running(kind, root / kind.name, durable=durable))
        versions = {kind.name: _version_when_up(kind, urls[kind.name]) for kind in wanted}
        yield {name: Server(name, urls[name], version) for name, version in versions.items()}


def free_port() -> int:
    """A loopback port on which nothing listens now."""
    while True:
        port = random.choice(_PORTS)  # noqa: S311 -- no secret
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
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


@contextmanager
def _running(kind: Kind, folder: Path, *, durable: bool) -> Iterator[str]:
    """A throw-away server started from local programs; yields its URL."""
    folder.mkdir()
    user = "postgres" if kind.refuses_root and os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user, user)
    folder.chmod(0o700)
    launch = kind.prepare(Place(folder, free_port(), user, durable))
    with (folder / "server.log").open("wb") as log:
        child = spawn(launch.command, user=user, output=log, death_signal=launch.stop_signal)
    try:
        _version_when_up(kind, launch.url, child)
        if kind.name != "redis":
            new_database(launch.url, name="bookwell")
        yield launch.url
    except MissingServers as error:
        log_tail = (folder / "server.log").read_text(errors="replace")[-2000:]
        raise MissingServers(f"{error}\n{log_tail}") from error
    finally:
        stop(child, ask=launch.stop_signal)


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
