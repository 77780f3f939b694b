"""What requests of every service may hold: instants and days as RFC 3339 writes them, bodies read strictly."""

import datetime as dt
import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import CoreSchema

__all__ = ["Day", "Id", "Moment", "StrictBody", "make_strict"]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)

Id = Annotated[int, Field(ge=1, lt=2**63)]


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
"""RFC 3339; without an offset it is the wall time of the place that it is about."""


def _check_day_written_out(day: object) -> object:
    """Numbers and instants, which pydantic would take too, are no dates to us."""
    if not isinstance(day, str) or not _DAY.fullmatch(day):
        raise ValueError("A date is written as in RFC 3339, 2026-03-12")
    return day


Day = Annotated[dt.date, BeforeValidator(_check_day_written_out)]
"""An RFC 3339 full-date."""


def make_strict(schema: Any) -> None:
    """Let whole numbers and truth values of a core schema be JSON's own, in place.

    Pydantic's own strict mode would also refuse the text of dates and enumerations.
    """
    if isinstance(schema, list):
        for item in schema:
            make_strict(item)
    elif isinstance(schema, dict):
        if schema.get("type") in ("int", "bool"):
            schema["strict"] = True
        for item in schema.values():
            make_strict(item)


class StrictBody(BaseModel):
    """A request's body: unknown fields are refused, so that a misspelt one is not silently lost."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Pydantic's hook."""
        schema = handler(source)
        make_strict(schema)
        return schema
