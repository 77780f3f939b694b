import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookwell.kit.folding import fold, words_of


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Żółć, gęślą jaźń", "zolc gesla jazn"),
        ("Łódź", "lodz"),
        ("Smørrebrød på Ærø", "smorrebrod pa aero"),
        ("Đorđe Ðavíð Þór", "dorde david thor"),
        ("Straße STRASSE ẞ", "strasse strasse ss"),
        ("Œuvres complètes", "oeuvres completes"),
        ("Diyarbakır İSTANBUL", "diyarbakir istanbul"),
        ("Ёлка и ёжик", "елка и ежик"),
        ("Їжак ґанок", "іжак ганок"),
        ("Ελληνικός ΛΌΓΟΣ", "ελληνικοσ λογοσ"),
        ("Ender's Game", "enders game"),
        ("Ender’s O’Brien", "enders obrien"),
        ("Catch-22: a_novel", "catch 22 a novel"),
        ("J.R.R. Tolkien", "j r r tolkien"),
        ("ﬁne ½ x²", "fine 1 2 x2"),
        ("三体 III", "三 体 iii"),
        ("It", "it"),
        ("The Who", "the who"),
        ("e\u0301tude étude", "etude etude"),
        ("co\u00adoperate zero\u200bwidth", "cooperate zerowidth"),
        ("!?… 😀", ""),
        ("", ""),
    ],
)
def test_fold__hard_cases(text: str, folded: str) -> None:
    assert fold(text) == folded


@given(st.text(max_size=60))
def test_fold__folded_again__stays(text: str) -> None:
    once = fold(text)

    assert fold(once) == once


@given(st.text(max_size=60))
def test_fold__composed_or_decomposed__is_the_same(text: str) -> None:
    assert fold(unicodedata.normalize("NFD", text)) == fold(unicodedata.normalize("NFC", text))


@given(st.text(alphabet=st.characters(categories=["L", "N", "M", "P", "Z"]), max_size=60))
def test_words_of__any_text__are_letters_and_digits(text: str) -> None:
    assert all(unicodedata.category(sign)[0] in "LN" for word in words_of(text) for sign in word)
