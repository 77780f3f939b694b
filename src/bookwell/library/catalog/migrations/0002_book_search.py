"""The search table: a full-text index of folded words, of each database's own kind."""

from typing import Any

from django.db import migrations

_CREATE = {
    "sqlite": (
        (
            "CREATE VIRTUAL TABLE book_search USING fts5("
            "terms, detail = 'none', columnsize = 0, tokenize = \"unicode61 remove_diacritics 0 categories 'L* N* Co'\")"
        ),
    ),
    "mysql": (
        (
            "CREATE TABLE book_search (book_id BIGINT NOT NULL PRIMARY KEY, "
            "terms MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, "
            "FULLTEXT KEY book_search_terms (terms)) ENGINE = InnoDB"
        ),
    ),
    "postgresql": (
        "CREATE TABLE book_search (book_id BIGINT NOT NULL PRIMARY KEY, terms TSVECTOR NOT NULL)",
        "CREATE INDEX book_search_terms ON book_search USING gin (terms)",
    ),
}


def _create(_apps: Any, schema_editor: Any) -> None:
    for statement in _CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def _drop(_apps: Any, schema_editor: Any) -> None:
    schema_editor.execute("DROP TABLE book_search")


class Migration(migrations.Migration):
    dependencies = [("catalog", "0001_initial")]

    operations = [migrations.RunPython(_create, _drop, atomic=False)]
