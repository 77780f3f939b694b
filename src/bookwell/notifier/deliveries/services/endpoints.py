"""Webhook endpoints that are gone get nothing; their dead letters are sent again when somebody says so."""

import datetime as dt

import structlog
from sqlalchemy import Connection, delete, insert, update

from bookwell.kit.errors import Conflict
from bookwell.notifier.db import milliseconds
from bookwell.notifier.deliveries.locks import lock_endpoint
from bookwell.notifier.deliveries.models import delivery, endpoint
from bookwell.notifier.deliveries.queries import find_disabled_endpoints
from bookwell.notifier.deliveries.rules import ENDPOINT_DISABLED, WEBHOOK, DeliveryState, schedule_of

__all__ = ["EndpointDisabled", "check_enabled", "disable_endpoint_in_tx", "enable_endpoint_in_tx", "replay_in_tx"]

_log = structlog.get_logger()


class EndpointDisabled(Conflict):
    """The endpoint said that it is gone; nothing is sent to it until it is enabled again."""

    code = "webhook.endpoint_disabled"
    title = "The endpoint is disabled"


def check_enabled(connection: Connection, name: str) -> None:
    """Nothing is sent again to an endpoint that is disabled.

    Raises:
        EndpointDisabled
    """
    if find_disabled_endpoints(connection, [name]):
        raise EndpointDisabled(f"Enable the endpoint {name} first.")


def disable_endpoint_in_tx(connection: Connection, *, name: str, now: dt.datetime) -> bool:
    """Send nothing more to an endpoint; what waits for it becomes dead letters. Answers whether that is news."""
    is_news = not lock_endpoint(connection, name)
    if is_news:
        connection.execute(insert(endpoint).values(name=name, disabled_at=milliseconds(now)))
        _log.error("webhook.endpoint_disabled", endpoint=name)
    changes = {"state": DeliveryState.FAILED.value, "reason": ENDPOINT_DISABLED, "ended_at": milliseconds(now)}
    waiting = update(delivery).where(
        delivery.c.channel == WEBHOOK, delivery.c.address == name, delivery.c.state == DeliveryState.QUEUED.value
    )
    connection.execute(waiting.values(changes))
    return is_news


def enable_endpoint_in_tx(connection: Connection, *, name: str, now: dt.datetime) -> int:
    """Send to an endpoint again, its dead letters first; answers how many these are."""
    connection.execute(delete(endpoint).where(endpoint.c.name == name))
    _log.info("webhook.endpoint_enabled", endpoint=name)
    return replay_in_tx(connection, name=name, now=now)


def replay_in_tx(connection: Connection, *, name: str, now: dt.datetime) -> int:
    """Let every dead letter of an endpoint be sent again, in their order, with as many attempts as new ones.

    Raises:
        EndpointDisabled
    """
    check_enabled(connection, name)
    dead = update(delivery).where(
        delivery.c.channel == WEBHOOK,
        delivery.c.address == name,
        delivery.c.state == DeliveryState.FAILED.value,
        delivery.c.notice != "",
    )
    changes = {
        "state": DeliveryState.QUEUED.value,
        "reason": "",
        "attempts_allowed": delivery.c.attempts + schedule_of(WEBHOOK).attempts,
        "next_attempt_at": milliseconds(now),
        "ended_at": None,
    }
    count = connection.execute(dead.values(changes)).rowcount
    _log.info("webhook.replayed", endpoint=name, deliveries=count)
    return count
