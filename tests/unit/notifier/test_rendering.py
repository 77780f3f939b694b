import datetime as dt
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from icalendar import Calendar

from bookwell.contracts.messages import NOTICES
from bookwell.kit.languages import LANGUAGES
from bookwell.notifier import rendering
from bookwell.notifier.rendering import TEMPLATE_VERSIONS, Unrenderable, render
from tests.unit.notifier.notices import (
    EVENT_AT,
    LINK,
    MORE_LINK,
    TURNS,
    UNSUBSCRIBE,
    WRITTEN_BY_PEOPLE,
    notice_of,
    rendered,
    rendered_turn,
)

_HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}{% include 'x' %}",
    "Title\r\nBcc: victim@mail.example\r\n\r\nBody",
    "evil\u202egnp.exe\u2066\u200f\u061c",
    "nul\x00bell\x07escape\x1b[31m\x85\u2028\u2029",
    "zero\u200bwidth\ufeff\u00adsoft\ue000private\U000e0041tag",
    "T" * 10_000,
    "\u202e" * 10_000,
    "BEGIN:VEVENT\nEND:VCALENDAR",
]


class _Page(HTMLParser):
    """A page as a reader sees it: words, and where links lead."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str | None] = []
        self.tags: list[str] = []
        self.attributes: dict[str, dict[str, str | None]] = {}
        self._in_body = False
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes[tag] = dict(attrs)
        self._in_body = self._in_body or tag == "body"
        if tag == "a":
            self.links.append(dict(attrs)["href"])

    def handle_data(self, data: str) -> None:
        if self._in_body:
            self.words += data.split()


def _words_of(text: str) -> list[str]:
    return [word.rstrip(":") for word in text.split()]


def _two_bodies(text: str, html: str) -> tuple[list[str], list[str]]:
    """The words of both bodies without what only plain text needs: bare links, and the dashes before a footer."""
    spoken = [line for line in text.split("\n") if line not in {LINK, MORE_LINK, UNSUBSCRIBE, "-- "}]
    return _words_of("\n".join(spoken)), [word.rstrip(":") for word in _Page(html).words]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("turn", TURNS)
def test_render__every_turn__says_the_same_in_text_and_html(turn: str, language: str) -> None:
    message = rendered_turn(turn, language)

    text, html = _two_bodies(message.text, message.html)
    assert text == html
    assert message.subject.strip()
    assert "None" not in message.text + message.subject
    assert f'<html lang="{language}">' in message.html


def _vocabulary(language: str) -> set[str]:
    """Every word of the language's messages that people did not write."""
    messages = [rendered_turn(turn, language) for turn in TURNS]
    said = [f"{message.subject} {message.text}" for message in messages]
    said += [
        f"{event['SUMMARY']} {event['DESCRIPTION']}"
        for message in messages
        if message.calendar
        for event in Calendar.from_ical(message.calendar.body).walk("VEVENT")
    ]
    words = re.findall(r"[^\W\d_]{2,}", re.sub(r"https://\S+", " ", " ".join(said).lower()))
    return set(words) - {"qwrt", "zxcv", "bnmk", "hgfd", "plmk"}


def test_render__another_language__has_no_english_word() -> None:
    english, polish, russian = map(_vocabulary, LANGUAGES)

    assert len(english) > 100
    assert english & polish == {"do", "go", "mail", "system", "to"}  # Polish too: until, him, e-mail, this
    assert not re.search("[a-z]", "".join(russian))


