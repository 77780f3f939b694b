"""What accounts refuse, by rule."""

from bookwell.kit.errors import Conflict, Invalid, NotFound

__all__ = ["AccountNotFound", "LastAdministrator", "PasswordRefused", "UsernameTaken"]


class AccountNotFound(NotFound):
    """There is no account of that name."""

    code = "account.not_found"
    title = "No such user"


class UsernameTaken(Conflict):
    """Another account has this username, in whatever case."""

    code = "account.username_taken"
    title = "The username is taken"


class LastAdministrator(Conflict):
    """Somebody must be left who can administer the restaurant."""

    code = "account.last_administrator"
    title = "This is the last administrator"


class PasswordRefused(Invalid):
    """The password is short, or is the username."""

    code = "account.password_refused"
    title = "The password is too weak"
