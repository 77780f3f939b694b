import multiprocessing
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import closing
from pathlib import Path

import pytest

from bookwell.kit.adapters.django.sqlite_cache import SqliteCache
from bookwell.kit.writers import line_of


@pytest.fixture
def cache(tmp_path: Path) -> SqliteCache:
    return SqliteCache(str(tmp_path / "cache.sqlite3"), {})


def count_up(path: str) -> None:
    cache = SqliteCache(path, {})
    for _ in range(1500):
        cache.add("n", 0)
        cache.incr("n", 2)


def test_set__any_value__comes_back(cache: SqliteCache) -> None:
    for value in ({"a": [1, None]}, "", 0, False, b"x"):
        cache.set("key", value)

        assert cache.get("key", "nothing") == value
        assert type(cache.get("key")) is type(value)


def test_get__after_its_time__is_gone(cache: SqliteCache) -> None:
    cache.set("key", 1, timeout=0.05)
    cache.set("kept", 1, timeout=None)
    time.sleep(0.06)

    assert (cache.get("key"), cache.get("kept")) == (None, 1)
    assert cache.add("key", 2)


def test_add__there_is_one__changes_nothing(cache: SqliteCache) -> None:
    assert cache.add("key", 1)

    assert not cache.add("key", 2)
    assert cache.get("key") == 1


def test_delete_touch_and_clear(cache: SqliteCache) -> None:
    cache.set_many({"a": 1, "b": 2})

    assert (cache.touch("a"), cache.touch("x")) == (True, False)
    assert (cache.delete("a"), cache.delete("a")) == (True, False)
    cache.clear()
    assert cache.get("b") is None


def test_incr__nothing_there__is_refused(cache: SqliteCache) -> None:
    with pytest.raises(ValueError, match="No number"):
        cache.incr("n")

    assert cache.get("n") is None


def test_incr__several_processes__loses_nothing(tmp_path: Path) -> None:
    path = str(tmp_path / "cache.sqlite3")
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=count_up, args=(path,)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)

    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert SqliteCache(path, {}).get("n") == 9000


def test_add__another_process_makes_the_file_at_this_moment__waits_for_it(tmp_path: Path) -> None:
    path = str(tmp_path / "cache.sqlite3")
    with ThreadPoolExecutor() as pool, closing(sqlite3.connect(path, isolation_level=None)) as other:
        with line_of(path):  # as the other one does
            other.execute("BEGIN IMMEDIATE")
            added = pool.submit(SqliteCache(path, {}).add, "n", 1)
            wait([added], timeout=0.2)
            other.execute("COMMIT")

        assert added.result(timeout=30)
