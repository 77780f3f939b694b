"""The diagrams of the databases are those of the models."""

from pathlib import Path

import pytest

from bookwell.cli.erd import Column, Entity, Reference, diagram, erd_files

_FOLDER = Path(__file__).parents[3] / "docs" / "erd"


@pytest.mark.parametrize("name", ["library.md", "notifier.md", "tables.md"])
def test_page__is_what_the_models_say(name: str) -> None:
    assert (_FOLDER / name).read_text(encoding="utf-8") == erd_files()[name], "run: python -m bookwell.cli.erd"


def test_page__every_table_of_a_context__is_drawn_once() -> None:
    for page in erd_files().values():
        drawn = [line.split()[0] for line in page.splitlines() if line.endswith(" {")]

        assert len(drawn) == len(set(drawn)) > 2


def test_diagram__references__tell_how_many_rows_name_how_many() -> None:
    copy = Entity(
        "copy",
        [
            Column("id", "bigint", ("PK",)),
            Column("book_id", "bigint", ("FK",)),
            Column("note", "text", is_nullable=True),
        ],
        [
            Reference("book", "book_id", is_nullable=False, is_single=False),
            Reference("shelf", "shelf_id", is_nullable=True, is_single=True),
        ],
    )

    assert diagram([copy]).splitlines() == [
        "erDiagram",
        "    copy {",
        "        bigint id PK",
        "        bigint book_id FK",
        '        text note "may be null"',
        "    }",
        '    book ||--o{ copy : "book_id"',
        '    shelf |o--o| copy : "shelf_id"',
    ]
