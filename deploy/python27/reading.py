# -*- coding: utf-8 -*-
"""Bodies of requests, read strictly: types and sizes, no rules. It refuses what the partners service refuses."""

from __future__ import unicode_literals

import json
import math
import numbers
import re

from problems import Refusal

_TEXT = type("")  # unicode in Python 2
_MAX_DEPTH = 32
MAX_INTEGER = 2**63 - 1
_MOST_DIGITS = 4300  # of an integer that the other door reads
_ENCODED_SURROGATE = re.compile(b"\xed[\xa0-\xbf]")  # Python 2 takes it for UTF-8
_LONE_SURROGATE = re.compile("[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]")

_JSON = "application/json"
_JSON_RANGES = {_JSON: 3, "application/*": 2, "*/*": 1}


def accepts_json(accept):
    """Whether an `Accept` header admits JSON; the most exact range decides, and an empty header admits everything."""
    ranked = [(_JSON_RANGES.get(parts[0], 0), _quality(parts[1:])) for parts in map(_split, accept.split(","))]
    best = max(rank for rank, _ in ranked)
    return not accept.strip() or (best > 0 and next(quality for rank, quality in ranked if rank == best) > 0)


def _split(header):
    return [part.strip().lower() for part in header.split(";")]


def _quality(parameters):
    values = [value.strip() for name, _, value in (part.partition("=") for part in parameters) if name.strip() == "q"]
    try:
        return float(values[0]) if values else 1.0
    except ValueError:
        return 0.0


def read_json(body, content_type):
    """Strictly: UTF-8, no NaN, no NUL, no half characters, bounded depth and numbers."""
    if not _is_json(content_type):
        raise Refusal("http.unsupported_media_type")
    if _ENCODED_SURROGATE.search(body):
        raise Refusal("request.unreadable")
    try:
        content = json.loads(body.decode("utf-8"), parse_constant=_refuse_constant, parse_int=_integer)
    except ValueError:
        raise Refusal("request.unreadable")
    except RuntimeError:  # the parser's recursion limit
        raise _invalid("#", "too_deep", "At most {} levels are read".format(_MAX_DEPTH))
    _check_value(content, "#", _MAX_DEPTH)
    return content


def _is_json(content_type):
    parts = _split(content_type)
    charsets = [part.partition("=")[2].strip('" ') for part in parts[1:] if part.startswith("charset")]
    return parts[0] == _JSON and all(charset == "utf-8" for charset in charsets)


def _refuse_constant(name):
    raise ValueError(name)


def _integer(digits):
    if len(digits.lstrip("-")) > _MOST_DIGITS:
        raise ValueError("too many digits")
    return int(digits)


def _check_value(value, place, levels):
    if isinstance(value, _TEXT):
        _check_text(value, place)
    elif isinstance(value, (dict, list)):
        if levels == 0:
            raise _invalid(place, "too_deep", "At most {} levels are read".format(_MAX_DEPTH))
        for step, item in value.items() if isinstance(value, dict) else enumerate(value):
            _check_text("{}".format(step), place)
            _check_value(item, place + "/" + _escaped(step), levels - 1)
    elif value is not None and not -MAX_INTEGER <= value <= MAX_INTEGER and not _is_finite_float(value):
        raise _invalid(place, "number_too_large", "The number is outside of what can be stored")


def _is_finite_float(value):
    return isinstance(value, float) and not math.isinf(value)


def _check_text(text, place):
    if "\0" in text:
        raise _invalid(place, "nul_character", "NUL is not allowed")
    if _LONE_SURROGATE.search(text):
        raise _invalid(place, "surrogate", "A surrogate stands alone")


def _escaped(step):
    """A step of a JSON Pointer (RFC 6901)."""
    return "{}".format(step).replace("~", "~0").replace("/", "~1")


def _invalid(pointer, code, detail):
    return Refusal("request.invalid", [{"code": code, "detail": detail, "pointer": pointer}])


def _check_id(value):
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        return "int_type", "Input should be a valid integer"
    if value < 1:
        return "greater_than_equal", "Input should be greater than or equal to 1"
    return None


def _check_text_of(shortest, longest):
    def check(value):
        if not isinstance(value, _TEXT):
            return "string_type", "Input should be a valid string"
        length = len(value.encode("utf-32-le")) // 4  # some builds of Python 2 count 16-bit units
        if length < shortest:
            return "string_too_short", "String should have at least {} characters".format(shortest)
        if length > longest:
            return "string_too_long", "String should have at most {} characters".format(longest)
        return None

    return check


def _check_moment(value):
    if not isinstance(value, _TEXT) or value[10:11] not in ("T", "t", " "):
        return "value_error", "An instant is written as in RFC 3339, 2026-03-12T18:00:00Z"
    return None


_FIELDS = {
    "book_id": _check_id,
    "isbn": _check_text_of(10, 32),
    "reserved_until": _check_moment,
    "library": _check_text_of(1, 100),
    "reader": _check_text_of(1, 64),
    "external_ref": _check_text_of(1, 200),
}


def check_reservation(content):
    """Types and sizes; which fields go together, and who may send which, the partners service says."""
    if not isinstance(content, dict):
        raise _invalid("#", "model_type", "Input should be an object")
    found = [(name, _wrong(name, value)) for name, value in sorted(content.items())]
    errors = [
        {"code": wrong[0], "detail": wrong[1], "pointer": "#/" + _escaped(name)} for name, wrong in found if wrong
    ]
    if errors:
        raise Refusal("request.invalid", errors)


def _wrong(name, value):
    """Code and detail of what is wrong with a field, or None."""
    if name not in _FIELDS:
        return "extra_forbidden", "Extra inputs are not permitted"
    return None if value is None else _FIELDS[name](value)
