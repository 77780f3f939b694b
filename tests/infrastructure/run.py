"""`make test` and `make chaos`: every test, on every database, with an honest count in the end.

    python -m tests.infrastructure.run                                  everything
    python -m tests.infrastructure.run --chaos                          the long race and kill tests
    python -m tests.infrastructure.run --database mariadb PATHS…        some tests on one database

Fails when a test fails, errors or is skipped, and when a database that was asked for ran nothing.
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, MutableMapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from xml.etree import ElementTree as ET

from bookwell.cli.processes import spawn, stop
from tests.infrastructure.__main__ import environment_of, stop_on_signals
from tests.infrastructure.kinds import KINDS
from tests.infrastructure.python27 import MissingPython27, bring_door_environment
from tests.infrastructure.servers import MissingServers, Server, running_servers

__all__ = ["Counts", "Session", "keep_bytecode", "needs_python27", "other_kinds", "plan"]

DATABASES = ("sqlite", "mariadb", "postgresql")
ONCE = ("tests/unit", "tests/contract", "tests/e2e", "tests/messages")
PER_DATABASE = ("tests/integration", "tests/migrations", "tests/concurrency")
WITHOUT_DATABASE = ("tests/integration/partners", "tests/concurrency/partners")
"""Below the folders that run on each database, what has none and runs once."""
NEVER_ON = {"mariadb": ("tests/integration/tables", "tests/concurrency/tables")}
"""What a database is not for: tables know PostgreSQL and SQLite."""
CHAOS_ONCE = ("tests/contract", "tests/e2e", "tests/messages")
CHAOS_PER_DATABASE = ("tests/concurrency",)
_CHAOS_TIMEOUT_SECONDS = 3600
_BYTECODE = Path(sys.prefix) / ".bytecode"


@dataclass(frozen=True, slots=True)
class Session:
    """One run of pytest: some folders on one database, but for those that another session runs.

    It has one of its `processes` for each core of CI's, and one more where most tests wait for programs.
    """

    name: str
    database: str
    paths: tuple[str, ...]
    without: tuple[str, ...] = ()
    processes: int = 2


@dataclass(frozen=True, slots=True)
class Counts:
    """How the tests of a session ended; a failed set-up counts as failed."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        line = f"{self.passed} passed, {self.failed} failed"
        return f"{line}, {self.skipped} skipped" if self.skipped else line


def plan(*, databases: Sequence[str], paths: Sequence[str], is_chaos: bool) -> list[Session]:
    """The sessions of a run: given paths on each database, else what needs no particular one first."""
    if paths:
        return [Session(database, database, tuple(paths)) for database in databases]
    once, per_database = (CHAOS_ONCE, CHAOS_PER_DATABASE) if is_chaos else (ONCE, PER_DATABASE)
    sessions = [
        Session(database, database, _present(per_database), WITHOUT_DATABASE + NEVER_ON.get(database, ()))
        for database in databases
    ]
    if "sqlite" in databases:
        sessions.insert(0, Session("any database", "sqlite", _present((*once, *WITHOUT_DATABASE)), processes=3))
    return [session for session in sessions if session.paths]


def other_kinds(sessions: Sequence[Session]) -> list[str]:
    """What is needed besides databases: Redis, and RabbitMQ where a test asks for it (its start takes seconds)."""
    return ["redis", "rabbitmq"] if _is_mentioned("rabbitmq_url", sessions) else ["redis"]


def needs_python27(sessions: Sequence[Session]) -> bool:
    """Whether a test serves the door for Python 2.7."""
    return _is_mentioned("tests.doors", sessions)


def _is_mentioned(words: str, sessions: Sequence[Session]) -> bool:
    paths = [Path(path.partition("::")[0]) for session in sessions for path in session.paths]
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("test_*.py"))]
    return any(words in file.read_text() for file in files)


def counts_in(report: Path, status: int) -> Counts:
    """The counts of a JUnit report; a session that ended without one, or without any test, failed."""
    if not report.exists():
        return Counts(failed=1)
    suite = ET.parse(report).getroot().find("testsuite")  # noqa: S314 -- pytest has just written it
    if suite is None:
        return Counts(failed=1)
    number = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    failed = number["failures"] + number["errors"]
    passed = max(number["tests"] - failed - number["skipped"], 0)
    return Counts(passed, failed or int(status != 0), number["skipped"])


def _present(folders: Sequence[str]) -> tuple[str, ...]:
    return tuple(folder for folder in folders if any(Path(folder).rglob("test_*.py")))


