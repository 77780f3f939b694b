"""Mails as files, where there is no mail server: one `.eml` a delivery, so that a repeat replaces itself."""

import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from bookwell.kit import clock
from bookwell.kit.private_files import make_private_folder, sync_folder
from bookwell.notifier.channels.protocol import Parcel
from bookwell.notifier.deliveries.rules import AttemptOutcome, Verdict

__all__ = ["ConsoleTransport", "FileTransport", "mail_files", "mail_name"]

_NAME = re.compile(r"[0-9a-f-]{36}\.eml")


class FileTransport:
    """Writes mails into a folder, whole or not at all, and onto the disk before it says so."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, parcel: Parcel) -> Verdict:
        """Write the mail; the file's time of change is when it was sent, by the clock that a demo may move."""
        file = self._folder / mail_name(parcel.delivery_id)
        try:
            make_private_folder(self._folder)
            draft = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
            _write(draft, parcel.content)
            draft.replace(file)
            sync_folder(self._folder)
        except OSError as error:
            return Verdict(AttemptOutcome.UNREACHABLE, answer=f"not written: {os.strerror(error.errno or 0)}")
        return Verdict(AttemptOutcome.ACCEPTED, answer="written to a file")

    def close(self) -> None:
        """Nothing stays open."""


class ConsoleTransport:
    """Prints mails on standard error; for development."""

    def send(self, parcel: Parcel) -> Verdict:
        """Print the mail."""
        sys.stderr.write(parcel.content.decode(errors="replace").replace("\r\n", "\n") + "\n")
        return Verdict(AttemptOutcome.ACCEPTED, answer="printed")

    def close(self) -> None:
        """Nothing stays open."""


def mail_name(delivery_id: str) -> str:
    """The name of a delivery's file."""
    return f"{delivery_id}.eml"


def mail_files(folder: Path) -> Iterator[Path]:
    """The mails of a folder, last sent first."""
    entries = list(os.scandir(folder)) if folder.is_dir() else []
    mails = [(entry.stat().st_mtime_ns, entry.name) for entry in entries if _NAME.fullmatch(entry.name)]
    return (folder / name for _, name in sorted(mails, reverse=True))


def _write(file: Path, content: bytes) -> None:
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        sent_at = int(clock.now().timestamp() * 1_000_000) * 1000
        os.utime(descriptor, ns=(sent_at, sent_at))
        os.fsync(descriptor)
