"""Links in messages are keys of whoever got them, and nobody else's once the message has gone its way."""

from typing import Any

__all__ = ["has_links", "without_links"]

_MARK = "url"
"""How names of links end in every contract."""


def without_links(payload: Any) -> Any:
    """What a message said, but for its links."""
    if isinstance(payload, dict):
        return {name: "" if _is_link(name, value) else without_links(value) for name, value in payload.items()}
    return [without_links(value) for value in payload] if isinstance(payload, list) else payload


def has_links(payload: Any) -> bool:
    """Whether there is something to take out."""
    if isinstance(payload, dict):
        return any(_is_link(name, value) or has_links(value) for name, value in payload.items())
    return any(has_links(value) for value in payload) if isinstance(payload, list) else False


def _is_link(name: str, value: Any) -> bool:
    return name.endswith(_MARK) and isinstance(value, str) and value != ""
