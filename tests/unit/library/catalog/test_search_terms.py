import pytest

from bookwell.library.catalog.search_terms import SearchTerms, index_terms, parse_search, title_key


def _matches(terms: str, search: SearchTerms | None) -> bool:
    """What a full-text index does with them."""
    assert search is not None
    words = terms.split()
    return (
        bool(search)
        and all(word in words for word in search.words)
        and all(any(word.startswith(choice) for choice in choices for word in words) for choices in search.beginnings)
    )


_HOBBIT = index_terms(
    title="The Hobbit, or There & Back Again",
    authors=["J.R.R. Tolkien", "Mirosława Łozińska"],
    subjects=["Fantasy"],
    isbn="9780618260300",
)


@pytest.mark.parametrize(
    "q",
    [
        "hobbit",
        "HOBB",
        "the hobbit",
        "hobbit tolkien",
        "tolkien j r r",
        "J.R.R. Tolkien",
        "jrr tolkien",
        "łozińska",
        "lozinska",
        "Łoz",
        "or",
        "fantasy hob",
        "th",
        "978-0-618-26030-0",
        "9780618260300",
        "0618260307",
        "0-618-26030-7",
        "97806182",
        "tolkien 0-618-26030-7",
        "  the   ",
    ],
)
def test_parse_search__of_a_book_that_has_it__matches(q: str) -> None:
    assert _matches(_HOBBIT, parse_search(q))


@pytest.mark.parametrize("q", ["hob the ring", "tolk j", "h", "978-0-618-26030-1", "hobbits", "???"])
def test_parse_search__of_something_else__does_not(q: str) -> None:
    assert not _matches(_HOBBIT, parse_search(q))


@pytest.mark.parametrize("author", ["Tolkien", "tolk", "J.R.R. Tolkien", "lozinska miroslawa", "j r r tolk"])
def test_parse_search__by_author__matches_author_words(author: str) -> None:
    assert _matches(_HOBBIT, parse_search(author=author))
    assert _matches(_HOBBIT, parse_search("hobbit", author=author))


@pytest.mark.parametrize("author", ["hobbit", "fantasy", "the", "9780618260300"])
def test_parse_search__by_author__leaves_other_words_out(author: str) -> None:
    assert not _matches(_HOBBIT, parse_search(author=author))


@pytest.mark.parametrize(
    ("title", "q"),
    [
        ("It", "it"),
        ("Go", "go"),
        ("The Who", "the who"),
        ("1984", "1984"),
        ("Catch-22", "catch22"),
        ("Catch-22", "catch-22"),
        ("Ender's Game", "enders game"),
        ("Ender's Game", "ender's"),
        ("Ender's Game", "ender game"),
        ("L'Étranger", "etranger"),
        ("V for Vendetta", "v"),
        ("Самоучитель: ёлка", "елка"),
        ("三体", "三体"),
        ("Weiß", "weiss"),
    ],
)
def test_parse_search__hard_titles__match(title: str, q: str) -> None:
    assert _matches(index_terms(title=title, authors=[], subjects=[], isbn=None), parse_search(q))


def test_parse_search__nothing_asked__is_none() -> None:
    assert parse_search(" ", author="") is None


def test_index_terms__words__are_long_enough_for_every_index() -> None:
    assert all(3 <= len(word) <= 84 for word in _HOBBIT.split())
    assert "the" not in _HOBBIT.split()


@pytest.mark.parametrize(
    ("title", "key"),
    [
        ("The Hunger Games (The Hunger Games, #1)", "the hunger games"),
        ("(Nearly) Everything", "nearly everything"),
        ("(All in brackets)", "all in brackets"),
        ("Żółw", "zolw"),
        ("???", ""),
        ("word " * 60, ("word " * 24).strip()),
    ],
)
def test_title_key(title: str, key: str) -> None:
    assert title_key(title) == key
