import base64
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookwell.kit.pages import MAX_LIMIT, CursorInvalid, Key, Page, PageRequest, Position, keyset_sql


def _read(cursor: str | None = None, *, limit: int | None = 2, params: tuple[tuple[str, str], ...] = ()) -> PageRequest:
    return PageRequest.read("/api/books/", params, limit=limit, cursor=cursor, shape=(int,))


def _fetch(numbers: list[int], request: PageRequest) -> Page[int]:
    key, backward = request.position.key, request.position.is_backward
    ordered = sorted(numbers, reverse=backward)
    if key is not None:
        ordered = [number for number in ordered if (number < int(key[0]) if backward else number > int(key[0]))]
    return request.page(ordered[: request.limit + 1], key=lambda number: (number,))


def _cursor(link: str | None) -> str:
    assert link is not None
    return parse_qs(urlsplit(link).query)["cursor"][0]


def test_page__first_of_many__has_next_and_no_previous() -> None:
    page = _fetch([1, 2, 3], _read())

    assert page.items == [1, 2]
    assert page.next is not None
    assert page.next.startswith("/api/books/?limit=2&cursor=")
    assert page.previous is None


def test_page__there_and_back__shows_the_same_rows() -> None:
    numbers = list(range(1, 8))
    first = _fetch(numbers, _read())
    second = _fetch(numbers, _read(_cursor(first.next)))

    back = _fetch(numbers, _read(_cursor(second.previous)))

    assert second.items == [3, 4]
    assert back.items == [1, 2]
    assert back.previous is None
    assert _fetch(numbers, _read(_cursor(back.next))).items == [3, 4]


def test_page__rows_inserted_before_the_cursor__neither_repeat_nor_hide() -> None:
    first = _fetch([10, 20, 30, 40], _read())

    second = _fetch([5, 10, 15, 20, 30, 40], _read(_cursor(first.next)))

    assert second.items == [30, 40]


def test_page__all_before_the_cursor_are_gone__next_is_the_list_from_its_beginning() -> None:
    second = _fetch([1, 2, 3, 4], _read(_cursor(_fetch([1, 2, 3, 4], _read()).next)))

    empty = _fetch([3, 4], _read(_cursor(second.previous)))

    assert (empty.items, empty.previous) == ([], None)
    assert empty.next == "/api/books/?limit=2"
    assert _fetch([3, 4], _read(params=(("limit", "2"),))).items == [3, 4]


def test_page__all_behind_the_cursor_are_gone__previous_is_the_list_from_its_end() -> None:
    first = _fetch([1, 2, 3, 4], _read())

    empty = _fetch([1, 2], _read(_cursor(first.next)))
    back = _fetch([0, 1, 2], _read(_cursor(empty.previous)))

    assert (empty.items, empty.next) == ([], None)
    assert (back.items, back.next) == ([1, 2], None)
    assert _fetch([0, 1, 2], _read(_cursor(back.previous))).items == [0]


def test_page__nothing_left_at_all__ends() -> None:
    empty = _fetch([], _read(_cursor(_fetch([1, 2, 3], _read()).next)))

    from_the_end = _fetch([], _read(_cursor(empty.previous)))

    assert (from_the_end.items, from_the_end.next, from_the_end.previous) == ([], None, None)


def test_page__nothing_left_and_no_query__next_is_the_bare_path() -> None:
    link = _fetch([1, 2, 3], _read(_cursor(_fetch([1, 2, 3], _read()).next))).previous

    assert _fetch([], _read(_cursor(link), limit=None)).next == "/api/books/"


@given(st.sets(st.integers(0, 1000), max_size=40), st.integers(1, 7))
def test_page__following_next__sees_every_row_once(numbers: set[int], limit: int) -> None:
    page = _fetch(sorted(numbers), _read(limit=limit))
    seen = list(page.items)
    while page.next:
        page = _fetch(sorted(numbers), _read(_cursor(page.next), limit=limit))
        seen += page.items

    assert seen == sorted(numbers)


def test_page__query_has_filters__links_keep_them() -> None:
    page = _fetch([1, 2, 3], _read(params=(("q", "żółw & co"), ("limit", "2"))))

    assert parse_qs(urlsplit(page.next or "").query)["q"] == ["żółw & co"]


def test_read__cursor_of_another_filter__is_refused() -> None:
    cursor = _cursor(_fetch([1, 2, 3], _read(params=(("language", "pl"),))).next)

    with pytest.raises(CursorInvalid):
        _read(cursor, params=(("language", "en"),))
    with pytest.raises(CursorInvalid):
        _read(cursor)


def test_read__cursor_with_another_limit__is_taken() -> None:
    cursor = _cursor(_fetch([1, 2, 3], _read()).next)

    assert _read(cursor, limit=3).position == Position((2,))


@pytest.mark.parametrize("cursor", ["x", "????", "żółw", "e30", "A" * 3000, base64.b64encode(b"[" * 900).decode()])
def test_read__damaged_cursor__is_refused(cursor: str) -> None:
    with pytest.raises(CursorInvalid):
        _read(cursor)


@given(st.integers(0, 200), st.characters(codec="ascii"))
def test_read__one_changed_character__is_refused_or_the_same(place: int, character: str) -> None:
    cursor = _cursor(_fetch([1, 2, 3], _read()).next)
    place %= len(cursor)
    changed = cursor[:place] + character + cursor[place + 1 :]

    try:
        position = _read(changed).position
    except CursorInvalid:
        return
    assert position == Position((2,))


@pytest.mark.parametrize("key", [("text",), (2**63,), (True,), (1, 2), (None,)])
def test_read__well_made_cursor_of_other_types__is_refused(key: Key) -> None:
    link = PageRequest.read("/api/books/", (), limit=1, cursor=None, shape=(int,)).page([0, 0], key=lambda _: key).next

    with pytest.raises(CursorInvalid):
        _read(_cursor(link), limit=1)


def test_read__limit_over_the_cap__is_capped() -> None:
    assert _read(limit=10_000).limit == MAX_LIMIT
    assert _read(limit=None).limit == 50


def test_keyset_sql__per_database__asks_for_the_same_rows() -> None:
    position = Position(("abc", 7))

    rows = keyset_sql(["title_key", "id"], position, vendor="postgresql")
    spelt = keyset_sql(["title_key", "id"], position, vendor="mysql", is_descending=True)

    assert rows == ("(title_key, id) > (%s, %s)", ["abc", 7], "title_key, id")
    assert spelt == (
        "((title_key < %s) OR (title_key = %s AND id < %s))",
        ["abc", "abc", 7],
        "title_key DESC, id DESC",
    )
