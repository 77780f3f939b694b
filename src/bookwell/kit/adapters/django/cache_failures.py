"""What stands for a cache that does not answer.

Django's cache in Redis raises the driver's own errors, `SqliteCache` SQLite's; what its database cache raises are
Django's, like the database's.
"""

import sqlite3

from redis.exceptions import RedisError

from bookwell.kit.errors import Unavailable

__all__ = ["CACHE_ERRORS", "CacheUnavailable"]

CACHE_ERRORS: tuple[type[Exception], ...] = (RedisError, sqlite3.Error)


class CacheUnavailable(Unavailable):
    """The cache that holds failed log-ins and browser sessions does not answer, so nobody can log in now."""

    code = "cache.unavailable"
    title = "The cache cannot be reached"
