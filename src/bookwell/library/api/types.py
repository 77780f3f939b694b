"""Types that the API's parameters and bodies share."""

from typing import Annotated, Literal

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from ninja import Schema
from pydantic import AfterValidator, ConfigDict, Field

__all__ = [
    "Body",
    "BranchCode",
    "Channels",
    "Email",
    "Id",
    "Language",
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
Name = Annotated[str, Field(min_length=1, max_length=100)]


def _check_email(address: str) -> str:
    try:
        validate_email(address)
    except ValidationError as error:
        raise ValueError("This is no e-mail address") from error
    return address.lower()


Email = Annotated[str, Field(max_length=254), AfterValidator(_check_email)]


class Body(Schema):
    """A request's body: unknown fields are refused, so that a misspelt one is not silently lost."""

    model_config = ConfigDict(extra="forbid")


class PageOf(Schema):
    """What every list has beside its items."""

    next: str | None = Field(description="Path of the next page")
    previous: str | None = Field(description="Path of the page before")
