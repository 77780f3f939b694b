import io

import pytest

from bookwell.library.catalog.importing.csv_source import HeaderUnknown, read_csv
from bookwell.library.catalog.importing.records import Record, Rejection

_GOODBOOKS = (
    "book_id,goodreads_book_id,books_count,isbn,isbn13,authors,original_publication_year,original_title,title,"
    "language_code,ratings_count\n"
)


def _rows(text: str | bytes) -> list[Record | Rejection]:
    return list(read_csv(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def _only(text: str | bytes) -> Record | Rejection:
    (row,) = _rows(text)
    return row


def test_read_csv__goodbooks_row__is_repaired_and_split() -> None:
    row = _only(
        _GOODBOOKS + '1,2767052,272,439023483,9.78043902348e+12,"Suzanne Collins, A. N. Other",2008.0,X,'
        '"The Hunger Games (The Hunger Games, #1)",eng,4780653\n'
    )

    assert isinstance(row, Record)
    assert row.line == 2
    assert row.control_number == "goodbooks:1"
    assert row.data.isbn == "9780439023481"
    assert row.data.authors == ["Suzanne Collins", "A. N. Other"]
    assert row.data.year == 2008
    assert row.data.language == "en"
    assert row.popularity == 4780653


@pytest.mark.parametrize("isbn13", ["", "9.78043902348e+12", "9780439023480.0", "67172365"])
def test_read_csv__no_isbn_and_a_rounded_isbn13__has_none(isbn13: str) -> None:
    row = _only(_GOODBOOKS + f"1,1,1,,{isbn13},A,1999.0,X,T,en-US,1\n")

    assert isinstance(row, Record)
    assert row.data.isbn is None


def test_read_csv__no_isbn_and_a_whole_isbn13__has_that() -> None:
    row = _only("title,isbn,isbn13\nT,,978-0-439-02348-1\n")

    assert isinstance(row, Record)
    assert row.data.isbn == "9780439023481"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("T,812971060,", "isbn_invalid"),
        ("T,9.78043902348e+12,", "isbn_invalid"),
        ("T,,9780439023482", "isbn_invalid"),
        ("T,0439023483,9780618260300", "isbn_invalid"),
        (" ,,", "title_missing"),
        ("T,,,surplus", "columns"),
        ('T,"0439023483" x,', "quotes"),
        ('"T,,', "quotes"),
        ("T" * 501 + ",,", "too_long"),
    ],
)
def test_read_csv__bad_row__is_rejected_with_its_line_and_the_next_is_kept(line: str, code: str) -> None:
    rejection, good = _rows(f"title,isbn,isbn13\n{line}\nGood,0439023483,\n")

    assert isinstance(rejection, Rejection)
    assert (rejection.line, rejection.code) == (2, code)
    assert rejection.reason
    assert isinstance(good, Record)
    assert (good.line, good.data.title) == (3, "Good")


def test_read_csv__not_utf8__rejects_that_line_alone() -> None:
    rejection, good = _rows(b"title,isbn,isbn13\nZ\xf3\xb3w,,\nGood,,\n")

    assert isinstance(rejection, Rejection)
    assert (rejection.line, rejection.code) == (2, "encoding")
    assert isinstance(good, Record)


@pytest.mark.parametrize(
    "lines",
    [
        ['a 5" disk,', 'b 3" disk,', "c,"],
        ['5" floppy,', "b,", "c,", "d,", '8" floppy,', "e,", "f,", "g,", "h,"],
        ['a 5" disk,', "b,"],
        ['a 5" disk,', '"b\nb",', 'c 3" disk,'],
    ],
)
def test_read_csv__quotation_mark_within_a_cell__is_a_letter_and_no_row_is_lost(lines: list[str]) -> None:
    rows = _rows("\n".join(["title,isbn", *lines, ""]))

    titles = [row.data.title for row in rows if isinstance(row, Record)]
    assert titles == [line.strip('",').replace("\n", " ") for line in lines]


def test_read_csv__quotation_mark_closed_too_late__costs_its_line_alone() -> None:
    rejection, *good = _rows('title,isbn\n"a,\nb,\nc,\n"d,\ne,\n')

    assert isinstance(rejection, Rejection)
    assert (rejection.line, rejection.code) == (2, "quotes")
    assert [(row.line, isinstance(row, Record)) for row in good] == [(3, True), (4, True), (5, False), (6, True)]


def test_read_csv__line_break_in_quotes__is_one_row_and_lines_are_still_counted() -> None:
    first, second = _rows('title,description\n"T","one\ntwo ""three"""\nU,x\n')

    assert isinstance(first, Record)
    assert first.data.description == 'one\ntwo "three"'
    assert isinstance(second, Record)
    assert second.line == 4


def test_read_csv__own_columns__are_all_read() -> None:
    row = _only(
        "\ufefftitle;authors;isbn;publisher;year;language;subjects;description;control_number;popularity;shelf\n"
        "  Żółw \t i inni;Kowalska, Ewa | Nowak, Jan;978-83-01-00000-4;PWN;1997.0;pol;Zwierzęta;Opis;X1;7;A\n"
    )

    assert isinstance(row, Record)
    assert row.data.title == "Żółw i inni"
    assert row.data.authors == ["Kowalska, Ewa", "Nowak, Jan"]
    assert row.data.isbn == "9788301000004"
    assert (row.data.publisher, row.data.year, row.data.language) == ("PWN", 1997, "pl")
    assert (row.data.subjects, row.data.description) == (["Zwierzęta"], "Opis")
    assert (row.control_number, row.popularity) == ("X1", 7)


def test_read_csv__no_control_number__is_named_after_isbn_or_content() -> None:
    with_isbn, without, same = _rows("title,isbn\nT,0439023483\nT,\nT,\n")

    assert isinstance(with_isbn, Record)
    assert with_isbn.control_number == "isbn:9780439023481"
    assert isinstance(without, Record)
    assert without.control_number.startswith("row:")
    assert isinstance(same, Record)
    assert same.control_number == without.control_number


def test_read_csv__title_changes__digest_changes() -> None:
    one, other = _rows("title,control_number\nT,1\nU,1\n")

    assert isinstance(one, Record)
    assert isinstance(other, Record)
    assert one.digest != other.digest
    assert _only("title,control_number\nT,1\n") == one


@pytest.mark.parametrize(
    "text", ["", "name,isbn\nT,1\n", "\n", b"\xff\xfe\x00", "title\rT\r", f"title,{'x' * 200_000}"]
)
def test_read_csv__no_known_header__is_refused(text: str | bytes) -> None:
    with pytest.raises(HeaderUnknown):
        _rows(text)
