"""What a guest's links open: pages that change nothing until their button is pressed, and JSON for programs."""

import datetime as dt
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import time_machine
from sqlalchemy import select
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from bookwell.kit.languages import LANGUAGES
from bookwell.kit.outbox.rules import instant_at
from bookwell.tables.bookings.models import guest_token, reminder_opt_out
from bookwell.tables.bookings.queries import digest_of
from bookwell.tables.bookings.rules import State
from bookwell.tables.bookings.services.deciding import accept_booking
from bookwell.tables.bookings.services.ending import mark_booking
from bookwell.tables.bookings.services.forgetting import forget_guest
from bookwell.tables.bookings.services.reminding import remind_guest
from bookwell.tables.bookings.services.unsubscribing import LINK_LIFE
from bookwell.tables.db import Database
from bookwell.tables.web.words import WORDS
from tests.contract.tables.serving import served
from tests.restaurant import EVENING, NOW, SITE, STAFF, a_table, an_order, booked, holders, mails

CANCEL = "/api/customer/cancel_booking/"
VIEW = "/api/customer/booking/"
UNSUBSCRIBE = "/api/customer/unsubscribe/"
PAGE = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
JSON = {"Accept": "application/json"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
HOUR = dt.timedelta(hours=1)


class Seen(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for each, attributes in self.elements if each == tag]


def a_link(restaurant: Database, *, link: str = "cancel_url", is_confirmed: bool = True, **values: Any) -> Any:
    """A booking, and the token of a link in its first mail."""
    order = an_order(restaurant, a_table(restaurant).id, **values)
    if is_confirmed:
        accept(restaurant, order.id)
    facts = json.loads(mails(restaurant, order.id)[0].payload)["facts"]
    return order, facts[link].partition("?id=")[2]


def accept(restaurant: Database, booking_id: int) -> None:
    told: dict[str, Any] = {"actor": STAFF, "public_url": SITE, "now": NOW}
    restaurant.write(lambda connection: accept_booking(connection, booking_id=booking_id, **told))


def a_reminder(restaurant: Database) -> tuple[Any, str]:
    """A booking, and the token of its reminder's link to have no more of them."""
    starts_at = EVENING + 72 * HOUR
    order, _ = a_link(restaurant, email=f"guest{a_table(restaurant).id}@example.org", starts_at=starts_at)
    moment = starts_at - 24 * HOUR
    told: dict[str, Any] = {"booking_id": order.id, "public_url": SITE, "now": moment}
    assert restaurant.write(lambda connection: remind_guest(connection, **told))
    reminder = json.loads(mails(restaurant, order.id)[-1].payload)
    return order, reminder["unsubscribe_url"].partition("?id=")[2]


def test_cancel_link__fetched_a_hundred_times__changes_nothing(client: TestClient, restaurant: Database) -> None:
    order, token = a_link(restaurant)
    before, told = booked(restaurant, order.id), len(mails(restaurant, order.id))

    answers = [
        client.request(("GET", "HEAD")[number % 2], CANCEL, params={"id": token}, headers=(PAGE, JSON, {})[number % 3])
        for number in range(100)
    ]

    assert {answer.status_code for answer in answers} == {200}
    assert not any(answer.content for answer in answers[1::2])
    assert booked(restaurant, order.id) == before
    assert len(mails(restaurant, order.id)) == told
    assert len(holders(restaurant, order.table_id)) == 1


def test_cancel_page__shows_the_booking_and_a_button_and_no_script(client: TestClient, restaurant: Database) -> None:
    order, token = a_link(restaurant, name="<script>alert(1)</script>")

    answer = client.get(CANCEL, params={"id": token}, headers=PAGE)

    seen = Seen(answer.text)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "Tuesday, 7 May 2030, 18:00" in answer.text
    assert "25.00" in answer.text
    assert "&lt;script&gt;alert(1)" in answer.text
    assert seen.of("form") == [{"method": "post"}]
    assert [each.get("type") for each in seen.of("button")] == ["submit"]
    assert not [attributes for _, attributes in seen.elements if {"style", "onclick"} & attributes.keys()]
    assert seen.of("script") == []
    assert seen.of("html") == [{"lang": "en"}]
    assert len(seen.of("h1")) == len(seen.of("main")) == len(seen.of("title")) == 1
    assert booked(restaurant, order.id).state == State.CONFIRMED


def test_cancel_page__tells_nobody_its_address(client: TestClient, restaurant: Database) -> None:
    _, token = a_link(restaurant)

    answer = client.get(CANCEL, params={"id": token}, headers=PAGE)

    policy = answer.headers["content-security-policy"]
    links = [value for _, attributes in Seen(answer.text).elements for value in attributes.values() if value]
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-robots-tag"].startswith("noindex")
    assert answer.headers["cache-control"] == "no-store"
    assert "unsafe" not in policy
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'")
    assert all(value.startswith("?id=") for value in links if token in value)
    assert not any(value.startswith(("http:", "https:", "//")) for value in links)


def test_pages__their_style__is_served_to_them(client: TestClient, restaurant: Database) -> None:
    _, token = a_link(restaurant)
    page = Seen(client.get(CANCEL, params={"id": token}, headers=PAGE).text)

    style = client.get(str(page.of("link")[0]["href"]))

    assert (style.status_code, style.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "max-age" in style.headers["cache-control"]


@pytest.mark.parametrize(
    ("query", "header", "spoken"),
    [("", "ru", "pl"), ("ru", "en", "ru"), ("de", "en", "pl"), ("EN", "", "pl")],
)
def test_cancel_page__speaks_the_guests_language(
    client: TestClient, restaurant: Database, query: str, header: str, spoken: str
) -> None:
    _, token = a_link(restaurant, locale="pl")

    answer = client.get(CANCEL, params={"id": token, "lang": query}, headers=PAGE | {"Accept-Language": header})

    assert answer.headers["content-language"] == spoken
    assert WORDS[spoken]["cancel_button"] in answer.text


def test_words__are_all_there_in_each_language() -> None:
    assert set(WORDS) == set(LANGUAGES)
    assert {frozenset(words) for words in WORDS.values()} == {frozenset(WORDS["en"])}
    assert all(text for words in WORDS.values() for text in words.values())
    assert {str(state) for state in State} <= WORDS["en"].keys()


@pytest.mark.parametrize("way", ["query", "form", "json"])
def test_cancel__by_the_button_or_a_program__cancels_once(client: TestClient, restaurant: Database, way: str) -> None:
    order, token = a_link(restaurant)
    sent: dict[str, Any] = {
        "query": {"params": {"id": token}, "headers": PAGE},
        "form": {"data": {"id": token, "unknown": "x"}, "headers": PAGE},
        "json": {"json": {"id": token}, "headers": JSON},
    }[way]

    answers = [client.post(CANCEL, **sent) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 200], answers[0].text
    assert len({answer.text for answer in answers}) == 1
    assert booked(restaurant, order.id).state == State.CANCELLED
    assert [mail.type for mail in mails(restaurant, order.id)][2:] == ["booking.cancelled"]
    assert holders(restaurant, order.table_id) == []
    if way == "json":
        assert (answers[0].json()["id"], answers[0].json()["state"]) == (order.id, "cancelled")
    else:
        assert WORDS["en"]["cancel_done"] in answers[0].text
        assert Seen(answers[0].text).of("form") == []


def test_cancel__two_tokens__is_refused(client: TestClient, restaurant: Database) -> None:
    order, token = a_link(restaurant)

    answer = client.post(CANCEL, params={"id": token}, data={"id": "another"})

    assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid")
    assert booked(restaurant, order.id).state == State.CONFIRMED


@pytest.mark.parametrize("is_seated", [True, False])
def test_cancel__once_the_guests_sit_or_should__is_refused(
    client: TestClient, restaurant: Database, is_seated: bool
) -> None:
    order, token = a_link(restaurant)
    if is_seated:
        seat: dict[str, Any] = {"booking_id": order.id, "state": State.SEATED, "actor": STAFF, "now": NOW}
        restaurant.write(lambda connection: mark_booking(connection, **seat))
    before = booked(restaurant, order.id)

    with time_machine.travel(NOW if is_seated else EVENING, tick=False):
        shown = client.get(CANCEL, params={"id": token}, headers=PAGE)
        page = client.post(CANCEL, params={"id": token}, headers=PAGE)
        problem = client.post(CANCEL, params={"id": token}, headers=JSON)

    assert Seen(shown.text).of("form") == []
    assert (page.status_code, page.headers["content-type"]) == (409, "text/html; charset=utf-8")
    assert WORDS["en"]["cancel_late"] in page.text
    assert (problem.status_code, problem.json()["code"]) == (409, "booking.too_late_to_cancel")
    assert booked(restaurant, order.id) == before


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_link__wrong_expired_or_of_another_purpose__is_unknown_alike(
    client: TestClient, restaurant: Database, method: str
) -> None:
    order, token = a_link(restaurant)
    _, view = a_link(restaurant, link="booking_url")

    def ask(sent: str, headers: dict[str, str]) -> tuple[int, str]:
        answer = client.request(method, CANCEL, params={"id": sent}, headers=headers | {"X-Request-ID": "same"})
        return answer.status_code, re.sub(r"id=[^&\"]*", "", answer.text)

    for headers in (PAGE, JSON):
        answers = {ask(token[:-1], headers), ask(view, headers)}
        with time_machine.travel(EVENING + 2 * HOUR, tick=False):
            answers.add(ask(token, headers))
        assert len(answers) == 1
        assert {status for status, _ in answers} == {404}
    assert booked(restaurant, order.id).state == State.CONFIRMED


def test_link__its_token__is_hashed_and_in_no_log(client: TestClient, restaurant: Database) -> None:
    order, token = a_link(restaurant)

    with capture_logs() as logs:
        for headers in (PAGE, JSON):
            client.get(CANCEL, params={"id": token}, headers=headers)
            client.get(VIEW, params={"id": token}, headers=headers)
            client.post(CANCEL, data={"id": token}, headers=headers)
            client.post(CANCEL, content=f"id={token}&x=\0", headers=headers)

    kept = select(guest_token.c.digest).where(guest_token.c.booking_id == order.id)
    digests = restaurant.read(lambda connection: set(connection.scalars(kept)))
    assert len(logs) == 8
    assert token not in str(logs)
    assert digest_of(token) in digests
    assert token not in digests


def test_link__a_caller_who_takes_neither__is_told_so(client: TestClient, restaurant: Database) -> None:
    _, token = a_link(restaurant)

    answers = [
        client.request(method, path, params={"id": token}, headers={"Accept": "image/png"})
        for method, path in [("GET", CANCEL), ("POST", CANCEL), ("GET", VIEW), ("POST", UNSUBSCRIBE)]
    ]

    assert {answer.status_code for answer in answers} == {406}
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}


def test_view__by_a_browser__is_a_page_without_a_button(client: TestClient, restaurant: Database) -> None:
    _, token = a_link(restaurant, link="booking_url", is_confirmed=False, locale="ru")

    page = client.get(VIEW, params={"id": token}, headers=PAGE)
    content = client.get(VIEW, params={"id": token})

    assert WORDS["ru"][State.REQUESTED] in page.text
    assert Seen(page.text).of("button") == []
    assert content.json()["state"] == "requested"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("path", [CANCEL, UNSUBSCRIBE])
def test_link__the_database_is_gone__says_to_come_again(tmp_path: Path, method: str, path: str) -> None:
    gone = Database.of_url(f"sqlite:///{tmp_path}/missing/tables.sqlite3")

    with served(gone) as client:
        page = client.request(method, path, params={"id": "a", "lang": "pl"}, headers=PAGE)
        problem = client.request(method, path, params={"id": "a"}, headers={"Accept": "*/*;q=0.1, text/html;q=0"})

    assert (page.status_code, page.headers["content-type"]) == (503, "text/html; charset=utf-8")
    assert WORDS["pl"]["refused_503"] in page.text
    assert page.headers["retry-after"] == "1"
    if (method, path) != ("GET", UNSUBSCRIBE):  # which is a page alone
        assert (problem.status_code, problem.json()["code"]) == (503, "database.unavailable")


def test_unsubscribe__one_click__ends_reminders(client: TestClient, restaurant: Database) -> None:
    _, token = a_reminder(restaurant)

    shown = client.get(UNSUBSCRIBE, params={"id": token}, headers=PAGE)
    counts = [_opted_out(restaurant)]
    by_form = client.post(UNSUBSCRIBE, params={"id": token}, data=ONE_CLICK)
    counts.append(_opted_out(restaurant))
    as_multipart = client.post(UNSUBSCRIBE, params={"id": token}, files={"List-Unsubscribe": (None, "One-Click")})
    by_button = client.post(UNSUBSCRIBE, params={"id": token}, headers=PAGE)

    assert Seen(shown.text).of("form") == [{"method": "post"}]
    assert counts[1] == counts[0] + 1
    assert [answer.status_code for answer in (by_form, as_multipart, by_button)] == [200, 200, 200]
    assert by_form.json() == as_multipart.json() == {"reminders": False}
    assert WORDS["en"]["reminders_done"] in by_button.text
    assert _opted_out(restaurant) == counts[1]


def test_unsubscribe__another_links_token__is_unknown(client: TestClient, restaurant: Database) -> None:
    _, token = a_link(restaurant)
    before = _opted_out(restaurant)

    answers = [
        client.request(method, UNSUBSCRIBE, params={"id": token}, headers=headers)
        for method in ("GET", "POST")
        for headers in (PAGE, {})
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert _opted_out(restaurant) == before


def test_unsubscribe__long_after_the_guest_was_forgotten__still_ends_reminders(
    client: TestClient, restaurant: Database
) -> None:
    order, token = a_reminder(restaurant)
    over = instant_at(order.ends_at) + LINK_LIFE
    assert restaurant.write(lambda connection: forget_guest(connection, booking_id=order.id, now=over - HOUR))
    before = _opted_out(restaurant)

    with time_machine.travel(over - HOUR, tick=False):
        shown = client.get(UNSUBSCRIBE, params={"id": token}, headers=PAGE)
        answer = client.post(UNSUBSCRIBE, params={"id": token}, data=ONE_CLICK)
    with time_machine.travel(over, tick=False):
        late = client.post(UNSUBSCRIBE, params={"id": token}, data=ONE_CLICK)

    assert Seen(shown.text).of("form") == [{"method": "post"}]
    assert (answer.status_code, answer.json()) == (200, {"reminders": False})
    assert _opted_out(restaurant) == before + 1
    assert late.status_code == 404


def _opted_out(restaurant: Database) -> int:
    return len(restaurant.read(lambda connection: list(connection.execute(select(reminder_opt_out)))))
