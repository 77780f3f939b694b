"""Reads mails back from the files that the embedded mode writes."""

import base64
import datetime as dt
from email import message_from_bytes
from email.message import EmailMessage, MIMEPart
from email.policy import default
from functools import lru_cache
from pathlib import Path
from typing import Literal

from bookwell.kit.ids import is_id
from bookwell.notifier.api.schemas import AttachmentBody, MessageBody
from bookwell.notifier.channels.files import mail_files, mail_name

__all__ = ["find_mail", "list_mails"]

_MOST = 500
_REMEMBERED = 2000


def list_mails(folder: Path, *, to: str = "", limit: int = _MOST) -> list[MessageBody]:
    """The last mails, those to an address where one is given, last sent first."""
    wanted = to.strip().casefold()
    found: list[MessageBody] = []
    for file in mail_files(folder):
        mail = _read(file)
        if mail is not None and wanted in ("", mail.to.casefold()):
            found.append(mail)
            if len(found) == limit:
                break
    return found


def find_mail(folder: Path, delivery_id: str) -> MessageBody | None:
    """The mail of a delivery; None when there is none."""
    return _read(folder / mail_name(delivery_id)) if is_id(delivery_id) else None


def _read(file: Path) -> MessageBody | None:
    """The mail; None when it was deleted just now."""
    try:
        return _parse(file, file.stat().st_mtime_ns)
    except FileNotFoundError:
        return None


@lru_cache(maxsize=_REMEMBERED)
def _parse(file: Path, sent_at: int) -> MessageBody:
    mail = message_from_bytes(file.read_bytes(), policy=default)
    if not isinstance(mail, EmailMessage):
        raise TypeError(file)
    return MessageBody(
        id=file.stem,
        to=", ".join(address.addr_spec for address in mail["To"].addresses),
        subject=str(mail["Subject"]),
        text=_body(mail, "plain"),
        html=_body(mail, "html"),
        headers={name: str(value) for name, value in mail.items()},
        attachments=[_attachment(part) for part in mail.iter_attachments()],
        sent_at=dt.datetime.fromtimestamp(sent_at / 1_000_000_000, tz=dt.UTC),
    )


def _body(mail: EmailMessage, kind: Literal["plain", "html"]) -> str:
    part = mail.get_body((kind,))
    return "" if part is None else _text(part)


def _attachment(part: MIMEPart) -> AttachmentBody:
    is_text = part.get_content_maintype() == "text"
    content = _text(part) if is_text else base64.b64encode(part.get_content()).decode()
    return AttachmentBody(filename=part.get_filename() or "", content_type=str(part["Content-Type"]), content=content)


def _text(part: MIMEPart) -> str:
    return str(part.get_content()).replace("\r\n", "\n")
