"""Rows into MariaDB as fast as it takes them: LOAD DATA from a file of tabs."""

import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pymysql

__all__ = ["Value", "connect", "load_rows", "run_sql"]

Value = str | int | list[Any] | None
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n"})


def connect(url: str) -> "pymysql.Connection[Any]":
    """A connection that may load local files and does not check what our own generator makes right."""
    parts = urlsplit(url)
    return pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.path.lstrip("/"),
        charset="utf8mb4",
        local_infile=True,
        autocommit=True,
        init_command="SET SESSION foreign_key_checks = 0, unique_checks = 0, sql_mode = ''",
    )


def run_sql(url: str, *statements: str) -> "list[tuple[Any, ...]]":
    """Run statements in turn; the last one's rows."""
    connection = connect(url)
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())
    finally:
        connection.close()


def load_rows(url: str, table: str, columns: Sequence[str], rows: Iterable[Sequence[Value]]) -> None:
    """Fill `table`; lists become JSON, None becomes NULL."""
    with tempfile.TemporaryDirectory(prefix="bookwell-bench-") as folder:
        path = Path(folder) / table
        with path.open("w", encoding="utf-8") as file:
            file.writelines("\t".join(map(_field, row)) + "\n" for row in rows)
        run_sql(
            url,
            f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table} CHARACTER SET utf8mb4 ({', '.join(columns)})",
        )


def _field(value: Value) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, int):
        return str(value)
    text = value if isinstance(value, str) else json.dumps(value)
    return text.translate(_ESCAPES)
