"""Django's authentication by password, behind the lockout: the API and Django's admin log in through it."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from bookwell.kit.adapters.django.http.throttle import client_address
from bookwell.kit.http_errors import HttpRefusal
from bookwell.library.accounts.lockout import count_guess, refuse_locked_out
from bookwell.library.accounts.models import User

__all__ = ["PasswordBackend"]


class PasswordBackend(ModelBackend):
    """Finds users by folded name; an unknown name and an inactive user cost a hash like a wrong password does."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        """Django's hook: the user whose password it is.

        Raises:
            PermissionDenied: while the account or the address is locked out; the request has the refusal as `lockout`.
        """
        if username is None or password is None:
            return None
        who = {"username": username, "address": client_address(request) if request is not None else ""}
        try:
            refuse_locked_out(**who)
            user = super().authenticate(request, username=username, password=password)
            count_guess(is_right=isinstance(user, User), **who)
        except HttpRefusal as refusal:
            if request is not None:
                request.lockout = refusal  # type: ignore[attr-defined]  # the API tells it
            raise PermissionDenied from refusal
        return user if isinstance(user, User) else None
