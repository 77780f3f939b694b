"""Django's connection, telling of each statement and commit that it has done."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from tests.concurrency.killing import End

__all__ = ["telling"]


@contextmanager
def telling(end: End) -> Iterator[None]:
    """Tell `end` of whatever this child's connection does in the block."""

    def execute_and_tell(execute: Any, sql: Any, params: Any, many: Any, context: Any) -> Any:
        result = execute(sql, params, many, context)
        end.come_behind(str(sql))
        return result

    connection.ensure_connection()
    _tell_of_commits(end)
    with connection.execute_wrapper(execute_and_tell):
        yield


def _tell_of_commits(end: End) -> None:
    wrapper: BaseDatabaseWrapper = connections["default"]
    commit = wrapper._commit  # type: ignore[attr-defined]  # noqa: SLF001 -- the one place of every commit

    def commit_and_tell() -> None:
        commit()
        end.come_behind_commit()

    wrapper._commit = commit_and_tell  # type: ignore[attr-defined]  # noqa: SLF001
