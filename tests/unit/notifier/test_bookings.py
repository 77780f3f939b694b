"""What guests of the restaurant are told, and in how many words."""

import re
from html import unescape
from typing import Any

import pytest

from bookwell.kit.languages import LANGUAGES
from bookwell.notifier.rendering import RenderedMessage, Unrenderable
from tests.unit.notifier.notices import LINK, MORE_LINK, TURNS, rendered, rendered_turn

_BOOKINGS = [turn for turn, (kind, _) in TURNS.items() if kind.startswith("booking.")]
_CONFIRMED = re.compile(r"(?i)confirm|potwierdz|подтвержд|подтверд")
_SAY_CONFIRMED = {"booking confirmed", "booking confirmed with a word", "booking changed"}
_TO_GUESTS = [turn for turn in _BOOKINGS if not TURNS[turn][0].endswith("escalated")]
_LONGEST_UNCUT = 158  # what is cut has 160 characters, less a space before the ellipsis


def _all_of(message: RenderedMessage) -> str:
    return unescape(f"{message.subject} {message.text} {message.html} {message.short}").replace(LINK, "")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("turn", _BOOKINGS)
def test_booking__only_what_is_confirmed__is_called_so(turn: str, language: str) -> None:
    said = _CONFIRMED.search(_all_of(rendered_turn(turn, language)))

    assert bool(said) is (turn in _SAY_CONFIRMED)


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        (
            "en",
            [
                "When: Sunday, 3 January 2027, 18:00–19:30",
                "Table: Qwrt (cabin with a curtain)",
                "Booking price: 1,234.50",
                "Answer by: Sunday, 22 November 2026, 17:00",
            ],
        ),
        (
            "pl",
            [
                "Termin: niedziela, 3 stycznia 2027, 18:00–19:30",
                "Stolik: Qwrt (kabina z zasłoną)",
                "Cena rezerwacji: 1 234,50",
                "Odpowiedź najpóźniej: niedziela, 22 listopada 2026, 17:00",
            ],
        ),
        (
            "ru",
            [
                "Когда: воскресенье, 3 января 2027 г., 18:00–19:30",
                "Столик: Qwrt (кабина с занавесом)",
                "Стоимость брони: 1 234,50",
                "Ответ не позднее: воскресенье, 22 ноября 2026 г., 17:00",
            ],
        ),
    ],
)
def test_requested__says_when_where_and_how_much_in_the_restaurants_time(language: str, lines: list[str]) -> None:
    message = rendered_turn("order received", language)

    assert [line for line in lines if line not in message.text.splitlines()] == []
    assert message.text.count(LINK) == message.html.count(LINK.replace("&", "&amp;")) == 1
    assert message.text.count(MORE_LINK) == 1
    assert "18:00" in message.subject


def test_booking__zone_far_away__tells_its_own_hours_over_midnight() -> None:
    message = rendered(
        "booking.confirmed", time_zone="Asia/Tokyo", starts_at="2027-01-03T14:30:00Z", ends_at="2027-01-03T16:00:00Z"
    )

    assert "When: Sunday, 3 January 2027, 23:30–01:00\n" in message.text


def test_booking__without_a_price__names_none() -> None:
    assert "price" not in rendered("booking.confirmed", price=0).text


@pytest.mark.parametrize("language", LANGUAGES)
def test_declined__lists_free_tables_or_offers_another_time(language: str) -> None:
    with_free = rendered_turn("order declined, others are free", language)
    without = rendered_turn("order declined", language)

    priced = "99.00" if language == "en" else "99,00"
    (priced_line,) = (line for line in with_free.text.splitlines() if priced in line)
    assert "Qwrt" in priced_line
    assert sum("Bnmk" in line for line in with_free.text.splitlines()) == 1
    assert "Qwrt, Bnmk" in with_free.short
    assert "Plmk" in without.text
    assert without.text.split("\n\n")[2] != with_free.text.split("\n\n")[2]


def test_cancelled__says_by_whom_what_and_why() -> None:
    said = {turn: rendered_turn(turn, "en").text for turn in _BOOKINGS if "cancelled" in turn}

    assert "As you wished, your order is cancelled" in said["order cancelled by the guest"]
    assert "As you wished, your booking is cancelled" in said["booking cancelled by the guest"]
    assert "the restaurant had to cancel your order" in said["order cancelled by staff"]
    assert "the restaurant had to cancel your booking" in said["booking cancelled by staff"]
    assert "From the restaurant: Plmk" in said["booking cancelled by staff"]
    assert "Free at that time: Bnmk (in the hall, seats: 4)" in said["booking cancelled by staff"]
    assert "Your booking was cancelled" in said["booking cancelled by the system"]
    assert (
        rendered("booking.cancelled", state="cancelled", ended_by="back_office").text
        == rendered("booking.cancelled", state="cancelled", ended_by="staff").text
    )


@pytest.mark.parametrize("turn", ["order changed", "booking changed"])
def test_changed__names_the_old_and_the_new(turn: str) -> None:
    text = rendered_turn(turn, "en").text

    assert (
        "Before: Saturday, 2 January 2027, 23:30–01:00, table Bnmk\nWhen: Sunday, 3 January 2027, 18:00–19:30" in text
    )


@pytest.mark.parametrize("turn", _BOOKINGS)
def test_booking__nothing_can_be_cancelled_any_more__offers_no_button(turn: str) -> None:
    kind, facts = TURNS[turn]
    without = {name: value for name, value in facts.items() if not name.endswith("_url")}

    message = rendered(kind, **without)

    assert LINK not in message.text
    assert "background:#2f6f5e" not in message.html
    assert "To cancel:" not in message.short


def test_escalated__names_order_guest_and_deadline() -> None:
    message = rendered_turn("order escalated", "en")

    assert message.subject == "Order 31 waits for your answer: 3 January, 18:00, table Qwrt"
    assert "Guest: Bnmk" in message.text
    assert f"Decide now:\n{LINK}" in message.text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("turn", _TO_GUESTS)
def test_sms__longest_names__still_says_it_all_before_the_link(turn: str, language: str) -> None:
    kind, facts = TURNS[turn]
    longest: dict[str, Any] = {"restaurant": "Ż" * 100, "table": "Ж" * 100, "party_size": 999}
    longest |= {"alternatives": [{**free, "name": "Q" * 100} for free in facts.get("alternatives", [])]}

    words, link, _ = rendered(kind, language=language, **(facts | longest)).short.partition(LINK)

    assert len(words.strip()) < _LONGEST_UNCUT
    assert bool(link) is ("cancel_url" in facts)
    assert "18:00" in words


@pytest.mark.parametrize("hostile", ["<b>x</b>", "a\r\nFree: forged", "evil\u202egnp", "T" * 5_000])
def test_declined__hostile_names_of_free_tables__stay_in_their_line(hostile: str) -> None:
    free = {"table_id": 5, "name": hostile, "table_type": hostile, "seats": 6, "price": 9900}
    calm = rendered("booking.declined", alternatives=[free | {"name": "Qwrt"}])

    message = rendered("booking.declined", alternatives=[free])

    assert message.text.count("\n") == calm.text.count("\n")
    assert message.text.replace("\n", "").isprintable()
    assert "<b>" not in message.html
    assert len(message.text) < 1_000


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://a.example/x y"])
def test_booking__what_is_no_link__makes_no_message(link: str) -> None:
    for name in ("cancel_url", "booking_url", "board_url"):
        with pytest.raises(Unrenderable):
            rendered("booking.requested", **{name: link})
