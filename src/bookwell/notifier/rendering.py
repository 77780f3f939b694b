"""What the messages say. Wording stands once per language and kind; a text and an HTML layout show the same parts.

A wording template is plain text in blocks (`subject`, `lead`, `facts`, `action`, `note`, `calendar`): paragraphs are
parted by empty lines, a line of `facts` is `Label: value`. Nothing in it is markup; the HTML layout escapes every part.
An SMS says the block `sms`, or the subject where there is none, and the link.
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

from bookwell.contracts.messages import NOTICES, AccountFacts, Notice, ReservationFacts
from bookwell.kit.addresses import AddressInvalid, parse_address
from bookwell.notifier.calendar import CalendarPart, calendar_part
from bookwell.notifier.wording import Phrases, clean, language_of

__all__ = ["TEMPLATE_VERSIONS", "CalendarPart", "RenderedMessage", "Unrenderable", "render"]

TEMPLATE_VERSIONS: Mapping[str, int] = MappingProxyType(dict.fromkeys(NOTICES, 1))
"""Part of a delivery's identity: count a kind's number up when its message comes to mean something else."""

_TEMPLATES = Path(__file__).parent / "templates"
_REMINDERS = frozenset({"reservation.pickup_reminder", "reservation.due_soon"})
_LONGEST_SUBJECT = 120
_LONGEST_SMS = 160  # before the link, which is never cut
_LONGEST_NAME = 100
_LONGEST_TITLE = 300


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
    is the library's mail address.

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
    language = language_of(notice.recipient.language)
    variables = _variables(facts, notice, Phrases(language, _zone_of(facts), created_at))
    parts = _blocks(f"{language}/letter.jinja", variables) | _blocks(f"{language}/{kind}.jinja", variables)
    letter = _letter_of(parts, variables, language, with_unsubscribe=kind in _REMINDERS)
    environment = _environment()
    return RenderedMessage(
        subject=letter["subject"],
        text=environment.get_template("layout.txt.jinja").render(letter),
        html=environment.get_template("layout.html.jinja").render(letter),
        calendar=calendar_part(
            kind=kind,
            facts=facts,
            summary=_line(parts.get("calendar", "")),
            description="\n".join(f"{label}: {value}" for label, value in letter["facts"]),
            place=variables["branch"],
            sender=sender,
            created_at=created_at,
            sequence=sequence,
        )
        if isinstance(facts, ReservationFacts)
        else None,
        unsubscribe_url=letter["unsubscribe_url"],
        short=_short_of(parts.get("sms", letter["subject"]), letter["url"]),
    )


def _zone_of(facts: ReservationFacts | AccountFacts) -> ZoneInfo:
    name = facts.time_zone if isinstance(facts, ReservationFacts) else "UTC"
    try:
        return ZoneInfo(name)
    except OSError as error:  # a folder of the time zone database
        raise ValueError("no time zone") from error


def _variables(facts: ReservationFacts | AccountFacts, notice: Notice, phrases: Phrases) -> dict[str, Any]:
    """What a wording template may say: everything that people wrote is cleaned here, and nowhere else."""
    variables = facts.model_dump()
    for name in ("title", "branch", "reason"):
        if name in variables:
            variables[name] = clean(variables[name], _LONGEST_TITLE)
    if "username" in variables:
        variables["username"] = clean(variables["username"], _LONGEST_NAME)
    variables["url"] = _link(variables.get("url"))
    variables["unsubscribe_url"] = _link(notice.unsubscribe_url)
    variables["name"] = clean(notice.recipient.name, _LONGEST_NAME)
    for phrase in ("day", "short", "days_since", "plural", "ordinal"):
        variables[phrase] = getattr(phrases, phrase)
    return variables


def _link(url: str | None) -> str | None:
    """A web address as it came; what is no web address may not become a link."""
    if url is None:
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
