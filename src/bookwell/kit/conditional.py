"""Conditional GET (RFC 9110 §13): a tag of the answer's bytes, and whether the caller has just that answer."""

import hashlib

__all__ = ["etag_of", "is_known"]


def etag_of(body: bytes) -> str:
    """The strong entity tag of a body."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def is_known(header: str, etag: str) -> bool:
    """Whether If-None-Match names the tag; weak ones compare as equal (RFC 9110 §13.1.2)."""
    return header.strip() == "*" or etag in {tag.strip().removeprefix("W/") for tag in header.split(",")}
