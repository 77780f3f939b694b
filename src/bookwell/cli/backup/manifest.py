"""What is in a backup: a folder with one file a database, one of the data folder, and a manifest with their digests."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bookwell.kit.private_files import write_private

__all__ = ["Backup", "BackupUnusable", "Part", "describe", "read_backup"]

MANIFEST = "manifest.json"
_FORM = 1
_BLOCK = 1024 * 1024


class BackupUnusable(Exception):
    """The folder is no backup, or not as it was made; the message is for the person who tried."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file: a service's database of a kind (`mysql`, `postgresql`, `sqlite`), or the data folder (`folder`).

    With the migrations that the database had had; backups of before do not tell them.
    """

    service: str
    kind: str
    file: str
    sha256: str
    size: int
    migrations: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup as its manifest says."""

    folder: Path
    made_at: str
    version: str
    parts: Sequence[Part]

    def write_manifest(self) -> None:
        """Write it beside the parts; a folder without one is no backup."""
        document = {"form": _FORM, "made_at": self.made_at, "version": self.version}
        document |= {"parts": [asdict(part) for part in self.parts]}
        write_private(self.folder / MANIFEST, f"{json.dumps(document, indent=2)}\n".encode())

    def damages(self) -> Iterator[str]:
        """What is not as it was made, a line each."""
        for part in self.parts:
            file = self.folder / part.file
            if not file.is_file():
                yield f"{part.file} is missing"
            elif _digest(file) != part.sha256:
                yield f"{part.file} is not what was saved: its digest differs"


def describe(service: str, kind: str, file: Path, *, migrations: Sequence[str] = ()) -> Part:
    """A file as a part of a backup."""
    return Part(service, kind, file.name, _digest(file), file.stat().st_size, migrations)


def read_backup(folder: Path) -> Backup:
    """The backup in a folder, whole and undamaged.

    Raises:
        BackupUnusable: with a line for each thing that is wrong.
    """
    try:
        document = json.loads((folder / MANIFEST).read_text())
        is_ours = document["form"] == _FORM
        parts = [Part(**part) for part in document["parts"] if is_ours]
        backup = Backup(folder, document["made_at"], document["version"], parts)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise BackupUnusable(f"{folder} holds no backup that can be read: {type(error).__name__}") from None
    if not is_ours or any(Path(part.file).name != part.file for part in parts):
        raise BackupUnusable(f"{folder} was made by a program that this one does not know")
    if damages := list(backup.damages()):
        raise BackupUnusable("\n".join(damages))
    return backup


def _digest(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
