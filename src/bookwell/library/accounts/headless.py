"""Logging in and signing up by django-allauth's headless views, called in process.

allauth decides who gets in and what a sign-up needs (and later asks for second factors); this module gives it our
token sessions, our users and our outbox, and turns its answers into values and domain errors.
"""

import json
from io import BytesIO
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.core import context
from allauth.headless.account.inputs import LoginInput, SignupInput
from allauth.headless.account.views import LoginView, SignupView, VerifyEmailView
from allauth.headless.constants import Client
from allauth.headless.tokens.strategies.base import AbstractTokenStrategy
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.base import SessionBase
from django.core.handlers.wsgi import WSGIRequest
from django.forms import CharField
from django.http import HttpRequest

from bookwell.contracts.problems import FieldProblem
from bookwell.kit import clock
from bookwell.kit.adapters.django.http.throttle import client_address
from bookwell.kit.adapters.django.transactions import run_in_transaction
from bookwell.kit.http_errors import BAD_CREDENTIALS, HttpRefusal
from bookwell.kit.usernames import check_username, fold_username
from bookwell.library.accounts import services
from bookwell.library.accounts.errors import ConfirmationInvalid, SignUpRefused
from bookwell.library.accounts.models import User
from bookwell.library.accounts.services import TokenPair
from bookwell.library.accounts.services.emails import confirm_email_in_tx, tell_mailbox_in_tx

__all__ = ["AccountAdapter", "TokenSessionStrategy", "confirm_address", "find_language_of_key", "log_in", "sign_up"]

_LEFTOVER_SESSION_SECONDS = 15 * 60
"""allauth keeps a browser-like session for the steps of a log-in; ours are done with it when the tokens are out."""


class TokenSessionStrategy(AbstractTokenStrategy):  # type: ignore[misc]  # allauth ships no types
    """allauth's hook: what a client holds after a log-in. Its own strategy loses parallel refreshes and rotations."""

    def create_session_token(self, request: HttpRequest) -> str:
        """Keep the session of the log-in's steps, for a short while."""
        request.session.set_expiry(_LEFTOVER_SESSION_SECONDS)
        if not request.session.session_key:
            request.session.save()
        return str(request.session.session_key)

    def lookup_session(self, session_token: str) -> SessionBase | None:  # noqa: ARG002 -- allauth's signature
        """No client comes back with such a token."""
        return None

    def create_access_token_payload(self, request: HttpRequest) -> dict[str, Any] | None:
        """Open the token session of a log-in that is complete."""
        if not getattr(request, "wants_tokens", False):
            return None
        user: User = request.user  # type: ignore[assignment]  # allauth calls when somebody is logged in
        pair = run_in_transaction(lambda: services.open_session(user=user, now=clock.now()))
        return {"access_token": pair.access, "refresh_token": pair.refresh} if pair else None


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """allauth's hooks: our lockout, our users, our outbox."""

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Nothing to count here: `PasswordBackend` does."""

    def clean_username(self, username: str, shallow: bool = False) -> str:  # noqa: ARG002 -- allauth's signature
        """`create_user_in_tx` checks names."""
        return username

    def clean_password(self, password: str, user: Any = None) -> str:  # noqa: ARG002 -- allauth's signature
        """The rules were asked, and the password hashed, before the transaction."""
        return password

    def save_user(self, request: HttpRequest, user: User, form: Any, commit: bool = True) -> User:  # noqa: ARG002
        """Create the reader; allauth goes on to the address."""
        fields = form.cleaned_data
        return services.create_user_in_tx(
            fields={
                "username": fields["username"],
                "email": fields["email"],
                "password": request.password_hash,  # type: ignore[attr-defined]  # sign_up puts it there
            },
            now=clock.now(),
            claims_email=False,
        )

    def send_confirmation_mail(self, request: HttpRequest, emailconfirmation: Any, signup: bool) -> None:  # noqa: ARG002
        """Tell the mailbox, in the transaction of the sign-up, unless it got too many mails already."""
        if not request.asks_mailbox:  # type: ignore[attr-defined]  # sign_up puts it there
            return
        tell_mailbox_in_tx(emailconfirmation.email_address.user, emailconfirmation.key, now=clock.now())

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """No mail leaves but by the outbox; allauth's other mails are not among ours."""

    def confirm_email(self, request: HttpRequest, email_address: EmailAddress) -> bool:
        """Confirm an address; one that another account has confirmed first is refused."""
        confirm_email_in_tx(user_id=email_address.user_id, email=email_address.email)
        return bool(super().confirm_email(request, email_address))