def keep_bytecode(environment: MutableMapping[str, str]) -> None:
    """Hundreds of processes import the same modules; where none may leave bytecode beside them, it has its own folder.

    Containers often forbid it. Then every process would compile everything that it imports, which takes longer than
    what most tests do.
    """
    if environment.pop("PYTHONDONTWRITEBYTECODE", ""):
        environment.setdefault("PYTHONPYCACHEPREFIX", str(_BYTECODE))


def _run_session(session: Session, *, arguments: Sequence[str], servers: dict[str, Server]) -> Counts:
    environment = dict(os.environ) | environment_of(servers)
    environment.pop("BOOKWELL_LIBRARY_DATABASE_URL", None)
    if session.database in servers:
        environment["BOOKWELL_LIBRARY_DATABASE_URL"] = servers[session.database].url
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments, *session.paths]
        command += [f"--ignore={folder}" for folder in session.without]
        if session.processes > 1:
            command += ["-n", str(session.processes), "--dist", "loadfile", "--no-loadscope-reorder"]
        child = spawn(command, env=environment)
        try:
            status = child.wait()
        finally:
            stop(child)
        return counts_in(report, status)


def _run_all(sessions: Sequence[Session], *, arguments: Sequence[str], servers: dict[str, Server]) -> Iterator[Counts]:
    for session in sessions:
        print(f"\n== {session.name}: {' '.join(session.paths)}", flush=True)
        yield _run_session(session, arguments=arguments, servers=servers)


@contextmanager
def _door_environment_begun() -> Iterator[None]:
    """A process brings it while servers start; whoever wants it then waits, and says what is wrong."""
    child = spawn([sys.executable, "-m", "tests.infrastructure.python27"], output=subprocess.DEVNULL)
    try:
        yield
    finally:
        stop(child)


def _print_summary(sessions: Sequence[Session], counts: Sequence[Counts], servers: dict[str, Server]) -> None:
    print("\n== Ran")
    for session, count in zip(sessions, counts, strict=True):
        print(f"{servers.get(session.name, session.name)}: {count}")
    others = [server for server in servers.values() if server.kind not in DATABASES]
    print(f"with {', '.join(map(str, others))}")


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(prog="python -m tests.infrastructure.run", epilog="Other options go to pytest.")
    parser.add_argument("--database", default=",".join(DATABASES), help="some of them, separated by commas")
    parser.add_argument("--chaos", action="store_true", help="the long versions of race and kill tests")
    parser.add_argument("--workers", type=int, help="parallel processes of each session")
    parser.add_argument("paths", nargs="*")
    return parser.parse_known_args()


def _pytest_arguments(chosen: argparse.Namespace, others: Sequence[str]) -> list[str]:
    seed = os.environ.get("BOOKWELL_TEST_SEED") or random.randrange(2**32)  # noqa: S311 -- no secret
    print(f"Random seed: {seed} (BOOKWELL_TEST_SEED={seed} repeats the order)")
    arguments = ["-p", "randomly", f"--randomly-seed={seed}", "--durations=5", "--durations-min=5", *others]
    if chosen.chaos:
        os.environ["BOOKWELL_CHAOS"] = "1"
        arguments.append(f"--timeout={_CHAOS_TIMEOUT_SECONDS}")
    return arguments


def _main() -> int:
    chosen, others = _arguments()
    stop_on_signals()
    keep_bytecode(os.environ)
    started = time.monotonic()
    databases = chosen.database.split(",")
    sessions = plan(databases=databases, paths=chosen.paths, is_chaos=chosen.chaos)
    if chosen.workers:
        sessions = [replace(session, processes=chosen.workers) for session in sessions]
    arguments = _pytest_arguments(chosen, others)
    kinds = [kind for kind in databases if kind in KINDS] + other_kinds(sessions)
    has_doors = needs_python27(sessions)
    try:
        with _door_environment_begun() if has_doors else nullcontext(), running_servers(kinds) as servers:
            if has_doors:
                bring_door_environment()
            counts = list(_run_all(sessions, arguments=arguments, servers=servers))
            _print_summary(sessions, counts, servers)
    except (MissingServers, MissingPython27) as error:
        print(error, file=sys.stderr)
        print(Counts(failed=1))
        return 1
    total = sum(counts, Counts())
    idle = [session.name for session, count in zip(sessions, counts, strict=True) if not count.passed]
    print(f"in {time.monotonic() - started:.0f} s")
    if total.skipped or idle:
        print(f"Not everything ran: {total.skipped} skipped; nothing passed on: {', '.join(idle) or 'none'}")
    print(total, flush=True)
    return 1 if total.failed or total.skipped or idle or not sessions else 0


if __name__ == "__main__":
    sys.exit(_main())
