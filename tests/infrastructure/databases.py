"""Databases on a running server, made for one test or bench and dropped after it."""

import secrets
from contextlib import closing
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

import psycopg
import pymysql

__all__ = ["drop_database", "new_database", "version_of"]


def new_database(url: str, *, name: str = "", collation: str = "utf8mb4_bin", template: str = "template0") -> str:
    """Create a database beside the one that `url` names; answers its URL. The user must be allowed to.

    The name is made up where none is given; a database of a given name is dropped first.
    `collation` is MySQL's; `template` is PostgreSQL's, the name of a database that nobody is connected to.
    """
    made = name or f"bookwell_{secrets.token_hex(4)}"
    target = urlunsplit(urlsplit(url)._replace(path=f"/{made}"))
    drop_database(target)
    if _is_mysql(url):
        _execute(url, f"CREATE DATABASE `{made}` CHARACTER SET utf8mb4 COLLATE {collation}")
    else:
        _execute(url, f'CREATE DATABASE "{made}" TEMPLATE "{template}" ENCODING \'UTF8\'')
    return target


def drop_database(url: str) -> None:
    """Drop the database that `url` names, whoever is connected; nothing happens when there is none."""
    name = urlsplit(url).path.lstrip("/")
    if _is_mysql(url):
        _execute(url, f"DROP DATABASE IF EXISTS `{name}`")
    else:
        _execute(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def version_of(url: str) -> str:
    """The server's own words about its version.

    Raises:
        OSError, pymysql.Error, psycopg.Error: while it does not answer.
    """
    return _execute(url, "SELECT VERSION()" if _is_mysql(url) else "SHOW server_version")


def _execute(url: str, statement: str) -> str:
    with closing(_connect(urlsplit(url))) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
        row = cursor.fetchone() if cursor.description else None
    return str(row[0]) if row else ""


def _connect(parts: SplitResult) -> Any:
    login: dict[str, Any] = {
        "host": parts.hostname,
        "user": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "connect_timeout": 2,
    }
    if _is_mysql(parts.geturl()):
        return pymysql.connect(port=parts.port or 3306, **login)
    return psycopg.connect(port=parts.port or 5432, dbname="postgres", autocommit=True, **login)


def _is_mysql(url: str) -> bool:
    return url.startswith("mysql")
