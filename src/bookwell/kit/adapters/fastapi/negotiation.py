"""What callers take: JSON or not, and in which language."""

from fastapi import Request

from bookwell.kit.http_errors import NOT_ACCEPTABLE, HttpRefusal
from bookwell.kit.negotiation import accepts_json

__all__ = ["json_only"]


def json_only(request: Request) -> None:
    """A dependency of what answers JSON alone.

    Raises:
        HttpRefusal: 406 to who does not take it.
    """
    if not accepts_json(request.headers.get("Accept", "")):
        raise HttpRefusal(NOT_ACCEPTABLE)
