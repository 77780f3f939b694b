"""Sessions that were live a moment ago, as this process saw it: whoever has one is expected to have it still."""

import time

__all__ = ["RecentSessions"]

_SECONDS = 60
_MOST = 20_000


class RecentSessions:
    """The users of such sessions, by session; safe to use from many threads. It proves nothing."""

    def __init__(self, *, seconds: float = _SECONDS, most: int = _MOST) -> None:
        self._seconds = seconds
        self._most = most
        self._seen: dict[str, tuple[float, int]] = {}

    def remember(self, session_id: str, user_id: int) -> None:
        """The session is live now."""
        if len(self._seen) >= self._most:
            self._seen = {}
        self._seen[session_id] = (time.monotonic() + self._seconds, user_id)

    def forget(self, session_id: str) -> None:
        """The session is not live, or not known."""
        self._seen.pop(session_id, None)

    def find_user(self, session_id: str) -> int | None:
        """Whose session it was, if it was live within the last minute."""
        until, user_id = self._seen.get(session_id, (0.0, 0))
        return user_id if time.monotonic() < until else None
