import pytest

from bookwell.library.api.legacy_paths import canonical_path


@pytest.mark.parametrize(
    ("older", "canonical"),
    [
        ("/users", "/api/users/"),
        ("/users/7", "/api/users/7/"),
        ("/register", "/api/register/"),
        ("/login", "/api/login/"),
        ("/books", "/api/books/"),
        ("/books/12", "/api/books/12/"),
        ("/reservations", "/api/reservations/"),
        ("/reservations/3", "/api/reservations/3/"),
        ("/reserve", "/api/reservations/reserve/"),
    ],
)
def test_canonical_path__an_older_path__with_and_without_slash(older: str, canonical: str) -> None:
    assert canonical_path(older) == canonical
    assert canonical_path(older + "/") == canonical


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api/books",
        "/api/books/",
        "/books/abc",
        "/books//",
        "/books/1/copies/",
        "/reserve/1",
        "/login/x",
        "/reservations/1/cancel/",
        "/admin/",
        "/health",
        "/bookshop/",
    ],
)
def test_canonical_path__any_other__is_itself(path: str) -> None:
    assert canonical_path(path) == path
