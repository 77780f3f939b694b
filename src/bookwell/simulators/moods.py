"""Moods: how a simulated library misbehaves when it is told to."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from bookwell.simulators.http import Answer, Delivery

__all__ = ["Malformed", "Mood", "Outage", "outage_of", "spoil"]

Outage = Literal["refuse", "unavailable", "hang", "lost_answers"]
"""refuse: cut the connection; unavailable: 503; hang: do nothing, for ever; lost_answers: do the work, never answer."""

Malformed = Literal[
    "html",
    "not_json",
    "binary",
    "empty",
    "wrong_types",
    "unknown_states",
    "deep",
    "huge",
    "slow_drip",
    "truncated",
    "not_http",
    "redirect",
    "redirect_private",
    "redirect_loop",
    "error_in_200",
]


class Mood(BaseModel):
    """What is wrong; nothing by default. `true` stands for the first kind of an outage or a malformed answer.

    `only` limits it to operations that contain this text, as the control counts them (`POST`, `holds`); the first
    `after` of these are still served as usual.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    latency_ms: int = Field(default=0, ge=0, le=600_000)
    error_rate: float = Field(default=0, ge=0, le=1, allow_inf_nan=False)
    outage: Outage | None = None
    malformed: Malformed | None = None
    only: str = ""
    after: int = Field(default=0, ge=0)

    @field_validator("outage", mode="before")
    @classmethod
    def _usual_outage(cls, value: Any) -> Any:
        return {True: "refuse", False: None}[value] if isinstance(value, bool) else value

    @field_validator("malformed", mode="before")
    @classmethod
    def _usual_malformation(cls, value: Any) -> Any:
        return {True: "html", False: None}[value] if isinstance(value, bool) else value

    def fails(self, count: int) -> bool:
        """Whether the request of this number fails: of every hundred exactly as many as the rate says, evenly."""
        return int(count * self.error_rate) > int((count - 1) * self.error_rate)


def outage_of(mood: Mood) -> Answer | None:
    """What a request gets while nothing works, None while something does."""
    match mood.outage:
        case "refuse":
            return Answer(503, delivery=Delivery.CUT)
        case "hang":
            return Answer(503, delivery=Delivery.NEVER)
        case "unavailable":
            return Answer(503, b"<h1>503</h1>", {"Content-Type": "text/html", "Retry-After": "1"})
    return None


def spoil(answer: Answer, malformed: Malformed) -> Answer:
    """An answer as somebody might get it who should be ready for it."""
    if malformed in _BODIES:
        return replace(answer, status=200, body=_BODIES[malformed])
    if malformed in _DELIVERIES:
        return replace(answer, delivery=_DELIVERIES[malformed])
    if malformed in _LOCATIONS:
        return Answer(302, b"", {"Location": _LOCATIONS[malformed]})
    if malformed == "html":
        return Answer(200, b"<!doctype html><title>Maintenance</title><h1>Back soon</h1>", _HTML)
    return replace(answer, body=_rewritten(answer.body, malformed))


_HTML = {"Content-Type": "text/html; charset=utf-8"}
_BODIES: Mapping[str, bytes] = {
    "not_json": b'{"document": [',
    "binary": bytes(range(256)) * 16,
    "empty": b"",
    "deep": b"[" * 200_000,
    "error_in_200": b'{"error": "internal_error", "code": 500, "error_description": "deadlock"}',
}
_DELIVERIES: Mapping[str, Delivery] = {
    "huge": Delivery.ENDLESS,
    "slow_drip": Delivery.DRIP,
    "truncated": Delivery.TRUNCATED,
    "not_http": Delivery.NOT_HTTP,
}
_LOCATIONS: Mapping[str, str] = {
    "redirect": "http://moved.example.net/elsewhere",
    "redirect_private": "http://169.254.169.254/latest/meta-data/",
    "redirect_loop": "?again",
}


def _rewritten(body: bytes, malformed: Malformed) -> bytes:
    try:
        value = json.loads(body)
    except ValueError:
        return body
    return json.dumps(_twisted(value) if malformed == "wrong_types" else _estranged(value)).encode()


def _twisted(value: Any) -> Any:
    """Every value as one of another type."""
    match value:
        case dict():
            return {name: _twisted(item) for name, item in value.items()}
        case list():
            return {str(place): _twisted(item) for place, item in enumerate(value)} or "none"
        case str():
            return [value]
        case None:
            return {}
        case _:
            return str(value)


_STATES = ("service", "status")


def _estranged(value: Any, name: str = "") -> Any:
    """The same with states that no version of the protocol knows."""
    match value:
        case dict():
            return {key: _estranged(item, key) for key, item in value.items()}
        case list():
            return [_estranged(item, name) for item in value]
        case int() if name in _STATES:
            return 77
        case str() | None if name in _STATES:
            return "teleported"
    return value
