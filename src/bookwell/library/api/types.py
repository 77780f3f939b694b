"""Types that the API's parameters and bodies share."""

from typing import Annotated

from ninja import Schema
from pydantic import ConfigDict, Field

__all__ = ["Body", "Id", "Name", "PageOf"]

Id = Annotated[int, Field(ge=1, lt=2**63)]
Name = Annotated[str, Field(min_length=1, max_length=100)]


class Body(Schema):
    """A request's body: unknown fields are refused, so that a misspelt one is not silently lost."""

    model_config = ConfigDict(extra="forbid")


class PageOf(Schema):
    """What every list has beside its items."""

    next: str | None = Field(description="Path of the next page")
    previous: str | None = Field(description="Path of the page before")
