"""Shapes of books in answers, for the OpenAPI document; the answers themselves are written from rows."""

from pydantic import BaseModel, Field

__all__ = ["BookDetailOut", "BookOut", "ForYouOut"]


class BookOut(BaseModel):
    """A book and its counters, as they were when it was read."""

    id: int
    isbn: str | None = Field(description="ISBN-13")
    title: str
    authors: list[str]
    publisher: str
    year: int | None
    language: str = Field(description="ISO 639 code, the short one where there is one; empty when unknown")
    subjects: list[str]
    description: str
    copies_total: int
    copies_available: int
    queue_length: int


class ForYouOut(BaseModel):
    """What the caller can do with the book: why not, as the code and sentence that reserving would answer."""

    can_reserve: bool
    refusal_code: str | None
    refusal_detail: str | None


class BookDetailOut(BookOut):
    """A book; `for_you` where a token was sent."""

    for_you: ForYouOut | None = None
