"""Bodies of the notifier's requests and answers."""

import datetime as dt
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints

from bookwell.notifier.deliveries.rules import DeliveryState

__all__ = [
    "AttachmentBody",
    "AttemptBody",
    "DeliveryBody",
    "DeliveryDetail",
    "DeliveryPage",
    "DeliveryPath",
    "DeliveryQuery",
    "EndpointBody",
    "EndpointList",
    "EndpointPath",
    "MessageBody",
    "MessageList",
    "MessageQuery",
    "ReplayBody",
]

# No character that ends a string in a database or a terminal.
_Name = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]


class DeliveryPath(BaseModel):
    """Which delivery."""

    delivery_id: str


class DeliveryQuery(BaseModel):
    """Which deliveries, and which page of them."""

    state: DeliveryState | None = None
    event: _Name = Field(default="", description="The event's id")
    recipient: _Name = Field(default="", description="As the source names the person: user:5")
    aggregate: _Name = Field(default="", description="What changed: reservation:17")
    limit: (
        Annotated[int, Field(ge=1, lt=2**63, description="50 when left out; more than 200 is read as 200")] | None
    ) = None
    cursor: Annotated[str, Field(max_length=2000)] | None = None


class DeliveryBody(BaseModel):
    """A delivery: neither its address nor what it says."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    event_id: str
    source: str
    type: str
    aggregate: str
    aggregate_version: int
    recipient: str
    channel: str
    state: DeliveryState
    reason: str
    attempts: int
    created_at: dt.datetime
    next_attempt_at: dt.datetime | None
    ended_at: dt.datetime | None


class AttemptBody(BaseModel):
    """One attempt. A number that is missing belonged to a sender that died; `code` 0: the server said nothing."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    began_at: dt.datetime
    ended_at: dt.datetime
    outcome: str
    code: int
    answer: str


class DeliveryDetail(BaseModel):
    """A delivery with its attempts, first to last."""

    delivery: DeliveryBody
    attempts: list[AttemptBody]


class DeliveryPage(BaseModel):
    """A page of deliveries, newest first, and the paths of its neighbours."""

    items: list[DeliveryBody]
    next: str | None
    previous: str | None


class EndpointPath(BaseModel):
    """Which endpoint."""

    name: _Name


class EndpointBody(BaseModel):
    """A webhook endpoint: when it said that it is gone, if so, and how many of its messages were given up."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    disabled_at: dt.datetime | None
    dead_letters: int


class EndpointList(RootModel[list[EndpointBody]]):
    """Webhook endpoints, by name."""


class ReplayBody(BaseModel):
    """How many dead letters are on their way again."""

    queued: int


class MessageQuery(BaseModel):
    """Which mails; all without an address."""

    to: Annotated[str, Field(max_length=320)] = ""


class AttachmentBody(BaseModel):
    """A part that is no body; `content_type` with its parameters, `content` as text, or in base64 if it is none."""

    filename: str
    content_type: str
    content: str


class MessageBody(BaseModel):
    """A mail as it was sent."""

    id: str
    to: str
    subject: str
    text: str
    html: str
    headers: dict[str, str]
    attachments: list[AttachmentBody]
    sent_at: dt.datetime


class MessageList(RootModel[list[MessageBody]]):
    """Mails, newest first."""
