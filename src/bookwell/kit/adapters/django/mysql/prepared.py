"""Statements that one connection runs again and again, parsed once by the server.

They are prepared and executed by statements in text (`PREPARE`, `EXECUTE … USING`), so that they still go together
with others in one string, and the first that fails stops the rest.
"""

from typing import Any

__all__ = ["PreparedStatements"]

_WORTH_IT = 3
"""So many times a statement has to come before it is prepared."""
_MOST = 40
"""The server has room for 16 382 of them, of all connections."""
_MOST_COUNTED = 500


class PreparedStatements:
    """What one connection has prepared, by the statement's text."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._counts: dict[str, int] = {}
        self._shortened: dict[str, str] = {}

    def shortened(self, text: str) -> str:
        """What to send for a statement with as many parameters; itself, where it is not prepared."""
        known = self._shortened.get(text)
        if known is not None:
            return known
        if "%s" not in text or "%%" in text or len(self._shortened) >= _MOST or len(self._counts) >= _MOST_COUNTED:
            return text
        self._counts[text] = count = self._counts.get(text, 0) + 1
        return self._prepare(text) if count >= _WORTH_IT else text

    def _prepare(self, text: str) -> str:
        name = f"bookwell_{len(self._shortened)}"
        cursor = self._connection.cursor()
        try:
            cursor.execute(f"PREPARE {name} FROM %s", (text.replace("%s", "?"),))
        except self._connection.Error:
            self._shortened[text] = text  # it says what is wrong with it when it is run
        else:
            marks = ", ".join(["%s"] * text.count("%s"))
            self._shortened[text] = f"EXECUTE {name} USING {marks}"
        finally:
            cursor.close()
        return self._shortened[text]
