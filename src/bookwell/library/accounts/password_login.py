"""Django's authentication by password, behind the lockout: the API and Django's admin log in through it."""

from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from bookwell.kit.adapters.django.http.throttle import client_address
from bookwell.library.accounts.lockout import find_lockout_seconds, record_failure
from bookwell.library.accounts.models import User

__all__ = ["PasswordBackend"]


class PasswordBackend(ModelBackend):
    """Finds users by folded name; an unknown name and an inactive user cost a hash like a wrong password does."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **_: Any
    ) -> User | None:
        """Django's hook: the user whose password it is.

        Raises:
            PermissionDenied: while the account or the address is locked out.
        """
        if username is None or password is None:
            return None
        address = client_address(request) if request is not None else ""
        if find_lockout_seconds(username=username, address=address) is not None:
            raise PermissionDenied
        user = super().authenticate(request, username=username, password=password)
        if not isinstance(user, User):
            record_failure(username=username, address=address)
            return None
        return user
