"""Signing up, logging in and out, refreshing tokens, and forgotten passwords."""

from typing import Annotated

from django.http import HttpRequest, HttpResponse
from ninja import Router
from pydantic import Field

from bookwell.contracts.problems import Problem
from bookwell.kit import clock
from bookwell.kit.adapters.django.http.throttle import client_address
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.http_errors import REFRESH_INVALID, HttpRefusal
from bookwell.kit.idempotency import Answer
from bookwell.kit.usernames import check_username
from bookwell.library.accounts import headless, passwords, queries, services
from bookwell.library.accounts.mail_limits import MailKind, count_asking, may_mail
from bookwell.library.accounts.schemas import TokensOut, UserOut, user_shape
from bookwell.library.accounts.services import TokenPair
from bookwell.library.api.answers import json_answer, respond_in_transaction, response_of
from bookwell.library.api.types import Body, Email, Password, Username

__all__ = ["router"]

router = Router(tags=["session"])


class SignUp(Body):
    """A new reader."""

    username: Username
    password: Password
    email: Email


class Credentials(Body):
    """Who logs in."""

    username: Annotated[str, Field(max_length=150)]
    password: Annotated[str, Field(max_length=128)]


class ForgottenPassword(Body):
    """Whose mailbox gets a link."""

    email: Email


class NewPassword(Body):
    """The token of a mail's link, and the password to set."""

    token: Annotated[str, Field(max_length=200)]
    password: Password


class Refresh(Body):
    """The refresh token of the last answer."""

    refresh: Annotated[str, Field(max_length=200)]


@router.post("/register/", auth=None, response={201: UserOut})
def register(request: HttpRequest, body: SignUp) -> HttpResponse:
    """Become a reader. The address is confirmed by mail; until then everything but that is possible.

    An address that another account has gets the same answer; only its mailbox learns of it. A mailbox gets five such
    mails an hour; beyond that, and with the same answer, none.
    """
    check_username(body.username)
    passwords.check_password_rules(body.password, username=body.username, email=body.email)
    password_hash = passwords.hash_password(body.password)
    is_new = not queries.has_username(
        body.username
    )  # else refused, or answered as before: no mail, and none is counted
    asks_mailbox = is_new and may_mail(MailKind.CONFIRMATION, body.email)

    def work() -> Answer:
        user_id = headless.sign_up(
            request,
            username=body.username,
            email=body.email,
            password_hash=password_hash,
            asks_mailbox=asks_mailbox,
        )
        headers = {"Location": f"/api/users/{user_id}/"}
        return json_answer(user_shape(queries.get_user(user_id)), status=201, headers=headers)

    return respond_in_transaction(request, work)


@router.post("/login/", auth=None, response={200: TokensOut, 401: Problem})
def log_in(request: HttpRequest, body: Credentials) -> HttpResponse:
    """Tokens for a username and a password."""
    return _tokens(headless.log_in(request, username=body.username, password=body.password))


@router.post("/token/", auth=None, response={200: TokensOut, 401: Problem})
def issue_token(request: HttpRequest, body: Credentials) -> HttpResponse:
    """The same as `/api/login/`."""
    return _tokens(headless.log_in(request, username=body.username, password=body.password))


@router.post("/token/refresh/", auth=None, response={200: TokensOut, 401: Problem})
def refresh_token(request: HttpRequest, body: Refresh) -> HttpResponse:  # noqa: ARG001 -- ninja passes it
    """The next pair of tokens.

    The refresh token changes each time. Sent again within ten seconds, the former one gets the same successor; sent
    again later it ends the session, since somebody has copied it.
    """
    now = clock.now()
    pair = run_in_transaction(lambda: services.refresh_session(refresh_token=body.refresh, now=now))
    if pair is None:
        raise HttpRefusal(REFRESH_INVALID, headers=_CHALLENGE)
    return _tokens(pair)


@router.post("/logout/", auth=None, response={204: None, 401: Problem})
def log_out(request: HttpRequest, body: Refresh) -> HttpResponse:  # noqa: ARG001 -- ninja passes it
    """End the session of a refresh token; its access tokens end with it, at once. Ending it twice is no error."""
    now = clock.now()
    if not run_in_transaction(lambda: services.end_session(refresh_token=body.refresh, now=now)):
        raise HttpRefusal(REFRESH_INVALID, headers=_CHALLENGE)
    return response_of(Answer(204, b""))


@router.post("/password/reset/", auth=None, response={202: None})
def ask_for_password_reset(request: HttpRequest, body: ForgottenPassword) -> HttpResponse:
    """Have a link mailed that sets a new password, where an active account has confirmed the address.

    The answer is the same whether or not there is one. The link is good for an hour and for one use. A mailbox gets
    five an hour; beyond that, and with the same answer, none.
    """
    count_asking(client_address(request))
    is_sent, now = may_mail(MailKind.PASSWORD_RESET, body.email), clock.now()

    def work() -> Answer:
        if is_sent:
            services.offer_password_reset(email=body.email, now=now)
        return Answer(202, b"")

    return respond_in_transaction(request, work)


@router.post("/password/", auth=None, response={204: None})
def set_forgotten_password(request: HttpRequest, body: NewPassword) -> HttpResponse:
    """Set a new password by the token of a mail's link. It ends all of the user's sessions."""
    password_hash, now = passwords.hash_password_of_link(body.password, token=body.token), clock.now()

    def work() -> Answer:
        services.reset_password(token=body.token, password_hash=password_hash, now=now)
        return Answer(204, b"")

    return respond_in_transaction(request, work)


_CHALLENGE = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


def _tokens(pair: TokenPair) -> HttpResponse:
    return response_of(json_answer({"access": pair.access, "refresh": pair.refresh}))