def test_render__every_kind__has_a_turn_and_a_version() -> None:
    assert {kind for kind, _ in TURNS.values()} == set(NOTICES) == set(TEMPLATE_VERSIONS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("turn", [turn for turn in TURNS if turn.startswith("placed")])
def test_placed__nothing_lies_there_yet__does_not_say_so(turn: str, language: str) -> None:
    message = rendered_turn(turn, language)

    assert not re.search(r"(?i)\bready|confirm|gotow|potwierdz|готов|подтвержд", message.subject + message.text)
    assert message.calendar is None


@pytest.mark.parametrize(
    ("position", "said"),
    [
        (1, "first in the queue"),
        (2, "2nd in the queue"),
        (3, "3rd in the queue"),
        (11, "11th in the queue"),
        (22, "22nd in the queue"),
        (113, "113th in the queue"),
    ],
)
def test_placed__waiting__names_the_place(position: int, said: str) -> None:
    assert said in rendered("reservation.placed", state="waiting", position=position).text


def test_placed__waiting_with_estimate__says_about_when() -> None:
    turns = {language: rendered_turn("placed, waiting", language).text for language in LANGUAGES}

    assert "3rd in the queue" in turns["en"]
    assert "about 3 January;" in turns["en"]
    assert "miejsce w kolejce to 3." in turns["pl"]
    assert "około 3 stycznia;" in turns["pl"]
    assert "место в очереди — 3-е" in turns["ru"]
    assert "примерно 3 января;" in turns["ru"]


def test_placed__assigned__tells_of_the_copy_and_no_queue() -> None:
    text = rendered_turn("placed, assigned", "en").text

    assert "set a copy aside for you" in text
    assert "queue" not in text
    assert "Wanted until: Sunday, 3 January 2027\n" in text


@pytest.mark.parametrize(
    ("language", "line"),
    [
        ("en", "Last day for pickup: Sunday, 3 January 2027\n"),
        ("pl", "Ostatni dzień odbioru: niedziela, 3 stycznia 2027\n"),
        ("ru", "Последний день выдачи: воскресенье, 3 января 2027 г.\n"),
    ],
)
def test_ready__deadline_is_the_last_second__names_that_day_at_the_branch(language: str, line: str) -> None:
    message = rendered_turn("ready", language)

    assert line in message.text
    assert "Zxcv" in message.text
    assert "Qwrt" in message.subject


def test_ready__branch_far_east__tells_its_own_date() -> None:
    message = rendered("reservation.ready", time_zone="Pacific/Auckland", pickup_deadline_at="2027-01-03T10:59:59Z")

    assert "Sunday, 3 January 2027\n" in message.text


@pytest.mark.parametrize(
    ("due", "en", "pl", "ru"),
    [
        ("2026-11-21T22:59:59Z", "1 day ago", "1 dzień temu", "1 день назад"),
        ("2026-11-20T22:59:59Z", "2 days ago", "2 dni temu", "2 дня назад"),
        ("2026-11-17T22:59:59Z", "5 days ago", "5 dni temu", "5 дней назад"),
        ("2026-11-01T22:59:59Z", "21 days ago", "21 dni temu", "21 день назад"),
        ("2026-10-31T22:59:59Z", "22 days ago", "22 dni temu", "22 дня назад"),
    ],
)
def test_overdue__counts_the_branchs_days(due: str, en: str, pl: str, ru: str) -> None:
    for language, said in (("en", en), ("pl", pl), ("ru", ru)):
        assert said in rendered("reservation.overdue", language=language, state="borrowed", due_at=due).text


def test_overdue__since_today__counts_no_days() -> None:
    text = rendered_turn("overdue since today", "en").text

    assert "ago" not in text
    assert "Sunday, 22 November 2026, 12:00" in text


def test_expired__two_reasons__are_told_apart() -> None:
    picked, waited = (rendered_turn(turn, "en").text for turn in ("expired after ready", "expired while waiting"))

    assert "not picked up in time" in picked
    assert "No copy came free" in waited
    assert "Wanted until: Sunday, 3 January 2027, 14:00" in waited


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("turn", [turn for turn in TURNS if turn.startswith("partner_refused")])
def test_partner_refused__a_reason_of_ours__is_told_in_words(turn: str, language: str) -> None:
    reason = TURNS[turn][1].get("reason", "")

    told = rendered_turn(turn, language)

    assert any(line.endswith(f": {reason}") for line in told.text.splitlines() if reason) == (reason == "Plmk")


@pytest.mark.parametrize("kind", ["pickup_moved", "due_moved"])
def test_moved__by_a_partner__names_it_and_no_closed_day(kind: str) -> None:
    ours, theirs = (rendered_turn(turn, "en").text for turn in (kind, f"{kind} by a partner"))

    assert "The library is closed" in ours
    assert "The library is closed" not in theirs
    assert "Zxcv has told us a new" in theirs


def test_cancelled__says_by_whom_and_why() -> None:
    by_library = rendered_turn("cancelled by the library", "en").text

    assert "You have cancelled" in rendered_turn("cancelled by the reader", "en").text
    assert "the library had to cancel" in by_library
    assert "Reason: Plmk" in by_library


@pytest.mark.parametrize("language", LANGUAGES)
def test_account_mail__link__stands_in_both_bodies_once(language: str) -> None:
    message = rendered_turn("confirm_email", language)

    assert message.text.count(LINK) == 1
    assert _Page(message.html).links == [LINK]


@pytest.mark.parametrize("turn", TURNS)
def test_unsubscribe__stands_on_reminders_alone(turn: str) -> None:
    kind, _ = TURNS[turn]
    message = rendered_turn(turn, "en")

    is_reminder = kind in {"reservation.pickup_reminder", "reservation.due_soon", "booking.reminder"}
    assert (UNSUBSCRIBE in message.text) is is_reminder
    assert (UNSUBSCRIBE in _Page(message.html).links) is is_reminder
    assert message.unsubscribe_url == (UNSUBSCRIBE if is_reminder else None)


@pytest.mark.parametrize("turn", TURNS)
def test_html__loads_nothing_and_runs_nothing(turn: str) -> None:
    message = rendered_turn(turn, "en")

    page = _Page(message.html)
    assert not {"script", "img", "link", "iframe", "form", "style", "table"} & set(page.tags)
    assert "src=" not in message.html
    assert page.attributes["html"] == {"lang": "en"}
    assert 'name="color-scheme" content="light dark"' in message.html


@pytest.mark.parametrize("hostile", _HOSTILE)
@pytest.mark.parametrize("turn", TURNS)
def test_render__hostile_words__come_out_harmless(turn: str, hostile: str) -> None:
    kind, facts = TURNS[turn]
    told_by_people = WRITTEN_BY_PEOPLE[kind.partition(".")[0]]
    harmless = rendered_turn(turn, "en")

    message = rendered(kind, name=hostile, **(facts | dict.fromkeys(told_by_people, hostile)))

    assert message.subject.isprintable()
    assert 0 < len(message.subject) <= 120
    assert "\r" not in message.text
    assert message.text.replace("\n", "").isprintable()
    assert message.html.replace("\n", "").isprintable()
    assert message.text.count("\n") <= harmless.text.count("\n") + 2  # a reason adds a line
    assert set(_Page(message.html).tags) == set(_Page(harmless.html).tags)
    assert _Page(message.html).links == _Page(harmless.html).links
    assert "49" not in message.text
    assert len(message.html) < 8_000
    text, html = _two_bodies(message.text, message.html)
    assert text == html


@settings(max_examples=200, deadline=None)
@given(title=st.text(), name=st.text(), language=st.sampled_from(LANGUAGES))
def test_render__any_text__keeps_its_lines_and_both_bodies_agree(title: str, name: str, language: str) -> None:
    message = rendered("reservation.ready", language=language, name=name, title=title)

    assert len(message.subject.splitlines()) == 1
    assert len(message.text.splitlines()) == len(rendered("reservation.ready", language=language).text.splitlines())
    text, html = _two_bodies(message.text, message.html)
    assert text == html
    message.html.encode()


@pytest.mark.parametrize(("tag", "greeting"), [("pl-PL", "Dzień dobry"), ("RU", "Здравствуйте"), ("", "Hello")])
def test_render__language_tag__finds_its_language(tag: str, greeting: str) -> None:
    assert rendered("reservation.ready", language=tag).text.startswith(greeting)


@pytest.mark.parametrize("tag", ["de", "zz", "../pl", "english"])
def test_render__unknown_language__is_english(tag: str) -> None:
    assert rendered("reservation.ready", language=tag) == rendered("reservation.ready", language="en")


def test_render__person_without_a_name__is_greeted_all_the_same() -> None:
    for language, greeting in (("en", "Hello,\n"), ("pl", "Dzień dobry!\n"), ("ru", "Здравствуйте!\n")):
        assert rendered("reservation.ready", language=language, name="").text.startswith(greeting)


@pytest.mark.parametrize("kind", ["reservation.ready", "booking.requested"])
@pytest.mark.parametrize(
    "name", ["You won: https://evil.example/x", "ask EVIL.example", "www.evil.org", "eve@evil.org"]
)
def test_render__a_name_that_would_be_a_link__is_left_out(kind: str, name: str) -> None:
    message = rendered(kind, name=name)

    assert message.text.startswith("Hello,\n")
    assert "evil" not in (message.text + message.html).lower()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", ["confirm_email", "known_email", "email_changed", "password_changed"])
def test_account_mail__to_a_mailbox_of_somebody_else__has_no_link_in_the_username(kind: str, language: str) -> None:
    message = rendered(f"account.{kind}", language=language, name="", username="prizes.example.com")

    assert "prizes" not in message.subject + message.text + message.html
    assert not re.search(r"\S  |\s[,.;]", message.text)


def test_account_mail__to_a_mailbox_that_was_proven__names_the_account_whatever_it_is() -> None:
    message = rendered("account.password_reset", username="jan.kowalski", url=LINK)

    assert "jan.kowalski" in message.text


@pytest.mark.parametrize("name", ["J.R.R. Tolkien", "Dr. Żak", "O'Hara-Żółw, Ada", "Ada 2.0"])
def test_render__any_other_name__is_greeted(name: str) -> None:
    assert rendered("booking.requested", name=name).text.startswith(f"Hello {name},\n")


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        ("reservation.borrowed", {}),
        ("../../secrets", {}),
        ("reservation.ready", {"title": None}),
        ("reservation.ready", {"time_zone": "Nowhere/Land"}),
        ("reservation.ready", {"time_zone": "../../etc/passwd"}),
        ("reservation.ready", {"time_zone": "Europe"}),
        ("account.confirm_email", {"url": "javascript:alert(1)"}),
        ("account.confirm_email", {"url": "https://library.example/\r\nBcc:x"}),
        ("account.confirm_email", {"url": "https://library.example/two words"}),
        ("account.confirm_email", {"url": "not a link"}),
    ],
)
def test_render__notice_that_cannot_be_told__is_refused(kind: str, facts: dict[str, Any]) -> None:
    with pytest.raises(Unrenderable):
        rendered(kind, **facts)


