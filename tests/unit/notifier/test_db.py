from pathlib import Path

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from bookwell.notifier.db import Database


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database.of_url(f"sqlite:///{tmp_path / 'notifier.sqlite3'}")


class _Beaten:
    """Work that others are faster than, so many times."""

    def __init__(self, times: int) -> None:
        self.left = times

    def __call__(self, _connection: Connection) -> str:
        if self.left:
            self.left -= 1
            raise IntegrityError("INSERT", None, Exception("there is one"))
        return "done"


def test_write__rivals_were_faster_again_and_again__is_done_in_the_end(database: Database) -> None:
    assert database.write(_Beaten(6)) == "done"


def test_write__never_comes_through__says_so(database: Database) -> None:
    beaten = _Beaten(100)

    with pytest.raises(IntegrityError):
        database.write(beaten)

    assert beaten.left == 92
