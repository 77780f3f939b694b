"""E-mail addresses as accounts have them."""

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

__all__ = ["LONGEST_ADDRESS", "kept_address"]

LONGEST_ADDRESS = 254


def kept_address(text: str) -> str:
    """The address in the form in which accounts have it, which may be longer; empty when it is none."""
    address = text.lower()
    try:
        validate_email(address)
    except ValidationError:
        return ""
    return address if len(address) <= LONGEST_ADDRESS else ""
