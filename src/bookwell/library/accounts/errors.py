"""What accounts refuse, each with its stable code."""

from bookwell.kit.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable

__all__ = [
    "CardNumberTaken",
    "CategoryInUse",
    "CategoryUnknown",
    "ConfirmationInvalid",
    "CurrentPasswordWrong",
    "EmailTaken",
    "FieldForbidden",
    "HomeBranchUnknown",
    "LastAdministrator",
    "PasswordRefused",
    "ResetLinkInvalid",
    "SignUpRefused",
    "UnsubscribeLinkInvalid",
    "UserNotFound",
    "UsernameTaken",
]


class UserNotFound(NotFound):
    """No such user, or not for this caller."""

    code = "account.not_found"
    title = "No such user"


class UsernameTaken(Conflict):
    """Another account has this username, in whatever case."""

    code = "account.username_taken"
    title = "The username is taken"


class EmailTaken(Conflict):
    """Another account has confirmed this e-mail address."""

    code = "account.email_taken"
    title = "Another account has this e-mail address"


class ConfirmationInvalid(Invalid):
    """The link to confirm an address is damaged, was used, is too old, or the account has another address by now."""

    code = "account.confirmation_invalid"
    title = "The link is no longer valid"


class UnsubscribeLinkInvalid(Invalid):
    """The link that turns reminders off is damaged, or its account is closed."""

    code = "account.unsubscribe_link_invalid"
    title = "The link is not valid"


class PasswordRefused(Invalid):
    """The password rules refuse it; `errors` says which."""

    code = "account.password_refused"
    title = "The password is too weak"


class ResetLinkInvalid(Invalid):
    """The link that sets a new password is damaged, was used, is too old, or the account has changed since."""

    code = "account.reset_link_invalid"
    title = "The link is no longer valid"


class SignUpRefused(Invalid):
    """A field of the sign-up is not allowed; `errors` says which."""

    code = "account.sign_up_refused"
    title = "The sign-up is not complete"


class CategoryUnknown(Invalid):
    """There is no reader category of this code."""

    code = "account.category_unknown"
    title = "No such reader category"


class CategoryInUse(Conflict):
    """Readers or policies are of this category."""

    code = "account.category_in_use"
    title = "The reader category is in use"


class IdentityKnown(Conflict):
    """Another request has just connected this outside identity with an account."""

    code = "account.identity_known"
    title = "The outside identity is known already"
    retryable = True


class CurrentPasswordWrong(Forbidden):
    """Whoever changes the own password or address proves by the present password to be no thief of a token."""

    code = "account.current_password_wrong"
    title = "The current password is missing or wrong"


class HomeBranchUnknown(Invalid):
    """There is no branch of this code."""

    code = "account.home_branch_unknown"
    title = "No such branch"


class FieldForbidden(Forbidden):
    """The caller may change this record, but not this field of it."""

    code = "account.field_forbidden"
    title = "You may not change this"


class LastAdministrator(Conflict):
    """Somebody must be left who can administer the library."""

    code = "account.last_administrator"
    title = "This is the last administrator"


class CardNumberTaken(Unavailable):
    """A random card number met an existing one; the next try draws another."""

    code = "account.card_number_taken"
    title = "No card number was found"
