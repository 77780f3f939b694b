"""JSON of a request's body, read strictly: what no database or client of ours could hold is refused here."""

import json
import math
from typing import Any, NoReturn

from bookwell.contracts.problems import FieldProblem
from bookwell.kit.http_errors import INVALID, UNREADABLE, UNSUPPORTED_MEDIA_TYPE, HttpRefusal
from bookwell.kit.negotiation import is_json

__all__ = ["MAX_DEPTH", "MAX_INTEGER", "pointer_of", "read_json"]

MAX_DEPTH = 32
"""Levels of arrays and objects that a body may nest."""

MAX_INTEGER = 2**63 - 1


def read_json(body: bytes, content_type: str) -> Any:
    """RFC 8259 in UTF-8, without NaN and Infinity; depth, NUL, surrogates and large integers are checked.

    Raises:
        HttpRefusal: 415 for another content type, 400 for what is not JSON, 422 for what cannot be stored.
    """
    if not is_json(content_type):
        raise HttpRefusal(UNSUPPORTED_MEDIA_TYPE)
    content = _parse(body)
    _check(content, (), MAX_DEPTH)
    return content


def pointer_of(path: tuple[str | int, ...]) -> str:
    """A fragment JSON Pointer (RFC 6901 §6), `#/authors/0`."""
    return "#" + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _parse(body: bytes) -> Any:
    try:
        return _read(body.decode())
    except RecursionError:
        _refuse((), "too_deep", f"At most {MAX_DEPTH} levels are read")
    except ValueError as error:  # not UTF-8, not JSON, or an integer of thousands of digits
        raise HttpRefusal(UNREADABLE) from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_read = json.JSONDecoder(parse_constant=_refuse_constant).decode


def _check(value: Any, path: tuple[str | int, ...], levels: int) -> None:
    if isinstance(value, str):
        _check_text(value, path)
    elif isinstance(value, (dict, list)):
        if levels == 0:
            _refuse(path, "too_deep", f"At most {MAX_DEPTH} levels are read")
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(step, str):
                _check_text(step, path)
            _check(item, (*path, step), levels - 1)
    elif isinstance(value, (int, float)) and not -MAX_INTEGER <= value <= MAX_INTEGER and not _is_finite_float(value):
        _refuse(path, "number_too_large", "The number is outside of what can be stored")


def _is_finite_float(value: float) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _check_text(text: str, path: tuple[str | int, ...]) -> None:
    if "\0" in text:
        _refuse(path, "nul_character", "NUL is not allowed")
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        _refuse(path, "surrogate", "A surrogate stands alone")


def _refuse(path: tuple[str | int, ...], code: str, detail: str) -> NoReturn:
    raise HttpRefusal(INVALID, errors=(FieldProblem(code=code, detail=detail, pointer=pointer_of(path)),))
