"""Users: administrators see and change all, everybody the own record."""

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from pydantic import Field

from bookwell.kit import clock
from bookwell.kit.adapters.django.http.throttle import client_address
from bookwell.kit.idempotency import Answer
from bookwell.library.accounts import passwords, queries, services
from bookwell.library.accounts.errors import HomeBranchUnknown, UserNotFound
from bookwell.library.accounts.mail_limits import MailKind, refuse_flood
from bookwell.library.accounts.queries import Caller
from bookwell.library.accounts.rules import Role
from bookwell.library.accounts.schemas import UserOut, user_shape
from bookwell.library.accounts.services import UserFields
from bookwell.library.api.answers import json_answer, respond_in_transaction, response_of
from bookwell.library.api.auth import actor_of, admin, caller_of, reader
from bookwell.library.api.paging import PageQuery, page_request, respond_page
from bookwell.library.api.types import (
    Body,
    BranchCode,
    Channels,
    Email,
    Id,
    Language,
    PageOf,
    PartialBody,
    Password,
    Username,
)
from bookwell.library.circulation.services import close_reader
from bookwell.library.network.errors import BranchNotFound
from bookwell.library.network.queries import get_branch_by_code

__all__ = ["change", "router"]

router = Router(tags=["users"])

Category = Annotated[str, Field(min_length=1, max_length=20)]


class AddUser(Body):
    """A new user; the address is confirmed by mail."""

    username: Username
    email: Email
    password: Password
    role: Role = Role.READER
    category: Category = "adult"
    home_branch: BranchCode | None = None
    language: Language = "en"
    channels: Channels = ["email"]
    wants_reminders: bool = True


class ReplaceUser(PartialBody):
    """A user's record. What is not sent keeps its value, as does a password, which nobody can read back.

    `current_password` goes with a new password or e-mail address of the own account; administrators need none.
    """

    username: Username
    email: Email
    password: Password | None = None
    current_password: Password | None = None
    role: Role | None = None
    category: Category | None = None
    home_branch: BranchCode | None = None
    language: Language | None = None
    channels: Channels | None = None
    wants_reminders: bool | None = None
    is_active: bool | None = None


class ChangeUser(ReplaceUser):
    """Some fields of a user's record."""

    username: Username | None = None  # type: ignore[assignment]  # optional here
    email: Email | None = None  # type: ignore[assignment]


class UsersOut(PageOf):
    """A page of users."""

    items: list[UserOut]


@router.get("/", auth=admin, response=UsersOut)
def list_users(request: HttpRequest, filters: Query[PageQuery]) -> HttpResponse:
    """All users, oldest first."""
    page = page_request(request, filters)
    rows = queries.list_users(position=page.position, limit=page.limit)
    return respond_page(page, rows, key=lambda user: (user.pk,), shape=user_shape)


@router.post("/", auth=admin, response={201: UserOut})
def add_user(request: HttpRequest, body: AddUser) -> HttpResponse:
    """Add a user of any role."""
    caller, now = caller_of(request), clock.now()
    passwords.check_password_rules(body.password, username=body.username, email=body.email)
    fields = _fields(body)

    def work() -> Answer:
        user = services.create_user_in_tx(fields=fields, now=now, actor_id=caller.user_id)
        headers = {"Location": f"/api/users/{user.pk}/"}
        return json_answer(user_shape(user), status=201, headers=headers)

    return respond_in_transaction(request, work)


@router.get("/{int:user_id}/", auth=reader, response=UserOut)
def get_user(request: HttpRequest, user_id: Id) -> HttpResponse:
    """One user."""
    _check_is_visible(caller_of(request), user_id)
    return response_of(json_answer(user_shape(queries.get_user(user_id))))


@router.put("/{int:user_id}/", auth=reader, response=UserOut)
def replace_user(request: HttpRequest, user_id: Id, body: ReplaceUser) -> HttpResponse:
    """Change a user's record. A new password ends all of the user's sessions."""
    return change(request, user_id, body)


@router.patch("/{int:user_id}/", auth=reader, response=UserOut)
def change_user(request: HttpRequest, user_id: Id, body: ChangeUser) -> HttpResponse:
    """Change some fields of a user's record."""
    return change(request, user_id, body)


@router.delete("/{int:user_id}/", auth=reader, response={204: None})
def delete_user(request: HttpRequest, user_id: Id) -> HttpResponse:
    """Close an account. Its reservations are cancelled and its history is kept without the person."""
    _check_is_visible(caller_of(request), user_id)
    actor, now = actor_of(request), clock.now()

    def work() -> Answer:
        close_reader(reader_id=user_id, actor=actor, now=now)
        return Answer(204, b"")

    return respond_in_transaction(request, work)


def change(request: HttpRequest, user_id: int, body: Body) -> HttpResponse:
    """Change what `body` sets of a user whom the caller may see."""
    caller, now = caller_of(request), clock.now()
    _check_is_visible(caller, user_id)
    _check_password(request, user_id, body)
    fields = _fields(body)

    def work() -> Answer:
        services.change_user_in_tx(
            user_id=user_id, fields=fields, actor_id=caller.user_id, is_admin=caller.role is Role.ADMIN, now=now
        )
        return json_answer(user_shape(queries.get_user(user_id)))

    return respond_in_transaction(request, work)


def _check_is_visible(caller: Caller, user_id: int) -> None:
    if caller.role is not Role.ADMIN and caller.user_id != user_id:
        raise UserNotFound


def _check_password(request: HttpRequest, user_id: int, body: Body) -> None:
    sent: dict[str, Any] = body.model_dump(exclude_none=True)
    if not {"password", "email"} & sent.keys():
        return
    user = queries.get_user(user_id)
    is_own_key_changed = "password" in sent or sent["email"] != user.email
    if is_own_key_changed and caller_of(request).role is not Role.ADMIN:
        passwords.check_current_password(user, sent.get("current_password"), address=client_address(request))
        if sent.get("email", user.email) != user.email:
            refuse_flood(MailKind.CONFIRMATION, sent["email"])
    if "password" in sent:
        passwords.check_password_rules(
            sent["password"], username=sent.get("username", user.username), email=sent.get("email", user.email)
        )


def _fields(body: Body) -> UserFields:
    """What is sent, as columns. Null means "not sent", but for the home branch, which it clears."""
    sent: dict[str, Any] = body.model_dump(exclude_unset=not isinstance(body, AddUser))
    fields = {name: value for name, value in sent.items() if value is not None and name != "current_password"}
    if "category" in fields:
        fields["category_id"] = fields.pop("category")
    if "password" in fields:
        fields["password"] = passwords.hash_password(fields["password"])
    if "home_branch" in sent:
        fields.pop("home_branch", None)
        fields["home_branch_id"] = _branch_id(sent["home_branch"])
    return fields  # type: ignore[return-value]  # the columns of UserFields


def _branch_id(code: str | None) -> int | None:
    if code is None:
        return None
    try:
        return get_branch_by_code(code).pk
    except BranchNotFound as error:
        raise HomeBranchUnknown from error
