"""Mails as receivers get them, with names and titles that want to be more than names and titles."""

import datetime as dt
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path

import pytest

from bookwell.notifier.channels.files import FileTransport, mail_files
from bookwell.notifier.channels.headers import one_line
from bookwell.notifier.channels.mail import MailChannel, compose
from bookwell.notifier.channels.protocol import Message, Parcel
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict
from bookwell.notifier.rendering import CalendarPart, RenderedMessage

_ID = "01a2019b-864d-7030-aa4f-a63832c541b4"
_AT = dt.datetime(2026, 11, 22, 12, 0, tzinfo=dt.UTC)
_SENDER = "The library <desk@library.example>"
_HOSTILE = [
    "Ada\r\nBcc: everybody@example.org",
    "Ada\nX-Evil: 1\n\n<html>",
    "a" * 70 + "\r\n .\r\nRCPT TO:<x@y.z>",
    "Ada\x00\x0b\x0c\x1c\x85\u2028\u2029Bcc: x",
    "\ud800 half",
    '"Ada" <ada@evil.example>, x@y.z',
    "=?utf-8?q?=0D=0ABcc:_x=40y.z?=",
    "Ada =?utf-8?b?DQpCY2M6IHhAeS56?= Ada",
    "Ada <x@y.z>, " * 20,
    "Łucja, Dr. (home) <x@y.z>; x: y@z, " * 5,
    "Żółw 😀 книга",
    "",
    "x" * 5000,
]


def _message(**changes: object) -> Message:
    content = RenderedMessage("Subject", "text\n.\nŻ", "<p>html</p>", None)
    usual: dict[str, object] = {
        "delivery_id": _ID,
        "address": "ada@example.org",
        "name": "Ada",
        "created_at": _AT,
        "content": content,
    }
    return Message(**(usual | changes))  # type: ignore[arg-type]  # tests replace members by name


def _parsed(parcel: Parcel) -> EmailMessage:
    mail = message_from_bytes(parcel.content, policy=default)
    assert isinstance(mail, EmailMessage)
    return mail


def test_compose__a_message__has_the_headers_that_receivers_rely_on() -> None:
    parcel = compose(_message(), sender=_SENDER)

    mail = _parsed(parcel)
    assert {name: str(value) for name, value in mail.items() if not name.startswith("Content-")} == {
        "From": "The library <desk@library.example>",
        "To": "Ada <ada@example.org>",
        "Subject": "Subject",
        "Date": "Sun, 22 Nov 2026 12:00:00 +0000",
        "Message-ID": f"<{_ID}@library.example>",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
    }
    assert (parcel.sender, parcel.recipient) == ("desk@library.example", "ada@example.org")
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert parcel.content.isascii()


def test_compose__with_an_unsubscribe_link__offers_one_click() -> None:
    mail = _parsed(compose(_message(unsubscribe_url="https://library.example/u/1"), sender=_SENDER))

    assert mail["List-Unsubscribe"] == "<https://library.example/u/1>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    "url",
    ["javascript:alert(1)", "https://x>,<mailto:a@b", "https://x y", "https://x\r\nBcc: y", f"https://x/{'y' * 1000}"],
)
def test_compose__with_a_link_that_is_none__offers_nothing(url: str) -> None:
    mail = _parsed(compose(_message(unsubscribe_url=url), sender=_SENDER))

    assert mail["List-Unsubscribe"] is None
    assert mail["Bcc"] is None


def test_compose__with_a_calendar_entry__is_a_part_whose_method_equals_the_bodys() -> None:
    body = "BEGIN:VCALENDAR\r\nMETHOD:PUBLISH\r\nSUMMARY:Ż\u2028\x85x\r\nEND:VCALENDAR\r\n"
    content = RenderedMessage("S", "t", "<p>h</p>", CalendarPart("PUBLISH", body.encode(), "pickup.ics"))

    mail = _parsed(compose(_message(content=content), sender=_SENDER))

    (part,) = mail.iter_attachments()
    assert (part.get_content_type(), part.get_param("method"), part.get_filename()) == (
        "text/calendar",
        "PUBLISH",
        "pickup.ics",
    )
    assert part.get_content().replace("\r\n", "\n") == body.replace("\r\n", "\n")
    assert mail.get_body(("plain",)) is not None
    assert mail.get_body(("html",)) is not None


