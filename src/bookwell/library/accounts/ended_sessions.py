"""Sessions that this process has found ended: whoever comes with another one is expected to have it still."""

__all__ = ["EndedSessions"]

_MOST = 20_000


class EndedSessions:
    """A bounded number of them; safe to use from many threads. That one is not among them proves nothing."""

    def __init__(self, *, most: int = _MOST) -> None:
        self._most = most
        self._found: dict[str, None] = {}

    def add(self, session_id: str) -> None:
        """The session is not live, or not known."""
        if len(self._found) >= self._most:
            self._found = {}
        self._found[session_id] = None

    def discard(self, session_id: str) -> None:
        """The session is live: its account is active again."""
        self._found.pop(session_id, None)

    def __contains__(self, session_id: str) -> bool:
        return session_id in self._found
