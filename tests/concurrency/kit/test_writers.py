"""The line of writers across processes, on a database file and by itself."""

import errno
import multiprocessing
import os
import signal
import sqlite3
import threading
import time
from itertools import groupby
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from bookwell.kit.writers import WritersLine, line_of

_TRANSACTIONS = 200
_SECONDS_EACH = 0.003
_LONGEST_RUN = 60
"""Turns in a row: 1 when both wait all the time, more when the system lets one of them sleep. Without the line 200."""

_spawning = multiprocessing.get_context("spawn")
_forking = multiprocessing.get_context("fork")


def _write_for_long(database: str, threads: int, answers: Connection) -> None:
    """Write `_TRANSACTIONS` times with that many threads, as soon as told to; says when it has."""

    def write() -> None:
        connection = sqlite3.connect(database, timeout=30, isolation_level=None)
        for _ in range(_TRANSACTIONS // threads):
            with line_of(database):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO written VALUES (?)", (os.getpid(),))
                time.sleep(_SECONDS_EACH)
                connection.execute("COMMIT")
        connection.close()

    answers.send("ready")
    answers.recv()
    writers = [threading.Thread(target=write) for _ in range(threads)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    answers.send("done")


def _hold(database: str, answers: Connection) -> None:
    with line_of(database):
        answers.send("mine")
        time.sleep(60)


def _hold_and_give_back(database: str, answers: Connection) -> None:
    with line_of(database):
        answers.send("mine")
    answers.send("free")


def _longest_run_of(turns: list[int]) -> int:
    """How often one process came in a row while the other one still had to."""
    both_work = turns[: min(len(turns) - turns[::-1].index(process) for process in set(turns))]
    return max(len(list(run)) for _, run in groupby(both_work))


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "written.sqlite3")
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("CREATE TABLE written (process INTEGER)")
    connection.close()
    return path


def test_line__two_busy_processes__neither_starves(database: str) -> None:
    pipes = []
    for threads in (4, 1):
        ours, theirs = _spawning.Pipe()
        child = _spawning.Process(target=_write_for_long, args=(database, threads, theirs), daemon=True)
        child.start()
        assert ours.recv() == "ready"
        pipes.append((child, ours))
    for _, ours in pipes:
        ours.send("go")

    assert [ours.recv() for _, ours in pipes] == ["done", "done"]
    for child, _ in pipes:
        child.join()
    connection = sqlite3.connect(database)
    turns = [process for (process,) in connection.execute("SELECT process FROM written ORDER BY rowid")]
    connection.close()

    assert len(turns) == 2 * _TRANSACTIONS
    assert _longest_run_of(turns) < _LONGEST_RUN


def test_line__its_holder_is_killed__goes_on(database: str) -> None:
    ours, theirs = _spawning.Pipe()
    holder = _spawning.Process(target=_hold, args=(database, theirs), daemon=True)
    holder.start()
    assert ours.recv() == "mine"
    entered = threading.Event()

    def enter() -> None:
        with line_of(database):
            entered.set()

    waiter = threading.Thread(target=enter, daemon=True)
    waiter.start()
    waits_for_the_holder = not entered.wait(0.2)
    assert holder.pid is not None
    os.kill(holder.pid, signal.SIGKILL)

    assert waits_for_the_holder
    assert entered.wait(60)
    holder.join()


def test_line__forked_while_it_is_held__the_child_has_a_place_of_its_own(database: str) -> None:
    ours, theirs = _forking.Pipe()

    with line_of(database):
        child = _forking.Process(target=_hold_and_give_back, args=(database, theirs), daemon=True)
        child.start()
        came_while_held = ours.poll(0.3)

    assert not came_while_held
    assert (ours.recv(), ours.recv()) == ("mine", "free")
    child.join()


def test_line__its_block_fails__is_free_again(database: str) -> None:
    with pytest.raises(InterruptedError), line_of(database):
        raise InterruptedError

    with line_of(database):
        pass


def test_line__no_place_for_its_files__leaves_the_error_to_the_database(tmp_path: Path) -> None:
    with line_of(str(tmp_path / "nowhere" / "written.sqlite3")):
        pass

    assert list(tmp_path.iterdir()) == []


def test_line_of__other_ways_to_write_the_path__is_the_same_line(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(database).parent)
    link = Path("link.sqlite3")
    link.symlink_to(database)

    assert line_of("written.sqlite3") is line_of(database)
    assert line_of(str(link.absolute())) is line_of(database)
    assert line_of(f"{database}2") is not line_of(database)


@pytest.mark.parametrize("name", ["", ":memory:", "file:shared?mode=memory&cache=shared"])
def test_line_of__in_memory__makes_no_files(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with line_of(name):
        pass

    assert list(tmp_path.iterdir()) == []


def test_line__one_of_its_files_cannot_be_opened_for_a_while__leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, opened, open_file = WritersLine(tmp_path / "db"), [], os.open

    def open_first_alone(path: str, flags: int, mode: int = 0o777) -> int:
        opened.append(path)
        if path.endswith("-turn"):
            raise OSError(errno.EMFILE, "Too many open files")
        return open_file(path, flags, mode)

    with monkeypatch.context() as full:
        full.setattr(os, "open", open_first_alone)
        for _ in range(3):
            with line:
                pass
    with line:
        pass

    assert [path.rpartition("-")[2] for path in opened] == ["next", "turn", "turn", "turn"]
    line.forget_parent()
