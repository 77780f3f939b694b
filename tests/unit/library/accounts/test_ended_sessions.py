"""Which ended sessions a process remembers."""

from bookwell.library.accounts.ended_sessions import EndedSessions


def test_ended_sessions__added_and_discarded__are_expected_again() -> None:
    sessions = EndedSessions()
    sessions.add("one")
    sessions.add("two")

    sessions.discard("one")
    sessions.discard("never seen")

    assert [name in sessions for name in ("one", "two", "never seen")] == [False, True, False]


def test_ended_sessions__no_room__begins_anew() -> None:
    sessions = EndedSessions(most=2)

    for number in range(3):
        sessions.add(f"session {number}")

    assert [f"session {number}" in sessions for number in range(3)] == [False, False, True]
