"""Types that the API's parameters and bodies share."""

from typing import Annotated, Any, Literal

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from ninja import Schema
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints

from bookwell.kit.request_types import Day, Id, Moment, StrictBody
from bookwell.library.accounts.passwords import LONGEST_PASSWORD

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

Username = Annotated[str, Field(min_length=1, max_length=150)]
Password = Annotated[str, Field(min_length=1, max_length=LONGEST_PASSWORD)]
BranchCode = Annotated[str, Field(min_length=1, max_length=20)]
Language = Literal["en", "pl", "ru"]
Channels = Annotated[list[Literal["email", "sms", "webhook"]], Field(max_length=3)]
Barcode = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\s/\x00-\x1f\x7f-\x9f]+$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]


def _check_email(address: str) -> str:
    try:
        validate_email(address)
    except ValidationError as error:
        raise ValueError("This is no e-mail address") from error
    return address


def _lowered(address: object) -> object:
    """In the form in which it is kept, which may be longer."""
    return address.lower() if isinstance(address, str) else address


Email = Annotated[str, Field(max_length=254), BeforeValidator(_lowered), AfterValidator(_check_email)]


class Body(StrictBody):
    """A request's body. Not ninja's `Schema`, which would read each twice and through an object of its own."""


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
