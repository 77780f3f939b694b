"""Types that the API's parameters and bodies share."""

import datetime as dt
import re
from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from ninja import Schema
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

__all__ = [
    "Barcode",
    "Body",
    "BranchCode",
    "Channels",
    "Day",
    "Email",
    "Id",
    "Language",
    "Moment",
    "Name",
    "PageOf",
    "PartialBody",
    "Password",
    "Username",
]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

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


def _make_strict(schema: Any) -> None:
    if isinstance(schema, list):
        for item in schema:
            _make_strict(item)
    elif isinstance(schema, dict):
        if schema.get("type") in ("int", "bool"):
            schema["strict"] = True
        for item in schema.values():
            _make_strict(item)


def _check_day_written_out(day: object) -> object:
    """Numbers and instants, which pydantic would take too, are no dates to us."""
    if not isinstance(day, str) or not _DAY.fullmatch(day):
        raise ValueError("A date is written as in RFC 3339, 2026-03-12")
    return day


Day = Annotated[dt.date, BeforeValidator(_check_day_written_out)]
"""An RFC 3339 full-date."""


class Body(Schema):
    """A request's body: unknown fields are refused, so that a misspelt one is not silently lost.

    Its whole numbers and truth values are JSON's own, unlike those of a path or query, which are text.
    """

    model_config = ConfigDict(extra="forbid")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic's hook. Its own strict mode would also refuse the text of dates and enumerations."""
        schema = handler(source)
        _make_strict(schema)
        return schema


def _drop_defaults(schema: dict[str, Any]) -> None:
    for content in schema["properties"].values():
        content.pop("default", None)


class PartialBody(Body):
    """A body of which only the fields that are sent count.

    What stands in place of the others is never used, and no default of the document: a client that fills defaults in
    would change what its user has not touched.
    """

    model_config = ConfigDict(json_schema_extra=_drop_defaults)


class PageOf(Schema):
    """What every list has beside its items."""

    next: str | None = Field(description="Path of the next page")
    previous: str | None = Field(description="Path of the page before")
