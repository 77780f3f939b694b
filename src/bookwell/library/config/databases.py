"""One URL to Django's database settings, with what each database needs to be correct."""

from pathlib import Path
from typing import Any

import dj_database_url

__all__ = ["cache_settings", "database_settings", "log_database_settings"]

_ENGINES = {
    "django.db.backends.sqlite3": "bookwell.kit.adapters.django.sqlite",
    "django.db.backends.mysql": "bookwell.kit.adapters.django.mysql",
    "django.db.backends.postgresql": "django.db.backends.postgresql",
}
# The writers of one process stand in line, those of another one (an import) let them starve: hence 30 s, which is
# longer than the transaction runner's deadline, so that it waits like this once.
_SQLITE_OPTIONS: dict[str, Any] = {
    "timeout": 30,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32000",
}
# Locks are held for milliseconds. The transaction runner waits this long once more, then tells to try again.
# The server would close connections after a night without readers, and each thread's first request would find that out.
_MYSQL_OPTIONS = {
    "charset": "utf8mb4",
    "isolation_level": "read committed",
    "init_command": "SET innodb_lock_wait_timeout = 5, wait_timeout = 2147483, sql_mode = 'TRADITIONAL'",
}
# At Django's 300 entries, its cache would throw away failed log-ins and counters that have not expired.
_MAX_CACHE_ENTRIES = 1_000_000
# A Redis that does not answer is one that is down; without these a request waits for as long as the network does.
_REDIS_OPTIONS = {"socket_connect_timeout": 1, "socket_timeout": 1}
# Who looks for log records rather hears that their database does not answer than waits for it.
_LOG_OPTIONS: dict[str, dict[str, Any]] = {
    "sqlite": {},
    "mysql": {"connect_timeout": 3, "read_timeout": 20, "write_timeout": 20},
    "postgresql": {"connect_timeout": 3},
}
_POSTGRESQL_OPTIONS = {"options": "-c lock_timeout=5000 -c timezone=UTC"}


def database_settings(url: str) -> dict[str, Any]:
    """Django's settings for a `sqlite:`, `mysql:` or `postgresql:` URL; connections stay open."""
    parsed: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=None))
    stock = parsed["ENGINE"]
    if stock not in _ENGINES:
        raise SystemExit(f"BOOKWELL_LIBRARY_DATABASE_URL: no support for {url.split(':', 1)[0]!r}")
    options: dict[str, Any] = {
        "django.db.backends.sqlite3": _SQLITE_OPTIONS,
        "django.db.backends.mysql": _MYSQL_OPTIONS,
        "django.db.backends.postgresql": _POSTGRESQL_OPTIONS,
    }[stock]
    parsed["ENGINE"] = _ENGINES[stock]
    parsed["OPTIONS"] = parsed.get("OPTIONS", {}) | options
    if stock == "django.db.backends.mysql":
        parsed["TEST"] = {"CHARSET": "utf8mb4", "COLLATION": "utf8mb4_bin"}
    return parsed


def log_database_settings(url: str) -> dict[str, Any]:
    """The same for the log records' own database: asked seldom, so that connections are not kept."""
    made = database_settings(url)
    made["CONN_MAX_AGE"] = 0
    made["OPTIONS"] = made["OPTIONS"] | _LOG_OPTIONS[made["ENGINE"].rpartition(".")[2].removesuffix("3")]
    return made


def cache_settings(*, redis_url: str, embedded_file: Path | None) -> dict[str, Any]:
    """Django's default cache, never one a process: Redis, or a file when embedded, or a table of the database."""
    if redis_url:
        return {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": redis_url,
            "KEY_PREFIX": "library",
            "OPTIONS": _REDIS_OPTIONS,
        }
    if embedded_file is not None:
        return {
            "BACKEND": "bookwell.kit.adapters.django.sqlite_cache.SqliteCache",
            "LOCATION": str(embedded_file.absolute()),
        }
    return {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "cache_entry",
        "OPTIONS": {"MAX_ENTRIES": _MAX_CACHE_ENTRIES},
    }