@pytest.mark.parametrize(
    "text",
    [
        "one line", "", "two\nlines\n", "\n\nblank lines\n\n", ".\n..\n.dots", "From here", "trailing blanks  \n\t\n",
        "x" * 3000, "Żółw 😀 книга\n" * 100, "a = b =\n=3D", "--=_01a2019b-864d-7030-aa4f-a63832c541b4.1--\nno end",
    ],
)  # fmt: skip
def test_compose__any_text__comes_out_as_it_went_in_and_is_the_same_bytes_again(text: str) -> None:
    message = _message(content=RenderedMessage("S", text, f"<p>{text}</p>", None))

    parcel = compose(message, sender=_SENDER)

    mail = _parsed(parcel)
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().splitlines() == (text.splitlines() or [""])
    assert html.get_content().splitlines() == f"<p>{text}</p>".splitlines()
    assert not mail.defects
    assert parcel.content.isascii()
    assert max(map(len, parcel.content.split(b"\r\n"))) <= 78
    assert compose(message, sender=_SENDER) == parcel


@pytest.mark.parametrize("text", _HOSTILE)
def test_compose__a_hostile_name_or_subject__is_still_read_as_it_was_written(text: str) -> None:
    mail = _parsed(compose(_message(name=text, content=RenderedMessage(text, "t", "", None)), sender=_SENDER))

    expected = one_line(text)
    if "=?" not in text:  # Python decodes encoded words that stand in encoded words; mail programs do not
        assert str(mail["Subject"]) == expected
        # Python's parser puts spaces between the encoded words of a long name.
        assert mail["To"].addresses[0].display_name.replace(" ", "") == expected.replace(" ", "")


@pytest.mark.parametrize("text", _HOSTILE)
def test_compose__a_hostile_name_or_subject__adds_no_header_and_no_recipient(text: str) -> None:
    content = RenderedMessage(text, text, f"<p>{text}</p>", None)

    parcel = compose(_message(name=text, content=content), sender=_SENDER)

    mail = _parsed(parcel)
    expected = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"}
    assert set(mail.keys()) == expected
    assert [address.addr_spec for address in mail["To"].addresses] == ["ada@example.org"]
    assert parcel.recipient == "ada@example.org"
    assert all(len(line) <= 998 for line in parcel.content.split(b"\r\n"))
    assert b"\n" not in parcel.content.replace(b"\r\n", b"")


def test_compose__an_address_outside_of_ascii__asks_for_smtputf8() -> None:
    parcel = compose(_message(address="żółw@bücher.example"), sender=_SENDER)

    assert (parcel.recipient, parcel.is_ascii) == ("żółw@xn--bcher-kva.example", False)
    assert "\r\nTo: Ada <żółw@xn--bcher-kva.example>\r\n".encode() in parcel.content


class _Transport:
    def __init__(self) -> None:
        self.parcels: list[Parcel] = []

    def send(self, parcel: Parcel) -> Verdict:
        self.parcels.append(parcel)
        return Verdict(AttemptOutcome.ACCEPTED)

    def close(self) -> None:
        pass


def test_send__an_address_that_is_none__is_refused_for_good_without_a_connection() -> None:
    transport = _Transport()

    verdict = MailChannel(transport, sender=_SENDER).send(_message(address="ada@example.org\r\nx"))

    assert verdict == Verdict(AttemptOutcome.REFUSED, answer="the address holds characters that do not print")
    assert transport.parcels == []


def test_file_transport__the_same_delivery_twice__is_one_file(tmp_path: Path) -> None:
    folder = tmp_path / "mails"
    parcels = [compose(_message(content=RenderedMessage(name, "t", "", None)), sender=_SENDER) for name in "ab"]
    transport = FileTransport(folder)

    verdicts = [transport.send(parcel) for parcel in parcels]

    assert [verdict.outcome for verdict in verdicts] == [AttemptOutcome.ACCEPTED] * 2
    (file,) = mail_files(folder)
    assert (file.name, file.read_bytes()) == (f"{_ID}.eml", parcels[1].content)
    assert [entry.name for entry in folder.iterdir()] == [file.name]


def test_file_transport__a_folder_that_cannot_be__is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "mails").write_text("a file")

    verdict = FileTransport(tmp_path / "mails").send(compose(_message(), sender=_SENDER))

    assert verdict.outcome is AttemptOutcome.UNREACHABLE
