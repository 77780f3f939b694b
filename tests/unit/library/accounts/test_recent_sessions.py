"""Whose sessions a process remembers."""

from bookwell.library.accounts.recent_sessions import RecentSessions


def test_recent_sessions__seen_and_forgotten__is_nobodys() -> None:
    sessions = RecentSessions()
    sessions.remember("one", 5)
    sessions.remember("two", 6)

    sessions.forget("one")
    sessions.forget("never seen")

    assert [sessions.find_user(name) for name in ("one", "two", "never seen")] == [None, 6, None]


def test_recent_sessions__time_is_over__is_nobodys() -> None:
    sessions = RecentSessions(seconds=0)

    sessions.remember("one", 5)

    assert sessions.find_user("one") is None


def test_recent_sessions__no_room__begins_anew() -> None:
    sessions = RecentSessions(most=2)

    for number in range(3):
        sessions.remember(f"session {number}", number)

    assert [sessions.find_user(f"session {number}") for number in range(3)] == [None, None, 2]
