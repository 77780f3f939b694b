"""What the messages say. Wording stands once per language and kind; a text and an HTML layout show the same parts.

A wording template is plain text in blocks (`subject`, `lead`, `facts`, `action`, `more`, `note`, `calendar`):
paragraphs are parted by empty lines, a line of `facts` is `Label: value`. Nothing in it is markup; the HTML layout
escapes every part. What messages about one thing share stands in a letter (see `genres`), and gives way to a kind's own
blocks. An SMS says the block `sms`, or the subject where there is none, and the link.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from jinja2.exceptions import TemplateError
from pydantic import ValidationError

from bookwell.contracts.messages import NOTICES, Notice, NoticeFacts, Recipient
from bookwell.kit.addresses import AddressInvalid, parse_address
from bookwell.kit.languages import language_of
from bookwell.notifier.calendar import CalendarPart, Guest, calendar_part
from bookwell.notifier.genres import REMINDERS, Genre, genre_of
from bookwell.notifier.wording import Phrases, clean, greeted

__all__ = ["TEMPLATE_VERSIONS", "CalendarPart", "RenderedMessage", "Unrenderable", "render"]

TEMPLATE_VERSIONS: Mapping[str, int] = MappingProxyType(dict.fromkeys(NOTICES, 1))
"""Part of a delivery's identity: count a kind's number up when its message comes to mean something else."""

_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST_SUBJECT = 120
_LONGEST_SMS = 160  # before the link, which is never cut
_LONGEST_NAME = 100


class Unrenderable(Exception):
    """This notice cannot be made into a message, now or later; says why without repeating what people wrote."""


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """A message before it is addressed; `subject` is one line, `calendar` goes along as a part of its own.

    `unsubscribe_url` stands on reminders alone, whatever the notice brings; `short` is what an SMS says.
    """

    subject: str
    text: str
    html: str
    calendar: CalendarPart | None
    unsubscribe_url: str | None = None
    short: str = ""


def render(
    kind: str,
    notice: Notice,
    *,
    delivery_id: str,
    created_at: dt.datetime,
    sequence: int,
    sender: str = "",
) -> RenderedMessage:
    """The message of a notice in its recipient's language.

    `created_at` is the event's instant, from which days are counted; `sequence` is its aggregate's version; `sender`
    is our mail address.

    Raises:
        Unrenderable: for an unknown kind, facts of another shape, a link that is none, or an error in a template.
    """
    try:
        return _render(kind, notice, created_at=created_at, sequence=sequence, sender=sender)
    except ValidationError as error:
        fields = sorted({".".join(map(str, problem["loc"])) for problem in error.errors()})
        raise Unrenderable(f"{kind}: facts are wrong at {', '.join(fields)}") from None
    except TemplateError as error:
        raise Unrenderable(f"{kind}: {type(error).__name__} in a template of delivery {delivery_id}") from error
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unrenderable(f"{kind}: {type(error).__name__} while rendering delivery {delivery_id}") from error


def _render(kind: str, notice: Notice, *, created_at: dt.datetime, sequence: int, sender: str) -> RenderedMessage:
    if kind not in NOTICES:
        raise Unrenderable(f"There is no message for {clean(kind, _LONGEST_NAME)}.")
    facts = NOTICES[kind].model_validate(notice.facts)
    genre, language = genre_of(facts), language_of(notice.recipient.language)
    variables = _variables(facts, genre, notice, Phrases(language, _zone_of(facts, genre), created_at))
    parts = _blocks(f"{language}/{genre.letter}.jinja", variables) | _blocks(f"{language}/{kind}.jinja", variables)
    letter = _letter_of(parts, variables, language, with_unsubscribe=kind in REMINDERS)
    environment = _environment()
    entry = genre.entry_of(kind, facts)
    return RenderedMessage(
        subject=letter["subject"],
        text=environment.get_template("layout.txt.jinja").render(letter),
        html=environment.get_template("layout.html.jinja").render(letter),
        calendar=calendar_part(
            entry,
            summary=_line(parts["calendar"]),
            description="\n".join(f"{label}: {value}" for label, value in letter["facts"]),
            place=variables[genre.place],
            sender=sender,
            guest=_guest_of(notice.recipient),
            created_at=created_at,
            sequence=sequence,
        )
        if entry is not None
        else None,
        unsubscribe_url=letter["unsubscribe_url"],
        short=_short_of(parts.get("sms", letter["subject"]), letter["url"]),
    )


def _guest_of(recipient: Recipient) -> Guest | None:
    try:
        return Guest(str(parse_address(recipient.email)), clean(recipient.name, _LONGEST_NAME))
    except AddressInvalid:
        return None


def _zone_of(facts: NoticeFacts, genre: Genre) -> ZoneInfo:
    name = getattr(facts, genre.zone) if genre.zone else "UTC"
    try:
        return ZoneInfo(name)
    except OSError as error:  # a folder of the time zone database
        raise ValueError("no time zone") from error


def _variables(facts: NoticeFacts, genre: Genre, notice: Notice, phrases: Phrases) -> dict[str, Any]:
    """What a wording template may say: everything that people wrote is cleaned here, and nowhere else."""
    variables: dict[str, Any] = _cleaned(facts.model_dump(), genre.written)
    variables["url"] = next(filter(None, (_link(variables.get(name)) for name in genre.actions)), None)
    variables["more_url"] = _link(variables.get(genre.more))
    variables["unsubscribe_url"] = _link(notice.unsubscribe_url)
    variables["name"] = greeted(notice.recipient.name, _LONGEST_NAME)
    # The account's name to a mailbox that may be a stranger's.
    variables["account"] = greeted(variables.get("username", ""), _LONGEST_NAME)
    for phrase in ("day", "short", "days_since", "plural", "ordinal", "moment", "period", "soon", "amount", "brief"):
        variables[phrase] = getattr(phrases, phrase)
    return variables


def _cleaned(value: Any, written: Mapping[str, int]) -> Any:
    if isinstance(value, dict):
        return {
            name: clean(inner, written[name])
            if name in written and isinstance(inner, str)
            else _cleaned(inner, written)
            for name, inner in value.items()
        }
    return [_cleaned(inner, written) for inner in value] if isinstance(value, list | tuple) else value


def _link(url: str | None) -> str | None:
    """A web address as it came; what is no web address may not become a link."""
    if not url:
        return None
    if urlsplit(url).scheme not in {"http", "https"} or not url.isprintable() or " " in url:
        raise ValueError("not a link to a web page")
    return url


def _letter_of(
    parts: Mapping[str, str], variables: Mapping[str, Any], language: str, *, with_unsubscribe: bool
) -> dict[str, Any]:
    """The parts as the layouts take them: lines, paragraphs, and facts as pairs of label and value."""
    subject = clean(_line(parts["subject"]), _LONGEST_SUBJECT)
    unsubscribe_url = variables["unsubscribe_url"] if with_unsubscribe else None
    return {
        "language": language,
        "subject": subject,
        "greeting": _line(parts["greeting"]),
        "lead": _paragraphs(parts["lead"]),
        "facts": _facts(parts.get("facts", "")),
        "action": _line(parts.get("action", "")),
        "url": variables["url"],
        "more": _line(parts.get("more", "")),
        "more_url": variables["more_url"],
        "note": _paragraphs(parts.get("note", "")),
        "closing": _line(parts["closing"]),
        "unsubscribe": _line(parts["unsubscribe"]) if unsubscribe_url else "",
        "unsubscribe_url": unsubscribe_url,
    }


def _short_of(words: str, url: str | None) -> str:
    said = clean(_line(words), _LONGEST_SMS)
    return f"{said} {url}" if url else said


def _line(text: str) -> str:
    return " ".join(text.split())


def _paragraphs(text: str) -> list[str]:
    return [_line(paragraph) for paragraph in text.split("\n\n") if paragraph.strip()]


def _facts(text: str) -> list[tuple[str, str]]:
    pairs = (line.partition(": ") for line in text.splitlines() if line.strip())
    return [(label.strip(), value.strip()) for label, _, value in pairs]


def _blocks(name: str, variables: Mapping[str, Any]) -> dict[str, str]:
    template = _environment().get_template(name)
    context = template.new_context(dict(variables))
    return {block: "".join(write(context)) for block, write in template.blocks.items()}


@cache
def _environment() -> Environment:
    """One per process, so that every template is compiled once."""
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        undefined=StrictUndefined,
        autoescape=select_autoescape(enabled_extensions=("html.jinja",), default=False),
        trim_blocks=True,
        lstrip_blocks=True,
        cache_size=-1,
        auto_reload=False,
    )
