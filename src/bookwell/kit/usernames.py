"""Usernames: what they may be, and the form in which they are compared."""

import unicodedata

from bookwell.kit.errors import Invalid

__all__ = ["LONGEST_USERNAME", "UsernameInvalid", "check_username", "fold_username"]

LONGEST_USERNAME = 150


class UsernameInvalid(Invalid):
    """The username is too long or has characters that usernames do not have."""

    code = "account.username_invalid"
    title = "The username is not allowed"


def fold_username(username: str) -> str:
    """The form in which usernames are compared: `Zoë`, `ZOË` and compatibility spellings are one name."""
    return unicodedata.normalize("NFKC", username).casefold()


def check_username(username: str) -> None:
    """Allow letters and digits of any script and `@ . + - _`, 1 to 150 of them, folded too.

    Raises:
        UsernameInvalid
    """
    if not all(character.isalnum() or character in "@.+-_" for character in username):
        raise UsernameInvalid("A username has letters, digits and @ . + - _ only.")
    if not 1 <= len(username) <= LONGEST_USERNAME or len(fold_username(username)) > LONGEST_USERNAME:
        raise UsernameInvalid(f"A username has 1 to {LONGEST_USERNAME} characters.")
