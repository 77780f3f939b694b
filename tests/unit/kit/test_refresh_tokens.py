"""Refresh tokens and what they are to their session."""

import datetime as dt

import pytest

from bookwell.kit.refresh_tokens import GRACE, RefreshToken, Standing, standing_of

KEY = b"a key of the server"
NOW = dt.datetime(2026, 5, 4, 12, tzinfo=dt.UTC)


def _chain(length: int) -> list[RefreshToken]:
    tokens = [RefreshToken.first("01a20107-0160-727a-9efa-01bbd6ef3236")]
    while len(tokens) < length:
        tokens.append(tokens[-1].successor(KEY))
    return tokens


def _standing(token: RefreshToken, current: RefreshToken, *, after: dt.timedelta = dt.timedelta()) -> Standing:
    return standing_of(
        token, generation=current.generation, digest=current.digest(), rotated_at=NOW, now=NOW + after, key=KEY
    )


def test_parse__reads_what_was_written() -> None:
    token = _chain(3)[2]

    assert RefreshToken.parse(str(token)) == token


@pytest.mark.parametrize(
    "text",
    [
        *("", "a", "a.1", "a.x." + "s" * 43, "a.-1." + "s" * 43, "a.1." + "s" * 42, "a.\u0661." + "s" * 43),
        *("a.1234567890." + "s" * 43, "a" * 37 + ".1." + "s" * 43, "a.1." + "ż" * 43),
    ],
)
def test_parse__anything_else__is_no_token(text: str) -> None:
    assert RefreshToken.parse(text) is None


def test_successor__is_the_same_each_time_and_needs_the_key() -> None:
    first = _chain(1)[0]

    assert first.successor(KEY) == first.successor(KEY)
    assert first.successor(KEY) != first.successor(b"another key")


def test_standing__the_present_token__is_current_at_any_time() -> None:
    current = _chain(4)[3]

    assert _standing(current, current, after=dt.timedelta(days=20)) is Standing.CURRENT


def test_standing__its_predecessor__is_repeated_within_the_grace_alone() -> None:
    *_, previous, current = _chain(4)

    assert _standing(previous, current, after=GRACE) is Standing.REPEATED
    assert _standing(previous, current, after=GRACE + dt.timedelta(milliseconds=1)) is Standing.REPLAYED


def test_standing__older_ones__are_replayed() -> None:
    tokens = _chain(50)

    assert {_standing(token, tokens[-1]) for token in tokens[:-2]} == {Standing.REPLAYED}


def test_standing__guesses__are_forged_whatever_generation_they_claim() -> None:
    tokens = _chain(5)
    guess = RefreshToken.first(tokens[0].session_id)

    claimed = [RefreshToken(guess.session_id, generation, guess.secret) for generation in (0, 3, 4, 5, 999_999)]
    shifted = [RefreshToken(token.session_id, token.generation + 1, token.secret) for token in tokens]

    assert {_standing(token, tokens[-1]) for token in claimed + shifted} == {Standing.FORGED}
