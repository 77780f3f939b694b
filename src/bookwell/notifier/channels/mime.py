"""Bodies of mails: quoted-printable parts, one in another.

Written by hand because the standard library's objects cost several times as much as everything else about a mail, and
because the same message has to be the same bytes at every attempt: boundaries are made of the delivery's id, and begin
with what no quoted-printable line holds.
"""

import re
from binascii import b2a_qp
from collections.abc import Sequence

__all__ = ["multipart", "text_part"]

_LINE_BREAK = re.compile(r"\r\n|\r|\n")  # others that Unicode knows break no line of a calendar entry


def text_part(content_type: str, text: str, *headers: str) -> bytes:
    """A part with a text; `content_type` names no character set yet."""
    lines = [f"Content-Type: {content_type}; charset=utf-8", "Content-Transfer-Encoding: quoted-printable", *headers]
    body = "\r\n".join(_LINE_BREAK.split(text)).removesuffix("\r\n") + "\r\n"
    # Halves of characters cannot be encoded; the last line break tells b2a_qp how lines end.
    return "\r\n".join([*lines, "", ""]).encode() + b2a_qp(body.encode(errors="replace"), istext=True)


def multipart(kind: str, parts: Sequence[bytes], *, boundary: str) -> bytes:
    """A `multipart/<kind>` of parts."""
    start = f'Content-Type: multipart/{kind};\r\n boundary="=_{boundary}"\r\n\r\n'
    between = f"--=_{boundary}"
    body = f"\r\n{between}\r\n".encode().join([b"", *parts])
    return start.encode() + body.removeprefix(b"\r\n") + f"\r\n{between}--\r\n".encode()
