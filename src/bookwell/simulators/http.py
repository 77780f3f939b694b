"""Requests and answers of the simulators, and how an answer is delivered."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, unquote

__all__ = ["Answer", "Delivery", "Request", "json_answer"]


class Delivery(StrEnum):
    """What becomes of an answer on its way."""

    WHOLE = "whole"
    DRIP = "drip"
    TRUNCATED = "truncated"
    ENDLESS = "endless"
    NOT_HTTP = "not_http"
    NEVER = "never"
    CUT = "cut"


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer; `headers` come on top of Content-Length."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer in JSON."""
    body = json.dumps(value, ensure_ascii=False).encode()
    return Answer(status, body, {"Content-Type": "application/json; charset=utf-8", **(headers or {})})


@dataclass(frozen=True, slots=True)
class Request:
    """A request; header names are in small letters, `path` is still quoted, `query` is as it was sent."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def segments(self) -> list[str]:
        """The unquoted parts of the path."""
        return [unquote(part) for part in self.path.split("/") if part]

    @property
    def arguments(self) -> dict[str, str]:
        """The query's arguments; of repeated ones the last."""
        return dict(parse_qsl(self.query, keep_blank_values=True))

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form in the body."""
        return dict(parse_qsl(self.body.decode(errors="replace"), keep_blank_values=True))

    @property
    def bearer(self) -> str:
        """The bearer token, or an empty string."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""

    @property
    def basic(self) -> tuple[str, str]:
        """The name and password of Basic authentication, or empty strings."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        try:
            decoded = base64.b64decode(token, validate=True).decode() if scheme.lower() == "basic" else ""
        except (binascii.Error, UnicodeDecodeError):
            decoded = ""
        name, _, password = decoded.partition(":")
        return name, password

    def json_object(self) -> dict[str, Any]:
        """The body as a JSON object.

        Raises:
            ValueError: if it is none.
        """
        value = json.loads(self.body or b"null")
        if not isinstance(value, dict):
            raise ValueError("not a JSON object")  # noqa: TRY004 -- one error for every wrong body
        return value
