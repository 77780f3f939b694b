"""The report of rejected rows: a CSV file with line, code, reason and title."""

import csv
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from bookwell.library.catalog.importing.records import Rejection

__all__ = ["Report"]


class Report:
    """Written row by row; the file is made with the first rejection and replaces an earlier one. A context manager."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: IO[str] | None = None

    def __enter__(self) -> Self:
        self.path.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, rejection: Rejection) -> None:
        """Add one row."""
        if self._file is None:
            self._file = self.path.open("w", encoding="utf-8", newline="")
            csv.writer(self._file).writerow(["line", "code", "reason", "title"])
        row = [rejection.line, rejection.code, rejection.reason, rejection.title]
        csv.writer(self._file).writerow(row)
