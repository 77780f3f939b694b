"""Which statements a connection prepares, and what is sent for them."""

import pytest

from bookwell.kit.adapters.django.mysql.prepared import PreparedStatements

TEXT = "SELECT a FROM b WHERE c = %s AND d = %s"


class FakeConnection:
    """Notes what it was told, or refuses it."""

    Error = LookupError

    def __init__(self, *, refuses: bool = False) -> None:
        self.told: list[tuple[str, tuple[str, ...]]] = []
        self._refuses = refuses

    def cursor(self) -> "FakeConnection":
        return self

    def execute(self, statement: str, values: tuple[str, ...]) -> None:
        self.told.append((statement, values))
        if self._refuses:
            raise self.Error("no room")

    def close(self) -> None:
        """A cursor's end."""


def test_shortened__third_time__is_prepared_once() -> None:
    connection = FakeConnection()
    prepared = PreparedStatements(connection)

    sent = [prepared.shortened(TEXT) for _ in range(5)]

    assert sent == [TEXT, TEXT, *["EXECUTE bookwell_0 USING %s, %s"] * 3]
    assert connection.told == [("PREPARE bookwell_0 FROM %s", ("SELECT a FROM b WHERE c = ? AND d = ?",))]


@pytest.mark.parametrize("text", ["START TRANSACTION", "SELECT a FROM b WHERE c LIKE 'x%%' AND d = %s"])
def test_shortened__no_parameters_or_a_percent_sign__is_sent_as_it_stands(text: str) -> None:
    connection = FakeConnection()
    prepared = PreparedStatements(connection)

    assert {prepared.shortened(text) for _ in range(5)} == {text}
    assert connection.told == []


def test_shortened__the_server_refuses__is_sent_as_it_stands_and_not_tried_again() -> None:
    connection = FakeConnection(refuses=True)
    prepared = PreparedStatements(connection)

    assert {prepared.shortened(TEXT) for _ in range(5)} == {TEXT}
    assert len(connection.told) == 1


def test_shortened__more_statements_than_a_connection_may_have__are_sent_as_they_stand() -> None:
    connection = FakeConnection()
    prepared = PreparedStatements(connection)

    for number in range(100):
        for _ in range(3):
            last = prepared.shortened(f"{TEXT} LIMIT {number}")

    assert len(connection.told) == 40
    assert last.startswith("SELECT")
