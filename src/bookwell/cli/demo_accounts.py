"""Finds a demo's people in a database: their passwords were printed, so that no production may let them in."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, TextClause, bindparam, text
from sqlalchemy.exc import SQLAlchemyError

from bookwell.cli.preparing import database_urls
from bookwell.cli.samples import DEMO_USERS
from bookwell.kit.adapters.sqlalchemy import engine_of
from bookwell.kit.adapters.sqlalchemy.engines import reading
from bookwell.kit.settings import CommonSettings

__all__ = ["DemoAccountsPresent", "list_demo_accounts", "refuse_demo_accounts"]

_LIBRARY = text("SELECT username FROM account WHERE is_active AND email IN :emails ORDER BY username").bindparams(
    bindparam("emails", expanding=True)
)
# The restaurant knows no addresses: names that only the demo gives together mark its database.
_TABLES = text(
    "SELECT username FROM account WHERE is_active AND username_key IN :names AND"
    " (SELECT COUNT(*) FROM account WHERE username_key IN :marks) = :all ORDER BY username"
).bindparams(bindparam("names", expanding=True), bindparam("marks", expanding=True))
_MARKS = ("customer", "josh", "mike")
_QUERIES: Mapping[str, tuple[TextClause, Mapping[str, Any]]] = {
    "library": (_LIBRARY, {"emails": [f"{name}@bookwell.example" for name in DEMO_USERS]}),
    "tables": (_TABLES, {"names": list(DEMO_USERS), "marks": list(_MARKS), "all": len(_MARKS)}),
}


class DemoAccountsPresent(SystemExit):
    """People of the demo could log in at a production."""


def refuse_demo_accounts(services: Collection[str]) -> None:
    """Let no production of services start with a demo's people; elsewhere they are welcome.

    A database that does not answer, or has no tables yet, holds nobody.

    Raises:
        DemoAccountsPresent: with a line for each database.
    """
    if CommonSettings.load().mode != "production":
        return
    lines = []
    for variable, url in database_urls([name for name in _QUERIES if name in services]).items():
        service = variable.removeprefix("BOOKWELL_").removesuffix("_DATABASE_URL").lower()
        if names := list_demo_accounts(service, url):
            advice = "deactivate them, or name a database without samples"
            lines.append(f"{variable}: people of the demo can log in ({', '.join(names)}); {advice}")
    if lines:
        raise DemoAccountsPresent("\n".join(lines))


def list_demo_accounts(service: str, url: str) -> Sequence[str]:
    """The demo's people who can log in at a service, by username."""
    engine = engine_of(url, connections=1, answer_seconds=5)
    try:
        with reading(engine) as connection:
            return _names(connection, service)
    except (SQLAlchemyError, OSError):
        return ()
    finally:
        engine.dispose()  # nothing may be open when servers fork


def _names(connection: Connection, service: str) -> Sequence[str]:
    query, values = _QUERIES[service]
    return connection.scalars(query, values).all()
