"""Shapes of accounts' answers."""

import datetime as dt
from typing import Any

from pydantic import BaseModel, Field

from bookwell.library.accounts.models import User
from bookwell.library.accounts.rules import Role

__all__ = ["BlockOut", "ProfileOut", "TokensOut", "UserOut", "user_shape"]


class TokensOut(BaseModel):
    """`access` goes into the header `Authorization: Bearer …` for five minutes; `refresh` gets the next pair, once."""

    access: str
    refresh: str


class UserOut(BaseModel):
    """Somebody with a login. `home_branch` is a branch's code; null means the network's first.

    Without `channels`, and of reminders without `wants_reminders`, only what must be told is sent.
    """

    id: int
    username: str
    email: str
    is_email_confirmed: bool
    role: Role
    category: str
    home_branch: str | None
    card_number: str
    language: str
    channels: list[str]
    wants_reminders: bool
    is_active: bool
    created_at: dt.datetime


class BlockOut(BaseModel):
    """Why a reader may not reserve or borrow for now."""

    code: str
    reason: str
    since: dt.datetime | None


class ProfileOut(UserOut):
    """The own record, with what the reader has and why anything is refused."""

    blocks: list[BlockOut]
    open_reservations: int = Field(ge=0)
    open_loans: int = Field(ge=0)
    overdue_loans: int = Field(ge=0)


def user_shape(user: User) -> dict[str, Any]:
    """A user as `UserOut`."""
    return {
        "id": user.pk,
        "username": user.username,
        "email": user.email,
        "is_email_confirmed": user.confirmed_email is not None,
        "role": user.role,
        "category": user.category_id,
        "home_branch": user.home_branch.code if user.home_branch else None,
        "card_number": user.card_number,
        "language": user.language,
        "channels": user.channels,
        "wants_reminders": user.wants_reminders,
        "is_active": user.is_active,
        "created_at": user.created_at,
    }