def test_render__wrong_facts__are_refused_without_repeating_them() -> None:
    notice = notice_of("reservation.ready", title="Qwrt", reservation_id="Secret words")

    with pytest.raises(Unrenderable, match="reservation_id") as refusal:
        render("reservation.ready", notice, delivery_id="d1", created_at=EVENT_AT, sequence=4)

    assert "Secret" not in str(refusal.value)


@pytest.mark.parametrize("broken", ["{{ titel }}", "{{ title", "{{ day(title) }}", "{{ plural(1, few='x') }}"])
def test_render__error_in_a_template__is_refused(
    broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    shutil.copytree(Path(rendering.__file__).parent / "templates", tmp_path, dirs_exist_ok=True)
    (tmp_path / "en" / "reservation.ready.jinja").write_text(f"{{% block subject %}}{broken}{{% endblock %}}")
    monkeypatch.setattr(rendering, "_TEMPLATES", tmp_path)
    forget_templates = rendering._environment.cache_clear  # noqa: SLF001 -- templates are compiled once a process
    forget_templates()
    request.addfinalizer(forget_templates)

    with pytest.raises(Unrenderable):
        rendered("reservation.ready")


def test_render__fields_of_a_later_contract__are_passed_over() -> None:
    assert rendered("reservation.ready", shelf="A 12") == rendered("reservation.ready")


def test_render__instant_without_an_offset__is_utc() -> None:
    naive = rendered("reservation.ready", pickup_deadline_at=dt.datetime.fromisoformat("2027-01-03T22:59:59"))

    assert "Sunday, 3 January 2027\n" in naive.text
