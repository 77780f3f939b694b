"""Shapes of branches and closures in answers."""

import datetime as dt

from pydantic import BaseModel, Field

__all__ = ["BranchOut", "ClosureOut"]


class BranchOut(BaseModel):
    """A branch. The first by `position` is every reader's default."""

    id: int
    code: str
    name: str
    time_zone: str = Field(description="IANA name")
    country: str = Field(description="ISO 3166-1 code, whose public holidays are closed; empty for none")
    open_weekdays: list[int] = Field(description="ISO weekdays, 1 is Monday")
    position: int


class ClosureOut(BaseModel):
    """A date on which a branch (its code) is closed."""

    id: int
    branch: str
    closed_on: dt.date
    reason: str
