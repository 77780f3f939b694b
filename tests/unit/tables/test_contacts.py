"""What guests say of themselves, and the form in which it is kept."""

from typing import Any

import pytest
from pydantic import ValidationError

from bookwell.tables.api.order_parameters import BookTable


def kept(name: str, value: Any) -> Any:
    wanted = {"id": 1, "starts_at": "2030-05-07T18:00:00", "party_size": 2, name: value}
    return getattr(BookTable.model_validate(wanted), name)


@pytest.mark.parametrize(
    ("name", "sent", "expected"),
    [
        ("email", " Ada@Example.ORG ", "ada@example.org"),
        ("email", "ada@żółw.pl", "ada@xn--w-uga1v8h.pl"),
        ("email", "ada@inn.test", "ada@inn.test"),
        ("email", "", ""),
        ("email", None, ""),
        ("phone", "+48 22-123 45 67", "+48221234567"),
        ("phone", "", ""),
        ("name", " Żaneta  O'Hara ", "Żaneta  O'Hara"),
        ("name", "Jan\u00a0Kowalski", "Jan Kowalski"),
        ("name", "مهرنوش\u200cسادات", "مهرنوش\u200cسادات"),
        ("comment", "By the window,\nplease ", "By the window,\nplease"),
        ("locale", "pl-PL", "pl-PL"),
    ],
)
def test_contact__is_kept_in_one_form(name: str, sent: Any, expected: str) -> None:
    assert kept(name, sent) == expected


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("email", "ada"),
        ("email", "ada@"),
        ("email", "ada@localhost"),
        ("email", "ada@example..org"),
        ("email", '"ada b"@example.org'),
        ("email", "ada@[127.0.0.1]"),
        ("email", "ada@example.org\r\nBcc: eve@example.org"),
        ("email", f"{'a' * 65}@example.org"),
        ("email", 5),
        ("phone", "22 123 45 67"),
        ("phone", "+48 1"),
        ("phone", "call me"),
        ("name", "Ada\nLovelace"),
        ("name", "Ada\u202eecalevoL"),
        ("name", "a" * 201),
        ("comment", "a" * 2001),
        ("locale", "../en"),
    ],
)
def test_contact__what_nobody_can_be_reached_by__is_refused(name: str, sent: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        kept(name, sent)

    assert [error["loc"] for error in refused.value.errors()] == [(name,)]
