"""What a production must not have: secrets that others know or guess, and plain http where strangers can listen.

Every function answers what is wrong in words that repeat nothing of a secret, or None.
"""

from ipaddress import ip_address
from urllib.parse import unquote, urlsplit

from bookwell.kit.key_ring import parse_signing_keys

__all__ = ["insecure_url", "is_inside", "is_loopback", "open_password", "weak_keys", "weak_password", "weak_secret"]

LEAST_SECRET = 32
_LEAST_DIFFERENT = 8
_LEAST_KEY_BITS = 2048
_EXAMPLES = frozenset({"bookwell", "changeme", "change-me", "example", "guest", "password", "secret", "root", "user"})
"""Passwords that stand in our documents and in everybody's, or that servers come with."""


def weak_secret(secret: str) -> str | None:
    """Why a secret that signs things is no secret: too short, an example, or one letter again and again."""
    if len(secret) < LEAST_SECRET:
        return f"is shorter than {LEAST_SECRET} characters"
    if len(set(secret)) < _LEAST_DIFFERENT or any(secret.lower().startswith(example) for example in _EXAMPLES):
        return "can be guessed"
    return None


def weak_password(url: str) -> str | None:
    """Why the password in a server's URL is none; a URL without one leaves that to the server."""
    password = urlsplit(url).password
    if password is not None and unquote(password).lower() in _EXAMPLES:
        return "holds a password that everybody knows"
    return None


def open_password(url: str) -> str | None:
    """Why a mail server's URL tells its password to whoever listens: plain SMTP beyond this machine."""
    parts = urlsplit(url)
    if parts.scheme != "smtp" or not parts.password or is_loopback(parts.hostname or ""):
        return None
    return "would send its password unencrypted; use smtp+starttls:// or smtps://"


def weak_keys(pem: str) -> str | None:
    """Why keys that sign tokens are too weak; keys that cannot be read are for `check_signing_keys` to refuse."""
    try:
        keys = parse_signing_keys(pem.encode())
    except ValueError:
        return None
    if any(key.private.key_size < _LEAST_KEY_BITS for key in keys):
        return f"holds a key of less than {_LEAST_KEY_BITS} bits"
    return None


def insecure_url(url: str, *, inside: bool = False) -> str | None:
    """Why a URL is not for a production: plain http beyond this machine; `inside` allows it between our services."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme != "http" or is_loopback(host) or (inside and is_inside(host)):
        return None
    return "is plain http beyond this machine; https is needed"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_inside(host: str) -> bool:
    """Whether a host is one of a network of our own: a private address, or a name that no public server can have."""
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith(".internal")
