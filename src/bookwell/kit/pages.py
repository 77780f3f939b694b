"""Cursor pages: `?limit=50&cursor=…` → `{items, next, previous}`.

A cursor is the key of the row at a page's edge, so that a page costs the same at any depth and rows that come or go
elsewhere neither repeat nor hide others. The columns of the key are NOT NULL, all in one direction, and end with a
unique one. Usage:

    request = PageRequest.read(path, params, limit=limit, cursor=cursor, shape=(str, int))
    rows = fetch(request.position, limit=request.limit + 1)      # in the order of request.position, one row more
    page = request.page(rows, key=lambda row: (row.title_key, row.id))
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from bookwell.kit.errors import Invalid

__all__ = ["DEFAULT_LIMIT", "MAX_LIMIT", "CursorInvalid", "Key", "Page", "PageRequest", "Position", "keyset_sql"]

T = TypeVar("T")

Key = tuple[int | str, ...]

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
_MAX_CURSOR = 2000
_CHECK_LENGTH = 16
_BIGGEST = 2**63
_SURROGATE = re.compile("[\ud800-\udfff]")


class CursorInvalid(Invalid):
    """The cursor is damaged, or was made for another list, filter or ordering."""

    code = "page.cursor_invalid"
    title = "The cursor is not valid for this list"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a page begins: behind `key`, or where the list does; going back, before `key`, or at the list's end."""

    key: Key | None = None
    is_backward: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A page's rows in the list's own order, and the absolute paths of its neighbours."""

    items: list[T]
    next: str | None
    previous: str | None


@dataclass(frozen=True, slots=True)
class PageRequest:
    """What a caller asked of a list: how many rows, from where. `scope` ties cursors to path, filters and ordering."""

    path: str
    params: tuple[tuple[str, str], ...]
    limit: int
    position: Position

    @classmethod
    def read(
        cls,
        path: str,
        params: Iterable[tuple[str, str]],
        *,
        limit: int | None,
        cursor: str | None,
        shape: tuple[type[int] | type[str], ...],
    ) -> "PageRequest":
        """The request for a page; `limit` is capped at 200, `shape` are the types of the key's columns.

        Raises:
            CursorInvalid
        """
        capped = min(max(limit or DEFAULT_LIMIT, 1), MAX_LIMIT)
        kept = tuple((name, value) for name, value in params if name not in ("cursor", "limit"))
        position = _decode(cursor, _scope(path, kept), shape) if cursor else Position()
        if limit is not None:
            kept += (("limit", str(capped)),)
        return cls(path, kept, capped, position)

    def page(self, rows: Sequence[T], *, key: Callable[[T], Key]) -> Page[T]:
        """The page of up to `limit + 1` rows that were read in the direction of `position`."""
        if not rows:
            return self._empty_page()
        backward, came_from_a_row = self.position.is_backward, self.position.key is not None
        has_more = len(rows) > self.limit
        items = list(rows[: self.limit])
        if backward:
            items.reverse()
        has_next, has_previous = (came_from_a_row, has_more) if backward else (has_more, came_from_a_row)
        return Page(
            items,
            next=self._link(Position(key(items[-1]))) if has_next else None,
            previous=self._link(Position(key(items[0]), is_backward=True)) if has_previous else None,
        )

    def _empty_page(self) -> Page[T]:
        """The rows on this side of the cursor's row are gone, perhaps it too: the way back leads in from the end."""
        came_from_a_row, backward = self.position.key is not None, self.position.is_backward
        return Page(
            [],
            next=self._link(Position()) if came_from_a_row and backward else None,
            previous=self._link(Position(is_backward=True)) if came_from_a_row and not backward else None,
        )

    def _link(self, position: Position) -> str:
        params = self.params
        if position != Position():
            filters = tuple(pair for pair in params if pair[0] != "limit")
            params += (("cursor", _encode(position, scope=_scope(self.path, filters))),)
        return f"{self.path}?{urlencode(params)}" if params else self.path


def keyset_sql(
    columns: Sequence[str], position: Position, *, vendor: str, is_descending: bool = False
) -> tuple[str, list[Any], str]:
    """The condition, its parameters and the ORDER BY list for the page at `position`.

    The condition is empty for a first page. PostgreSQL and SQLite walk an index by a row comparison; MySQL and
    MariaDB (`vendor` mysql) do so only for the same thing spelt out.
    """
    is_descending ^= position.is_backward
    order = ", ".join(f"{column} DESC" if is_descending else column for column in columns)
    if position.key is None:
        return "", [], order
    sign = "<" if is_descending else ">"
    if vendor != "mysql":
        marks = ", ".join(["%s"] * len(columns))
        return f"({', '.join(columns)}) {sign} ({marks})", list(position.key), order
    parts: list[str] = []
    params: list[Any] = []
    for index, column in enumerate(columns):
        equal = [f"{earlier} = %s" for earlier in columns[:index]]
        parts.append("(" + " AND ".join([*equal, f"{column} {sign} %s"]) + ")")
        params += position.key[: index + 1]
    return f"({' OR '.join(parts)})", params, order


def _scope(path: str, params: tuple[tuple[str, str], ...]) -> str:
    return json.dumps([path, sorted(params)])


def _encode(position: Position, *, scope: str) -> str:
    content = json.dumps([int(position.is_backward), *(position.key or ())], separators=(",", ":"))
    return base64.urlsafe_b64encode((_check(content, scope) + content).encode()).decode().rstrip("=")


def _decode(cursor: str, scope: str, shape: tuple[type[int] | type[str], ...]) -> Position:
    if len(cursor) > _MAX_CURSOR:
        raise CursorInvalid
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        check, content = text[:_CHECK_LENGTH], text[_CHECK_LENGTH:]
        parsed = json.loads(content)
    except (ValueError, binascii.Error, RecursionError) as error:
        raise CursorInvalid from error
    if check != _check(content, scope) or not isinstance(parsed, list):
        raise CursorInvalid
    if parsed == [1]:
        return Position(is_backward=True)
    if len(parsed) != len(shape) + 1:
        raise CursorInvalid
    backward, *key = parsed
    if backward not in (0, 1) or not all(map(_is_value, key, shape)):
        raise CursorInvalid
    return Position(tuple(key), bool(backward))


def _is_value(value: object, kind: type[int] | type[str]) -> bool:
    """Whether a database would take the value: anyone can compute the check, so the types are looked at too."""
    if type(value) is not kind:
        return False
    if isinstance(value, int):
        return -_BIGGEST <= value < _BIGGEST
    return isinstance(value, str) and "\0" not in value and not _SURROGATE.search(value)


def _check(content: str, scope: str) -> str:
    return hashlib.sha256(f"{scope}\n{content}".encode()).hexdigest()[:_CHECK_LENGTH]
