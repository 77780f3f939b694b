"""The caller's own profile."""

from django.http import HttpRequest, HttpResponse
from ninja import Router

from bookwell.kit import clock
from bookwell.library.accounts.queries import get_user
from bookwell.library.accounts.schemas import ProfileOut, UserOut, user_shape
from bookwell.library.api import users
from bookwell.library.api.answers import json_answer, response_of
from bookwell.library.api.auth import caller_of, reader
from bookwell.library.api.types import BranchCode, Channels, Language, PartialBody
from bookwell.library.circulation.queries import reader_summary

__all__ = ["router"]

router = Router(tags=["me"])


class ChangeProfile(PartialBody):
    """Some of the own settings; a home branch of null is the network's first."""

    language: Language | None = None
    channels: Channels | None = None
    wants_reminders: bool | None = None
    home_branch: BranchCode | None = None


@router.get("/", auth=reader, response=ProfileOut)
def get_profile(request: HttpRequest) -> HttpResponse:
    """The own record, blocks with their reasons, and counts."""
    user = get_user(caller_of(request).user_id)
    summary = reader_summary(reader_id=user.pk, now=clock.now())
    return response_of(json_answer(user_shape(user) | summary))


@router.patch("/", auth=reader, response=UserOut)
def change_profile(request: HttpRequest, body: ChangeProfile) -> HttpResponse:
    """Change the own settings."""
    return users.change(request, caller_of(request).user_id, body)
