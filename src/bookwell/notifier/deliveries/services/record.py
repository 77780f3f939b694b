"""What came of an attempt is kept; what failed may be asked for again; what was said is forgotten in time."""

import datetime as dt
import json
from collections.abc import Callable

import structlog
from sqlalchemy import Connection, delete, insert, select, update

from bookwell.kit.ids import is_id
from bookwell.kit.outbox.links import without_links
from bookwell.notifier.db import milliseconds
from bookwell.notifier.deliveries.locks import lock_delivery
from bookwell.notifier.deliveries.models import attempt, delivery
from bookwell.notifier.deliveries.queries import DeliveryNotFound
from bookwell.notifier.deliveries.rules import (
    ENDED,
    MOVING,
    WEBHOOK,
    AttemptOutcome,
    DeliveryState,
    NextStep,
    Verdict,
    check_retry,
    next_step,
    schedule_of,
)
from bookwell.notifier.deliveries.services.claim import Claimed
from bookwell.notifier.deliveries.services.endpoints import check_enabled, disable_endpoint_in_tx

__all__ = ["OnGone", "forget_notices_in_tx", "forget_rows_in_tx", "record_outcome_in_tx", "retry_in_tx"]

OnGone = Callable[[Connection, str, dt.datetime], None]

_AT_ONCE = 500
_FORGOTTEN = "forgotten"

_log = structlog.get_logger()


def record_outcome_in_tx(
    connection: Connection,
    claim: Claimed,
    verdict: Verdict,
    *,
    began_at: dt.datetime,
    now: dt.datetime,
    spread: float,
    on_gone: OnGone,
) -> DeliveryState | None:
    """Keep the attempt and take the delivery's next step; None when the claim had ended before.

    That a mail was accepted counts in any case: nobody shall send it once more. A receiver that is gone gets nothing
    any more; `on_gone` is called with its name when that is news.
    """
    step = next_step(
        verdict,
        attempts=claim.number,
        attempts_allowed=claim.attempts_allowed,
        now=now,
        spread=spread,
        schedule=schedule_of(claim.channel),
    )
    _keep_attempt(connection, claim, verdict, began_at=began_at, ended_at=now)
    changed = update(delivery).where(delivery.c.id == claim.id).values(_changes(step, now) | _left_of(claim, step))
    if verdict.outcome is AttemptOutcome.ACCEPTED:
        changed = changed.where(delivery.c.state.in_(MOVING))
    else:
        changed = changed.where(delivery.c.state == DeliveryState.SENDING.value, delivery.c.attempts == claim.number)
    is_ours = connection.execute(changed).rowcount > 0
    if verdict.outcome is AttemptOutcome.GONE and disable_endpoint_in_tx(connection, name=claim.address, now=now):
        on_gone(connection, claim.address, now)
    return step.state if is_ours else None


def _keep_attempt(
    connection: Connection, claim: Claimed, verdict: Verdict, *, began_at: dt.datetime, ended_at: dt.datetime
) -> None:
    connection.execute(
        insert(attempt).values(
            delivery_id=claim.id,
            number=claim.number,
            began_at=milliseconds(began_at),
            ended_at=milliseconds(ended_at),
            outcome=verdict.outcome.value,
            code=verdict.code,
            answer=verdict.answer,
        )
    )


def retry_in_tx(connection: Connection, *, delivery_id: str, now: dt.datetime) -> None:
    """Let a failed delivery be sent again, with as many attempts as a new one.

    Raises:
        DeliveryNotFound, RetryRefused, EndpointDisabled
    """
    row = lock_delivery(connection, delivery_id) if is_id(delivery_id) else None
    if row is None:
        raise DeliveryNotFound
    check_retry(DeliveryState(row.state), is_forgotten=not row.notice)
    if row.channel == WEBHOOK:
        check_enabled(connection, row.address)
    changes = {
        "state": DeliveryState.QUEUED.value,
        "reason": "",
        "attempts_allowed": row.attempts + schedule_of(row.channel).attempts,
        "next_attempt_at": milliseconds(now),
        "ended_at": None,
    }
    connection.execute(update(delivery).where(delivery.c.id == delivery_id).values(changes))
    _log.info("delivery.retried", delivery_id=delivery_id)


def forget_notices_in_tx(connection: Connection, *, ended_before: dt.datetime) -> list[str]:
    """Empty what up to 500 deliveries said, whereto, and what servers answered; the ids of these deliveries."""
    told = select(delivery.c.id).where(
        delivery.c.ended_at < milliseconds(ended_before), delivery.c.state.in_(ENDED), delivery.c.notice != ""
    )
    ids = list(connection.scalars(told.limit(_AT_ONCE)))
    if ids:
        connection.execute(update(delivery).where(delivery.c.id.in_(ids)).values(notice="", address="", reason=""))
        connection.execute(update(attempt).where(attempt.c.delivery_id.in_(ids)).values(answer=_FORGOTTEN))
    return ids


def forget_rows_in_tx(connection: Connection, *, ended_before: dt.datetime) -> int:
    """Delete up to 500 deliveries with their attempts; answers how many."""
    old = select(delivery.c.id).where(delivery.c.ended_at < milliseconds(ended_before), delivery.c.state.in_(ENDED))
    ids = list(connection.scalars(old.limit(_AT_ONCE)))
    if ids:
        connection.execute(delete(attempt).where(attempt.c.delivery_id.in_(ids)))
        connection.execute(delete(delivery).where(delivery.c.id.in_(ids)))
    return len(ids)


def _left_of(claim: Claimed, step: NextStep) -> dict[str, str]:
    """What is kept of a notice that was sent: its links were for the recipient alone. A webhook's body is whole."""
    if step.state is not DeliveryState.SENT or claim.channel == WEBHOOK:
        return {}
    return {"notice": json.dumps(without_links(json.loads(claim.notice)))}


def _changes(step: NextStep, now: dt.datetime) -> dict[str, object]:
    changes: dict[str, object] = {"state": step.state.value, "reason": step.reason}
    if step.next_attempt_at is not None:
        return changes | {"next_attempt_at": milliseconds(step.next_attempt_at)}
    return changes | {"ended_at": milliseconds(now)}
