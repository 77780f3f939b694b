"""The paths of the older contract: the same operations at the root, with and without a final slash."""

__all__ = ["canonical_path"]

_COLLECTIONS = frozenset({"users", "books", "reservations"})
_WHOLE = {
    "users": "/api/users/",
    "books": "/api/books/",
    "reservations": "/api/reservations/",
    "register": "/api/register/",
    "login": "/api/login/",
    "reserve": "/api/reservations/reserve/",
}


def canonical_path(path: str) -> str:
    """The path under `/api/` that serves an older one; any other path is itself."""
    if path.startswith("/api/"):
        return path
    first, _, rest = path[1:].partition("/")
    if first not in _WHOLE:
        return path
    if not rest:
        return _WHOLE[first]
    identifier = rest.removesuffix("/")
    if first in _COLLECTIONS and identifier.isdecimal():
        return f"/api/{first}/{identifier}/"
    return path
