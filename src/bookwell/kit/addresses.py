"""Addresses of people, read strictly: what is wrong here would go out in headers."""

from typing import NamedTuple

import idna
import phonenumbers

__all__ = ["AddressInvalid", "MailAddress", "parse_address", "parse_phone"]

_LONGEST_ADDRESS = 254
_LONGEST_LOCAL_PART = 64
_NOT_IN_ADDRESSES = frozenset('()<>,;:\\"[] ')


class AddressInvalid(ValueError):
    """No mail can be sent to such an address."""


class MailAddress(NamedTuple):
    """An address in its parts; the domain is ASCII, the local part need not be (RFC 6531)."""

    local_part: str
    domain: str

    @property
    def is_ascii(self) -> bool:
        """Whether every server can take it."""
        return self.local_part.isascii()

    def __str__(self) -> str:
        return f"{self.local_part}@{self.domain}"


def parse_phone(text: str) -> str:
    """The number as `+48123456789` (E.164), of one with its country's code that the country's plan knows.

    Raises:
        AddressInvalid
    """
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        raise AddressInvalid("is no international telephone number") from None
    if not phonenumbers.is_valid_number(number):
        raise AddressInvalid("is a number that nobody has")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def parse_address(text: str) -> MailAddress:
    """The address, its domain in ASCII (`żółw.pl` → `xn--…`).

    Quoted local parts and domain literals are refused: nobody reads mail there, and they are how headers are broken.

    Raises:
        AddressInvalid
    """
    local_part, _, domain = text.strip().rpartition("@")
    characters = set(local_part + domain)
    if not local_part or not domain or "@" in local_part or characters & _NOT_IN_ADDRESSES:
        raise AddressInvalid("is no address")
    if not (local_part + domain).isprintable():
        raise AddressInvalid("holds characters that do not print")
    try:
        # Python's own codec is of 2003: with it straße.de becomes strasse.de, which is somebody else's.
        ascii_domain = idna.encode(domain, uts46=True, transitional=False).decode("ascii")
        local_part_length = len(local_part.encode())
    except UnicodeError:
        raise AddressInvalid("has a domain that does not exist") from None
    if local_part_length > _LONGEST_LOCAL_PART or local_part_length + 1 + len(ascii_domain) > _LONGEST_ADDRESS:
        raise AddressInvalid("is too long")
    return MailAddress(local_part, ascii_domain)
