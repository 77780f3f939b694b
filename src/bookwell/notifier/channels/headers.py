"""Headers made of what people wrote, safe by construction.

The standard library's header objects are not used for it: they decode what looks like an encoded word, line breaks
included, and fold long quoted names so that a part of a name becomes an address. Here a text is either printable ASCII
on one line, a name in quotes, or encoded as a whole (RFC 2047); nothing is ever parsed.
"""

import unicodedata
from email.header import Header

__all__ = ["address_header", "one_line", "text_header"]

_LONGEST = 200
_LINE = 76
_NOT_IN_LINES = frozenset({"Cc", "Cs", "Zl", "Zp"})


def text_header(name: str, text: str) -> str:
    """A header with a text, folded, without its last line break."""
    shown = one_line(text)
    return f"{name}: {shown if _is_plain(shown) else _encoded(shown, name)}"


def address_header(name: str, display_name: str, address: str) -> str:
    """A header with one address; `address` has been checked to be one."""
    shown = one_line(display_name)
    if not shown:
        return f"{name}: {address}"
    start = f"{name}: {_quoted(shown) if _is_plain(shown) else _encoded(shown, name)}"
    has_room = len(start.rpartition("\r\n")[2]) + len(address) + 3 <= _LINE
    return f"{start} <{address}>" if has_room else f"{start}\r\n <{address}>"


def one_line(text: str, *, longest: int = _LONGEST) -> str:
    """The text without line breaks, control characters and halves of characters, cut to 200 or `longest`."""
    spaced = "".join(" " if unicodedata.category(char) in _NOT_IN_LINES else char for char in text)
    return " ".join(spaced.split())[:longest].strip()


def _is_plain(text: str) -> bool:
    """Whether the text can stand as it is: printable ASCII in which no reader finds an encoded word."""
    return text.isascii() and "=?" not in text


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return text if text.replace(" ", "").isalnum() else f'"{escaped}"'


def _encoded(text: str, name: str) -> str:
    return Header(text, "utf-8", maxlinelen=_LINE - 1, header_name=name).encode(linesep="\r\n")
