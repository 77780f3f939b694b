"""Settings that are addresses: what is none is refused at the start, and not found out by the first request.

What is refused is told in words that repeat nothing of it, because an address may hold a password.
"""

from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator

__all__ = ["DATABASE_FORM", "BrokerUrl", "DatabaseUrl", "PlainDatabaseUrl", "RedisUrl", "WebUrl", "url_of_file"]

DATABASE_FORM = "as in postgresql://user:password@host:5432/name, with percent signs for what means something in URLs"
_DATABASES = frozenset({"sqlite", "mysql", "mariadb", "postgresql", "postgres"})
_REDIS = frozenset({"redis", "rediss", "unix"})
_BROKERS = frozenset({"amqp", "amqps", "pyamqp", "redis", "rediss", "sentinel"})
_WEB = frozenset({"http", "https"})


def url_of_file(file: Path) -> str:
    """The URL of an embedded database, whatever its path holds: who reads URLs takes `?`, `#` and `%` for their own."""
    return f"sqlite:///{quote(str(file.absolute()))}"


def _check_database(url: str, *, may_name_a_driver: bool) -> str:
    if not url:
        return url
    scheme, separator, _ = url.partition("://")
    if not separator or not (scheme == "sqlite" or _can_be_read(url)):
        raise ValueError(f"is no URL of a database; {DATABASE_FORM}")
    kind = scheme.partition("+")[0] if may_name_a_driver else scheme
    if kind not in _DATABASES:
        raise ValueError(f"no support for a database of the kind {kind!r}")
    return url


def _check_redis(url: str) -> str:
    scheme = url.partition("://")[0]
    if url and (scheme not in _REDIS or not (scheme == "unix" or _can_be_read(url))):
        raise ValueError("is no URL of Redis; as in redis://:password@redis:6379/0")
    return url


def _check_broker(url: str) -> str:
    """By its kind alone: several addresses may stand behind one another."""
    scheme, separator, _ = url.partition("://")
    if url and (not separator or scheme not in _BROKERS):
        raise ValueError("is no URL of RabbitMQ or Redis; as in amqp://user:password@rabbitmq:5672//")
    return url


def _check_web(url: str) -> str:
    if url and (url.partition("://")[0] not in _WEB or not _can_be_read(url) or not urlsplit(url).hostname):
        raise ValueError("is no http or https URL")
    return url.rstrip("/")


def _can_be_read(url: str) -> bool:
    """Whether host and port are where they belong; a password with a slash or the like would take their place."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return not parts.netloc.endswith(":")


DatabaseUrl = Annotated[str, AfterValidator(partial(_check_database, may_name_a_driver=True))]
"""The database of a service on SQLAlchemy, or nothing."""
PlainDatabaseUrl = Annotated[str, AfterValidator(partial(_check_database, may_name_a_driver=False))]
"""The same, where Django reads it besides."""
RedisUrl = Annotated[str, AfterValidator(_check_redis)]
"""A Redis, or nothing."""
BrokerUrl = Annotated[str, AfterValidator(_check_broker)]
"""A broker, or nothing."""
WebUrl = Annotated[str, AfterValidator(_check_web)]
"""Where a service answers, without a slash at its end; or nothing."""
