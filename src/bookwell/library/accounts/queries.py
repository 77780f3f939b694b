"""Reads of accounts."""

from dataclasses import dataclass

from bookwell.library.accounts.rules import Role

__all__ = ["Caller", "find_caller"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever a valid token and its live session stand for."""

    user_id: int
    username: str
    role: Role
    category: str
    home_branch_id: int | None
    session_id: str


def find_caller(token: str) -> Caller | None:
    """The caller of an access token; None when the token or its session is not valid."""
    raise NotImplementedError
