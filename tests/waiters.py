"""People who work at the restaurant, and tokens to call the service with: own ones, outside ones, machine clients."""

import datetime as dt
from pathlib import Path
from typing import Any
from uuid import uuid4

from bookwell.kit import clock
from bookwell.kit.key_ring import KeyRing
from bookwell.kit.tokens import TokenSigner
from bookwell.tables.accounts.passwords import hash_password
from bookwell.tables.accounts.queries import find_credentials
from bookwell.tables.accounts.rules import Role
from bookwell.tables.accounts.services.accounts import create_account
from bookwell.tables.accounts.services.sessions import Chain, Opened, open_session, refresh_session
from bookwell.tables.db import Database
from bookwell.tables.site import Site
from tests.restaurant import NOW

__all__ = ["CHAIN", "Outside", "a_person", "a_session", "an_account", "bearer", "refreshed", "token_of"]

CHAIN = Chain(b"k" * 32, dt.timedelta(days=30))


def an_account(database: Database, role: Role = Role.STAFF, *, username: str = "") -> str:
    """A new account's name; nobody can log in with it."""
    name = username or uuid4().hex
    values: dict[str, Any] = {"username": name, "password_hash": "hash", "role": role, "now": NOW}
    database.write(lambda connection: create_account(connection, **values))
    return name


def a_session(database: Database, username: str = "") -> Opened:
    """A session of an account, a new one unless it is named."""
    name = username or an_account(database)
    found = database.read(lambda connection: find_credentials(connection, name))
    assert found is not None
    session = database.write(lambda c: open_session(c, credentials=found, chain=CHAIN, now=NOW))
    assert session is not None
    return session


def refreshed(database: Database, token: Any, *, now: dt.datetime) -> Opened | None:
    """What a refresh with a token gives."""
    return database.write(lambda c: refresh_session(c, refresh_token=str(token), chain=CHAIN, now=now))


def a_person(site: Site, role: Role = Role.STAFF, *, username: str = "", password: str = "") -> str:
    """A new account's name; without a password nobody can log in with it."""
    name = username or f"{role}-{uuid4().hex[:12]}"
    values: dict[str, Any] = {
        "username": name,
        "password_hash": hash_password(password) if password else "-",
        "role": role,
        "now": clock.now(),
    }
    site.database.write(lambda connection: create_account(connection, **values))
    return name


def token_of(site: Site, role: Role = Role.STAFF, *, username: str = "") -> str:
    """An access token of a session of an account, a new one unless it is named."""
    name, now = username or a_person(site, role), clock.now()
    found = site.database.read(lambda connection: find_credentials(connection, name))
    assert found is not None
    chain = site.identity.chain
    opened = site.database.write(lambda c: open_session(c, credentials=found, chain=chain, now=now))
    assert opened is not None
    return site.identity.tokens_of(opened, now=now).access


def bearer(site: Site, role: Role = Role.STAFF) -> dict[str, str]:
    """The header of a request by somebody of that role."""
    return {"Authorization": f"Bearer {token_of(site, role)}"}


class Outside:
    """An issuer besides the service, with keys of its own in a folder."""

    def __init__(self, folder: Path, issuer: str, *, audience: str = "bookwell") -> None:
        self.issuer = issuer
        self.ring = KeyRing(folder, retain=dt.timedelta(minutes=5))
        self._signer = TokenSigner(self.ring, issuer=issuer, audience=audience, lifetime=dt.timedelta(minutes=5))

    def token_for(self, *roles: str, subject: str = "5") -> str:
        """A person's."""
        return self._signer.sign(subject=subject, session_id="-", roles=roles, now=clock.now())

    def client_token(self, *scopes: str) -> str:
        """A machine client's."""
        return self._signer.sign_for_client(client_id="back-office", scopes=scopes, now=clock.now())
