"""Passwords that are refused, what failures are counted by, and when a log-in may be tried again."""

import datetime as dt

import pytest

from bookwell.tables.accounts.errors import PasswordRefused
from bookwell.tables.accounts.rules import check_password, failure_keys, lockout_seconds

NOW = dt.datetime(2030, 5, 6, 10, 0, tzinfo=dt.UTC)


@pytest.mark.parametrize("password", ["ten-chars.", "x" * 128])
def test_check_password__long_enough__passes(password: str) -> None:
    check_password(password, username="ada")


@pytest.mark.parametrize("password", ["", "nine-char", "x" * 129, "Ada.Lovelace"])
def test_check_password__short_or_endless_or_the_name__is_refused(password: str) -> None:
    with pytest.raises(PasswordRefused):
        check_password(password, username="ada.lovelace")


def test_failure_keys__one_account_in_any_case__one_subscriber_of_a_network() -> None:
    account, address = failure_keys(username="Ada", address="2001:db8::1")

    assert failure_keys(username="ADA", address="2001:db8::ffff") == (account, address)
    other_account, other_address = failure_keys(username="Eve", address="2001:db8:0:1::1")
    assert other_account != account
    assert other_address != address


@pytest.mark.parametrize(
    ("seconds", "allowed", "wait"),
    [
        ([], 1, None),
        ([60], 2, None),
        ([60, 0, -5], 2, None),
        ([60, 10], 2, 11),
        ([10, 60, 30], 2, 31),
        ([0.5], 1, 1),
    ],
)
def test_lockout_seconds__until_enough_are_forgotten(seconds: list[float], allowed: int, wait: int | None) -> None:
    ends = [NOW + dt.timedelta(seconds=each) for each in seconds]

    assert lockout_seconds(ends, allowed=allowed, now=NOW) == wait
