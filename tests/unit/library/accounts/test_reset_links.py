import pytest

from bookwell.library.accounts.errors import ResetLinkInvalid
from bookwell.library.accounts.models import User
from bookwell.library.accounts.reset_links import is_token_of, reset_url_of, user_id_of_token


def a_user(**fields: object) -> User:
    known = {"pk": 5, "username": "ada", "email": "a@example.org", "confirmed_email": "a@example.org", "password": "h"}
    return User(**known | fields)


def token_of(user: User) -> str:
    return reset_url_of(user).partition("?token=")[2]


def test_token__of_a_user_who_has_not_changed__is_theirs() -> None:
    token = token_of(a_user())

    assert user_id_of_token(token) == 5
    assert is_token_of(a_user(), token)


@pytest.mark.parametrize(
    "changed",
    [
        {"pk": 6},
        {"password": "i"},
        {"password": "!unusable"},
        {"confirmed_email": "b@example.org"},
        {"confirmed_email": None},
        {"version": 2},
        {"is_active": False},
    ],
)
def test_token__of_a_user_who_has_changed__is_good_no_more(changed: dict[str, object]) -> None:
    assert not is_token_of(a_user(**changed), token_of(a_user()))


@pytest.mark.parametrize("token", ["", "-", "x-y-z", "-5-y-z", "٣-y-z", "9" * 19 + "-y-z"])
def test_token__that_names_nobody__is_refused(token: str) -> None:
    with pytest.raises(ResetLinkInvalid):
        user_id_of_token(token)
