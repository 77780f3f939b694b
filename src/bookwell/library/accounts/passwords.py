"""Password rules and hashing, both before any transaction: argon2 takes a hundred times longer than the writes."""

from django.contrib.auth.hashers import check_password, make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from bookwell.contracts.problems import FieldProblem
from bookwell.library.accounts.errors import CurrentPasswordWrong, PasswordRefused
from bookwell.library.accounts.lockout import count_guess, refuse_locked_out
from bookwell.library.accounts.models import User
from bookwell.library.accounts.queries import find_user_of_reset_token

__all__ = [
    "LONGEST_PASSWORD",
    "check_current_password",
    "check_password_rules",
    "hash_password",
    "hash_password_of_link",
]

LONGEST_PASSWORD = 128


def check_password_rules(password: str, *, username: str, email: str) -> None:
    """Ask Django's validators: length, common ones, digits alone, likeness to the name or address.

    Raises:
        PasswordRefused: with one entry for each rule that is broken.
    """
    try:
        validate_password(password, User(username=username, email=email))
    except ValidationError as error:
        raise PasswordRefused(errors=tuple(_problem(broken) for broken in error.error_list)) from error


def check_current_password(user: User, password: str | None, *, address: str) -> None:
    """Make sure that the caller knows the user's password; wrong ones count as failed log-ins.

    Raises:
        CurrentPasswordWrong: if it is not the one, or none was sent.
        HttpRefusal: 429 `auth.locked_out`.
    """
    if password is None:
        raise CurrentPasswordWrong
    refuse_locked_out(username=user.username, address=address)
    is_right = check_password(password, user.password)
    count_guess(is_right=is_right, username=user.username, address=address)
    if not is_right:
        raise CurrentPasswordWrong


def hash_password(password: str) -> str:
    """The argon2 hash to store."""
    return make_password(password)


def hash_password_of_link(password: str, *, token: str) -> str:
    """The hash of what the holder of a link chose; empty where the link is not good, which costs no hash.

    Raises:
        PasswordRefused
    """
    user = find_user_of_reset_token(token)
    if user is None:
        return ""
    check_password_rules(password, username=user.username, email=user.email)
    return hash_password(password)


def _problem(broken: ValidationError) -> FieldProblem:
    return FieldProblem(code=broken.code or "invalid", detail=" ".join(broken.messages), pointer="#/password")
