"""The shape of an outgoing message, as a row written in the transaction of the change it tells."""

from dataclasses import dataclass
from typing import Any

__all__ = ["OutgoingMessage"]


@dataclass(frozen=True, slots=True)
class OutgoingMessage:
    """One fact for one queue.

    `aggregate` names what changed (`reservation:17`), `aggregate_version` orders its messages: it is counted up
    under the aggregate's lock. `event_id` is made when the row is written, unless the change has one already.
    """

    queue: str
    type: str
    aggregate: str
    aggregate_version: int
    payload: dict[str, Any]
    version: int = 1
    event_id: str = ""
