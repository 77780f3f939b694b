"""The report of rejected rows: a CSV file with line, code, reason and title."""

import csv
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from bookwell.library.catalog.importing.records import Rejection

__all__ = ["Report", "ReportUnwritable"]


class ReportUnwritable(ValueError):
    """The report cannot be written there, or would take the place of the file that is imported."""


class Report:
    """Written row by row beside its place, which it takes at the end: an import that fails leaves the last report.

    A context manager. Without a rejection there is no report, nor the last one any more.
    """

    def __init__(self, path: Path, *, source: Path) -> None:
        self.path = path
        self._draft = path.with_name(f"{path.name}.draft")
        self._file: IO[str] | None = None
        for place in (self.path, self._draft):
            _check_place(place, source)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
        if kind is not None:
            self._draft.unlink(missing_ok=True)
        elif self._file is not None:
            self._draft.replace(self.path)
        else:
            self.path.unlink(missing_ok=True)

    def add(self, rejection: Rejection) -> None:
        """Add one row."""
        if self._file is None:
            self._file = self._draft.open("w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow(["line", "code", "reason", "title"])
        row = [rejection.line, rejection.code, rejection.reason, rejection.title]
        csv.writer(self._file).writerow(row)


def _check_place(path: Path, source: Path) -> None:
    """Refuse what would end badly after an hour of importing.

    Raises:
        ReportUnwritable
    """
    if path.exists() and path.samefile(source):
        raise ReportUnwritable(f"The report cannot be written to {path}: that is the file itself.")
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ReportUnwritable(f"The report cannot be written to {path}.")
