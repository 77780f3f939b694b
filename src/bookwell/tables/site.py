"""What every operation of a process works with, made once by whoever starts it."""

import datetime as dt
from dataclasses import dataclass
from typing import Annotated, Self

from fastapi import Depends, Request

from bookwell.kit.adapters.sqlalchemy.idempotency import IdempotencyStore
from bookwell.tables.accounts.identity import Identity
from bookwell.tables.db import Database
from bookwell.tables.schema import idempotency_key
from bookwell.tables.settings import TablesSettings

__all__ = ["Site", "SiteDep"]


@dataclass(frozen=True, slots=True)
class Site:
    """The restaurant's site: its settings, its database, whose tokens count; kept in `app.state.site`."""

    settings: TablesSettings
    database: Database
    identity: Identity
    idempotency: IdempotencyStore

    @classmethod
    def of_settings(cls, settings: TablesSettings, *, database: Database | None = None) -> Self:
        """What the settings say; nothing is connected yet."""
        chosen = database or Database.of_url(
            settings.database_url, connections=settings.tables_threads, backoffice=settings.tables_backoffice
        )
        lifetime = dt.timedelta(hours=settings.idempotency_hours)
        store = IdempotencyStore(idempotency_key, lifetime=lifetime)
        return cls(settings=settings, database=chosen, identity=Identity(settings), idempotency=store)

    @property
    def public_url(self) -> str:
        """Where links in mails point, without a slash at the end."""
        return self.settings.public_url


async def _site_of(request: Request) -> Site:
    """Asynchronous, so that no thread is needed for a look."""
    site: Site = request.app.state.site
    return site


SiteDep = Annotated[Site, Depends(_site_of)]
"""An operation's parameter: the site."""
