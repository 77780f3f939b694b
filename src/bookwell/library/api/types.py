"""Types that the API's parameters and bodies share."""

import datetime as dt
from typing import Annotated, Literal

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from ninja import Schema
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

__all__ = [
    "Barcode",
    "Body",
    "BranchCode",
    "Channels",
    "Email",
    "Id",
    "Language",
    "Moment",
    "Name",
    "PageOf",
    "Password",
    "Username",
]

Id = Annotated[int, Field(ge=1, lt=2**63)]
Username = Annotated[str, Field(min_length=1, max_length=150)]
Password = Annotated[str, Field(min_length=1, max_length=128)]
BranchCode = Annotated[str, Field(min_length=1, max_length=20)]
Language = Literal["en", "pl", "ru"]
Channels = Annotated[list[Literal["email", "sms", "webhook"]], Field(max_length=3)]
Barcode = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\s/]+$")]
Name = Annotated[str, Field(min_length=1, max_length=100)]


def _check_email(address: str) -> str:
    try:
        validate_email(address)
    except ValidationError as error:
        raise ValueError("This is no e-mail address") from error
    return address.lower()


Email = Annotated[str, Field(max_length=254), AfterValidator(_check_email)]


def _check_written_out(moment: object) -> object:
    """Numbers and bare dates, which pydantic would take too, are no instants to us."""
    if not isinstance(moment, str) or moment[10:11] not in ("T", "t", " "):
        raise ValueError("An instant is written as in RFC 3339, 2026-03-12T18:00:00Z")
    return moment


def _check_moment(moment: dt.datetime) -> dt.datetime:
    if not 1971 <= moment.year <= 2200:
        raise ValueError("The year must lie between 1971 and 2200")
    return moment


Moment = Annotated[dt.datetime, BeforeValidator(_check_written_out), AfterValidator(_check_moment)]
"""RFC 3339; without an offset it is wall time at the pickup branch."""


class Body(Schema):
    """A request's body: unknown fields are refused, so that a misspelt one is not silently lost."""

    model_config = ConfigDict(extra="forbid")


class PageOf(Schema):
    """What every list has beside its items."""

    next: str | None = Field(description="Path of the next page")
    previous: str | None = Field(description="Path of the page before")
