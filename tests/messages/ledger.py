"""What a writer noted, line by line and before its next step: it may be killed at any moment."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Ledger"]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Lines of a state, the number of a transaction, and how many messages it wrote."""

    file: Path

    def note(self, state: str, number: int, messages: int = 0) -> None:
        """Add a line; it is there when this returns."""
        line = json.dumps([state, number, messages]) + "\n"
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            os.write(descriptor, line.encode())
        finally:
            os.close(descriptor)

    def numbers(self, state: str) -> set[int]:
        """The transactions that got so far."""
        return {number for noted, number, _ in self._lines() if noted == state}

    def messages(self) -> int:
        """How many messages were committed, at least."""
        return sum(messages for _, _, messages in self._lines())

    def _lines(self) -> Iterator[tuple[str, int, int]]:
        text = self.file.read_text() if self.file.exists() else ""
        for line in text.splitlines():
            state, number, messages = json.loads(line)
            yield state, number, messages
