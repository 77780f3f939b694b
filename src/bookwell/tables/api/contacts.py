"""What guests say of themselves, in the one form in which it is kept, compared and sent to."""

import re
from typing import Annotated

from email_validator import EmailNotValidError, validate_email
from fastapi import Request
from pydantic import AfterValidator, BeforeValidator, Field

from bookwell.kit.addresses import AddressInvalid, parse_address, parse_phone
from bookwell.kit.languages import LANGUAGES, language_of
from bookwell.kit.negotiation import preferred_language

__all__ = ["Comment", "Email", "GuestName", "Locale", "Phone", "guest_locale"]

_LONGEST_EMAIL = 254
_SPACES = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
_JOINERS = dict.fromkeys(map(ord, "\u200c\u200d"))  # invisible, but some names are spelt with them
_TAG = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*")


def _email(text: str) -> str:
    if not text:
        return text
    try:
        checked = validate_email(
            text, check_deliverability=False, test_environment=True
        )  # `.test` is for trying things
        return str(parse_address(checked.normalized.lower()))
    except (EmailNotValidError, AddressInvalid):
        raise ValueError("This is no e-mail address") from None


def _phone(text: str) -> str:
    if not text:
        return text
    try:
        return parse_phone(text)
    except AddressInvalid as error:
        raise ValueError(f"This {error}, as in +48 22 123 45 67") from None


def _one_line(text: str) -> str:
    spaced = _SPACES.sub(" ", text)
    if not spaced.translate(_JOINERS).isprintable():
        raise ValueError("Only characters that print")
    return spaced


def _trimmed(text: object) -> object:
    """Nothing said is the same as nothing sent."""
    if text is None:
        return ""
    return text.strip() if isinstance(text, str) else text


def _tag(text: str) -> str:
    if text and not _TAG.fullmatch(text):
        raise ValueError("This is no language tag")
    return text


_Trimmed = BeforeValidator(_trimmed)  # behind the lengths, which else are told as those of a list
Email = Annotated[str, Field(max_length=_LONGEST_EMAIL), _Trimmed, AfterValidator(_email)]
Phone = Annotated[str, Field(max_length=64), _Trimmed, AfterValidator(_phone)]
GuestName = Annotated[str, Field(max_length=200), _Trimmed, AfterValidator(_one_line)]
Comment = Annotated[str, Field(max_length=2000), _Trimmed]
Locale = Annotated[str, Field(max_length=35), _Trimmed, AfterValidator(_tag)]


def guest_locale(request: Request, sent: str) -> str:
    """The language that we write to a guest in: the one sent, else by `Accept-Language`; English for others."""
    if not sent:
        return preferred_language(request.headers.get("Accept-Language", ""), LANGUAGES)
    return language_of(sent)