class _LoginInput(LoginInput):  # type: ignore[misc]
    password = CharField(strip=False)


class _SignupInput(SignupInput):  # type: ignore[misc]
    password = CharField(strip=False)


class _LoginView(LoginView):  # type: ignore[misc]
    input_class = _LoginInput


class _SignupView(SignupView):  # type: ignore[misc]
    input_class = {"POST": _SignupInput}


_log_in = _LoginView.as_api_view(client=Client.APP)
_sign_up = _SignupView.as_api_view(client=Client.APP)
_verify_email = VerifyEmailView.as_api_view(client=Client.APP)


def log_in(request: HttpRequest, *, username: str, password: str) -> TokenPair:
    """Tokens for a name and a password. Opens its own transaction, after the password was checked.

    Raises:
        HttpRefusal: 401 `auth.bad_credentials`, the same for unknown, wrong and deactivated; 429 `auth.locked_out`.
    """
    inner = _inner_request(request, {"username": fold_username(username), "password": password})
    inner.wants_tokens = True  # type: ignore[attr-defined]  # TokenSessionStrategy asks
    status, answer = _call(_log_in, inner)
    lockout: HttpRefusal | None = getattr(inner, "lockout", None)
    if lockout is not None:
        raise lockout
    meta = answer.get("meta", {})
    if status != 200 or "access_token" not in meta:
        raise HttpRefusal(BAD_CREDENTIALS, headers={"WWW-Authenticate": "Bearer"})
    return TokenPair(meta["access_token"], meta["refresh_token"])


def sign_up(request: HttpRequest, *, username: str, email: str, password_hash: str, asks_mailbox: bool = True) -> int:
    """Create a reader in the caller's transaction; the id. A known address signs up like an unknown one.

    The mailbox is asked to confirm the address where `asks_mailbox`.

    Raises:
        UsernameInvalid, UsernameTaken, SignUpRefused
    """
    check_username(username)
    inner = _inner_request(request, {"username": username, "email": email, "password": "-"})
    inner.password_hash = password_hash  # type: ignore[attr-defined]  # AccountAdapter.save_user takes it
    inner.asks_mailbox = asks_mailbox  # type: ignore[attr-defined]  # its send_confirmation_mail
    status, answer = _call(_sign_up, inner)
    if status != 200:
        raise _refusal(answer.get("errors", []))
    return int(answer["data"]["user"]["id"])


def confirm_address(request: HttpRequest, *, key: str) -> None:
    """Confirm the address that a mail's link was sent to, in the caller's transaction.

    Raises:
        ConfirmationInvalid, EmailTaken
    """
    _, answer = _call(_verify_email, _inner_request(request, {"key": key}))
    if "errors" in answer:
        raise ConfirmationInvalid


def find_language_of_key(key: str) -> str | None:
    """The language of the account that a link's key is of; None when the link is not good, or was used."""
    found = EmailConfirmationHMAC.from_key(key)
    return found.email_address.user.language if found else None


def _inner_request(request: HttpRequest, content: dict[str, str]) -> HttpRequest:
    """A request for allauth, with nothing of ours but the body and the caller's address."""
    body = json.dumps(content).encode()
    public = urlsplit(settings.PUBLIC_URL)
    inner = WSGIRequest(
        {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/",
            "SERVER_NAME": public.hostname or "localhost",
            "SERVER_PORT": str(public.port or 80),
            "REMOTE_ADDR": client_address(request),
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.url_scheme": public.scheme,
            "wsgi.input": BytesIO(body),
        }
    )
    inner.allauth = SimpleNamespace()  # type: ignore[attr-defined]  # what allauth's middleware sets
    inner.user = AnonymousUser()
    inner.session = SessionBase()
    return inner


def _call(view: Any, inner: HttpRequest) -> tuple[int, dict[str, Any]]:
    with context.request_context(inner):
        response = view(inner)
    return response.status_code, json.loads(response.content)


def _refusal(errors: list[dict[str, str]]) -> Exception:
    fields = tuple(
        FieldProblem(code=error["code"], detail=error["message"], pointer=f"#/{error.get('param', '')}")
        for error in errors
    )
    return SignUpRefused(errors=fields)
