"""Checks of the broker and of Redis."""

from collections.abc import Iterator, Mapping
from typing import Any

from bookwell.cli.composition import BackgroundSettings, queues_of
from bookwell.cli.doctor.findings import Check, Finding, failed, fine, warning
from bookwell.cli.doctor.site import Site

__all__ = ["broker_checks"]

_SECONDS = 3
_BROKER, _REDIS = "broker", "Redis"


def broker_checks(site: Site) -> Mapping[str, Check]:
    """The checks of what is named."""
    settings = site.settings["background"]
    checks: dict[str, Check] = {}
    if isinstance(settings, BackgroundSettings) and settings.broker_url:
        url, services = settings.broker_url, [name for name in site.settings if name != "background"]
        checks[_BROKER] = lambda: _broker(url, queues_of(services))
    elif site.is_production:
        checks[_BROKER] = _no_broker
    if settings.redis_url:
        checks[_REDIS] = lambda: _redis(_REDIS, settings.redis_url)
    return checks


def _no_broker() -> Iterator[Finding]:
    advice = "name RabbitMQ or Redis in BOOKWELL_BROKER_URL for relay, workers and scheduler"
    yield warning(_BROKER, "none is set: no message leaves the databases", advice)


def _broker(url: str, queues: tuple[str, ...]) -> Iterator[Finding]:
    if not url.startswith("amqp"):
        yield from _redis(_BROKER, url)
        return
    from amqp.exceptions import AMQPError  # noqa: PLC0415 -- the broker's library is an extra's
    from kombu.exceptions import KombuError  # noqa: PLC0415 -- the same

    from bookwell.kit.adapters.celery import make_app  # noqa: PLC0415 -- the same

    app = make_app(url)
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1, interval_start=0, timeout=_SECONDS)
            findings = [found for name in queues for found in _queue(app, connection, name)]
    except (OSError, AMQPError, KombuError) as error:
        advice = "start it, or set BOOKWELL_BROKER_URL right: host, port, user, password, virtual host"
        yield failed(_BROKER, f"does not answer: {type(error).__name__} {error}", advice)
        return
    yield from findings or [fine(_BROKER, f"answers; every queue has consumers ({', '.join(queues)})")]


def _queue(app: Any, connection: Any, name: str) -> Iterator[Finding]:
    """A channel of its own: what the server refuses closes it."""
    from amqp.exceptions import NotFound, PreconditionFailed  # noqa: PLC0415 -- the broker's library is an extra's

    try:
        with connection.channel() as channel:
            consumers = channel.queue_declare(name, passive=True).consumer_count
    except NotFound:
        yield warning(_BROKER, f"the queue {name} was never declared", f"start: bookwell worker {name}")
        return
    try:
        with connection.channel() as channel:
            app.amqp.queues[name](channel).declare()
    except PreconditionFailed:
        advice = "stop its workers and delete it; what it holds comes again from rows"
        yield failed(_BROKER, f"the queue {name} is no quorum queue like ours", advice)
        return
    if not consumers:
        yield failed(_BROKER, f"nobody works on the queue {name}", f"start: bookwell worker {name}")


def _redis(check: str, url: str) -> Iterator[Finding]:
    import redis  # noqa: PLC0415 -- an extra's

    try:
        with redis.Redis.from_url(url, socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS) as client:
            version = client.info("server")["redis_version"]
    except (redis.RedisError, OSError) as error:
        variable = "BOOKWELL_BROKER_URL" if check == _BROKER else "BOOKWELL_REDIS_URL"
        advice = f"start it, or set {variable} right: host, port, password"
        yield failed(check, f"does not answer: {error}", advice)
        return
    yield fine(check, f"Redis {version}")
