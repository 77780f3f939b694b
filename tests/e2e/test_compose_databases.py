"""What compose.yaml has PostgreSQL's image run once: a service owns its database, and is let into no other."""

import os
import re
import secrets
import subprocess

from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError

from bookwell.kit.adapters.sqlalchemy import engine_of
from tests.composition import DEMO, Composition
from tests.infrastructure import drop_database, running_servers

_OWNERS = ("tables", "notifier")


def _may(url: URL, statement: str) -> bool:
    engine = engine_of(url.render_as_string(hide_password=False), connections=1)
    try:
        with engine.begin() as connection:
            connection.execute(text(statement))
    except DBAPIError:
        return False
    else:
        return True
    finally:
        engine.dispose()


def test_postgresql__each_owner__has_its_database_and_no_other() -> None:
    script = str(Composition.read(DEMO, {}).document["configs"]["postgresql_owners"]["content"])
    names = {owner: f"{owner}_{secrets.token_hex(4)}" for owner in _OWNERS}  # the server may be anybody's
    for usual, ours in names.items():
        script = re.sub(rf"\b{usual}\b", ours, script)
    with running_servers(["postgresql"]) as servers:
        server = make_url(servers["postgresql"].url)
        reached = {"PGHOST": str(server.host), "PGPORT": str(server.port), "PGPASSWORD": str(server.password)}
        reached |= {"POSTGRES_USER": str(server.username)}
        reached |= {f"{owner.upper()}_PASSWORD": f"of-{owner}" for owner in _OWNERS}
        made = subprocess.run(
            ["/bin/sh", "-e"], input=script, env=os.environ | reached, capture_output=True, text=True, check=False
        )
        assert made.returncode == 0, made.stderr
        urls = {
            owner: server.set(username=names[owner], password=f"of-{owner}", database=names[owner]) for owner in _OWNERS
        }
        pairs = [(owner, database) for owner in _OWNERS for database in _OWNERS]
        try:
            let_in = [pair for pair in pairs if _may(urls[pair[0]].set(database=names[pair[1]]), "SELECT 1")]
            extends = [owner for owner in _OWNERS if _may(urls[owner], "CREATE EXTENSION btree_gist")]
        finally:
            for url in urls.values():
                drop_database(
                    url.set(username=server.username, password=server.password).render_as_string(hide_password=False)
                )

    assert let_in == [(owner, owner) for owner in _OWNERS]
    assert extends == list(_OWNERS)
