import io
from collections.abc import Callable

import pymarc
import pytest
from pymarc import Field, Indicators, Subfield

from bookwell.library.catalog.importing.marc_source import read_marc
from bookwell.library.catalog.importing.records import Record, Rejection


def _field(tag: str, *subfields: str) -> Field:
    return Field(
        tag=tag, indicators=Indicators(" ", " "), subfields=[Subfield(part[0], part[1:]) for part in subfields]
    )


def _marc(title: str = "Quo vadis", *fields: Field, number: str = "42", utf8: bool = True) -> bytes:
    leader = "00000nam a2200000 i 4500" if utf8 else "00000nam  2200000 i 4500"
    common = [
        Field(tag="001", data=number),
        Field(tag="008", data="960101s1896    pl            000 1 pol d"),
        _field("245", f"a{title} /", "cHenryk Sienkiewicz."),
    ]
    record = pymarc.Record(force_utf8=utf8, leader=leader, fields=[*common, *fields])
    raw: bytes = record.as_marc()
    return raw[:9] + (b"a" if utf8 else b" ") + raw[10:]


def _in_marc8(raw: bytes, text: str, marc8: bytes) -> bytes:
    """The record with a placeholder of the same length replaced by MARC-8 bytes."""
    assert len(text) == len(marc8)
    return raw.replace(text.encode(), marc8)


def _rows(raw: bytes) -> list[Record | Rejection]:
    return list(read_marc(io.BytesIO(raw)))


def _codes(raw: bytes) -> list[str]:
    return [row.code if isinstance(row, Rejection) else row.data.title for row in _rows(raw)]


def test_read_marc__whole_record__becomes_a_book() -> None:
    raw = _marc(
        "Quo vadis",
        _field("020", "a83-01-00000-7 (oprawa twarda)"),
        _field("020", "z9780439023482"),
        _field("100", "aSienkiewicz, Henryk."),
        _field("264", "aWarszawa :", "bPWN,", "c1896."),
        _field("650", "aRome", "xHistory"),
        _field("520", "aA novel of Nero's time."),
    )

    (row,) = _rows(raw)

    assert isinstance(row, Record)
    assert row.control_number == "marc:42"
    assert row.data.title == "Quo vadis"
    assert row.data.isbn == "9788301000004"
    assert row.data.authors == ["Sienkiewicz, Henryk"]
    assert (row.data.publisher, row.data.year, row.data.language) == ("PWN", 1896, "pl")
    assert row.data.subjects == ["Rome"]


def test_read_marc__utf8__is_read() -> None:
    assert _codes(_marc("Żółć: powieść о ёлке")) == ["Żółć: powieść о ёлке"]


def test_read_marc__marc8__is_read_with_its_combining_marks() -> None:
    raw = _in_marc8(_marc("L__d_z_ m_asto", utf8=False), "L__d_z_", b"\xa1\xe2od\xe2z ")

    assert _codes(raw) == ["Łódź m_asto"]


def test_read_marc__utf8_that_the_leader_forgot__is_read_as_utf8() -> None:
    raw = _marc("Gżegżółka")

    assert _codes(raw[:9] + b" " + raw[10:]) == ["Gżegżółka"]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda raw: b"99999" + raw[5:], ["Good", "marc_broken", "Good too"]),
        (lambda raw: b"abcde" + raw[5:], ["Good", "marc_broken", "Good too"]),
        (lambda raw: raw[:60] + b"\x1d", ["Good", "marc_broken", "Good too"]),
        (lambda raw: raw[:60], ["Good", "marc_broken", "Good too"]),
        (lambda _raw: b"no record at all", ["Good", "marc_broken", "Good too"]),
        (lambda raw: raw.replace(b"Bad", b"\xff\xfe\xfd"), ["Good", "marc_broken", "Good too"]),
        (lambda raw: raw[:12] + b"00003" + raw[17:], ["Good", "marc_broken", "Good too"]),
        (lambda raw: raw[:5] + b"d" + raw[6:], ["Good", "deleted", "Good too"]),
        (lambda raw: raw.replace(b"245", b"246"), ["Good", "title_missing", "Good too"]),
        (lambda raw: b"\r\n" + raw + b"\r\n", ["Good", "Bad", "Good too"]),
    ],
)
def test_read_marc__broken_record__is_reported_and_its_neighbours_kept(
    damage: Callable[[bytes], bytes], expected: list[str]
) -> None:
    assert _codes(_marc("Good") + damage(_marc("Bad")) + _marc("Good too")) == expected


def test_read_marc__marc8_character_that_is_none__is_reported() -> None:
    raw = _in_marc8(_marc("Bad", utf8=False), "Bad", b"B\xfdd")

    assert _codes(raw + _marc("Good"))[1:] == ["Good"]


def test_read_marc__file_cut_off__reports_the_last_record() -> None:
    rows = _rows(_marc("Good") + _marc("Bad")[:-20])

    assert isinstance(rows[1], Rejection)
    assert (rows[1].line, rows[1].reason) == (2, "the file ends within the record")


def test_read_marc__only_wrong_isbns__is_rejected() -> None:
    assert _codes(_marc("T", _field("020", "a9780439023482"))) == ["isbn_invalid"]


def test_read_marc__endless_rubbish__is_cut_into_pieces() -> None:
    rows = _rows(b"x" * 1_000_000 + b"\x1d" + _marc("Good"))

    assert isinstance(rows[-1], Record)
    assert all(isinstance(row, Rejection) for row in rows[:-1])
