"""Usernames: what is one, and which are the same."""

import pytest

from bookwell.kit.usernames import UsernameInvalid, check_username, fold_username


@pytest.mark.parametrize(
    ("one", "other"), [("Anna", "ANNA"), ("Straße", "STRASSE"), ("e\u0301va", "\u00c9VA"), ("\uff41nna", "anna")]
)
def test_fold_username__spellings_of_one_name(one: str, other: str) -> None:
    assert fold_username(one) == fold_username(other)


@pytest.mark.parametrize(("one", "other"), [("jose", "jos\u00e9"), ("lodz", "\u0142\u00f3d\u017a")])
def test_fold_username__different_names(one: str, other: str) -> None:
    assert fold_username(one) != fold_username(other)


@pytest.mark.parametrize("name", ["a", "anna.k+1@home_2-x", "\u0410\u043d\u043d\u0430", "x" * 150])
def test_check_username__allowed(name: str) -> None:
    check_username(name)


@pytest.mark.parametrize("name", ["", "a b", "a\tb", "deleted:5", "x" * 151, "\ufdfa" * 50, "a/b", "\u200b"])
def test_check_username__refused(name: str) -> None:
    with pytest.raises(UsernameInvalid):
        check_username(name)
