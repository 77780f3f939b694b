"""What the data folder holds besides databases: keys, secrets, configuration. Not logs, caches, sent mails."""

import os
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from bookwell.kit.private_files import make_private_folder

__all__ = ["fill_folder", "list_files", "list_present", "save_folder"]

_PATTERNS = ("keys/*", "tables-keys/*", "*.secret", "*.toml", "demo.json")


def list_files(folder: Path) -> Sequence[Path]:
    """The files to save, relative to the folder."""
    found = {file for pattern in _PATTERNS for file in folder.glob(pattern)}
    return sorted(file.relative_to(folder) for file in found if file.is_file() and not file.name.startswith("."))


def save_folder(folder: Path, target: Path) -> None:
    """Write the files into an archive."""
    with target.open("wb") as stream:
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for file in list_files(folder):
                archive.add(folder / file, arcname=str(file))
        stream.flush()
        os.fsync(stream.fileno())


def list_present(archive: Path, folder: Path) -> Iterator[str]:
    """The archive's files that the folder has with another content: they would be lost."""
    with tarfile.open(archive) as source:
        for member in source.getmembers():
            there, saved = folder / member.name, source.extractfile(member)
            if saved is not None and there.exists() and there.read_bytes() != saved.read():
                yield member.name


def fill_folder(archive: Path, folder: Path) -> None:
    """Put the files back; others in the folder stay."""
    make_private_folder(folder)
    with tarfile.open(archive) as source:
        for member in source.getmembers():
            make_private_folder((folder / member.name).parent)
            source.extract(member, folder, filter="data")
