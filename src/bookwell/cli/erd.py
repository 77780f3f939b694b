"""Diagrams of the databases, generated from the models: `python -m bookwell.cli.erd [FOLDER]` writes them.

One page a database, one Mermaid diagram a context. Tables of another context stand there by name alone.
"""

import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeGuard

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKeyConstraint,
    Index,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.schema import SchemaItem

from bookwell.cli.management import set_up_library

if TYPE_CHECKING:
    from django.db.models import Model

__all__ = ["Column", "Entity", "Reference", "diagram", "erd_files"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is drawn; `keys` are PK, FK and UK."""

    name: str
    kind: str
    keys: tuple[str, ...] = ()
    is_nullable: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """A foreign key: each row names one row of `table`, or none; one row at most does so if `is_single`."""

    table: str
    columns: str
    is_nullable: bool
    is_single: bool


@dataclass(frozen=True, slots=True)
class Entity:
    """A table, and what it refers to."""

    name: str
    columns: Sequence[Column]
    references: Sequence[Reference]


_HEAD = """# The database of {service}

Generated from the models by `python -m bookwell.cli.erd`; a test keeps it in step. A table without columns belongs to
another context. {instants}
"""
_MILLISECONDS = "Instants are whole milliseconds since 1970, in UTC."
_LIBRARY_CONTEXTS = ("circulation", "partners", "catalog", "accounts", "network", "audit", "plumbing")
_LIBRARY_INSTANTS = "Instants of type `bigint` are whole milliseconds since 1970, in UTC."
_TABLES_CONTEXTS: Mapping[str, str] = MappingProxyType(
    {
        "bookings": "bookwell.tables.bookings.models",
        "floor": "bookwell.tables.floor.models",
        "back office": "bookwell.tables.backoffice.models",
        "accounts": "bookwell.tables.accounts.models",
        "plumbing": "bookwell.tables.schema",
    }
)


def erd_files() -> dict[str, str]:
    """The content of each page by its name."""
    return {
        "library.md": _page("the library", _LIBRARY_INSTANTS, {name: _of_app(name) for name in _LIBRARY_CONTEXTS}),
        "tables.md": _page(
            "tables", _MILLISECONDS, {name: _of_module(module) for name, module in _TABLES_CONTEXTS.items()}
        ),
        "notifier.md": _page(
            "the notifier", _MILLISECONDS, {"deliveries": _of_module("bookwell.notifier.deliveries.models")}
        ),
    }


def diagram(entities: Collection[Entity]) -> str:
    """A Mermaid `erDiagram` of some tables, in the order of their names."""
    ordered = sorted(entities, key=lambda each: each.name)
    lines = ["erDiagram"]
    for entity in ordered:
        lines += [f"    {entity.name} {{", *(f"        {_column(each)}" for each in entity.columns), "    }"]
    for entity in ordered:
        for each in entity.references:
            parent, child = "|o" if each.is_nullable else "||", "o|" if each.is_single else "o{"
            lines.append(f'    {each.table} {parent}--{child} {entity.name} : "{each.columns}"')
    return "\n".join(lines) + "\n"


def _page(service: str, instants: str, contexts: Mapping[str, Collection[Entity]]) -> str:
    sections = (
        f"\n## {name.capitalize()}\n\n```mermaid\n{diagram(entities)}```\n" for name, entities in contexts.items()
    )
    return _HEAD.format(service=service, instants=instants) + "".join(sections)


def _column(column: Column) -> str:
    keys = f" {', '.join(column.keys)}" if column.keys else ""
    return f"{column.kind} {column.name}{keys}" + (' "may be null"' if column.is_nullable else "")


def _of_app(label: str) -> list[Entity]:
    set_up_library()
    from django.apps import apps  # noqa: PLC0415 -- Django must be set up first

    return [_of_model(model) for model in apps.get_app_config(label).get_models(include_auto_created=True)]


def _of_model(model: "type[Model]") -> Entity:
    meta = model._meta  # noqa: SLF001 -- documented by Django
    unique = {rule.fields[0] for rule in meta.total_unique_constraints if len(rule.fields) == 1}
    fields: list[Any] = list(meta.local_concrete_fields)  # some attributes are those of relations alone
    columns, references = [], []
    for field in fields:
        is_unique = field.unique or field.name in unique
        marks = (("PK", field.primary_key), ("FK", field.is_relation), ("UK", is_unique and not field.primary_key))
        keys = tuple(mark for mark, is_so in marks if is_so)
        columns.append(Column(field.column, _kind_of_field(field), keys, field.null))
        if field.is_relation:
            parent = field.related_model._meta.db_table  # noqa: SLF001 -- as above
            references.append(Reference(parent, field.column, field.null, is_single=is_unique))
    return Entity(meta.db_table, columns, references)


def _kind_of_field(field: Any) -> str:
    if field.is_relation:  # of a row whose key is another's
        return _kind_of_field(field.target_field)
    if field.get_internal_type() == "CharField":
        return f"text({field.max_length})"
    return _FIELD_KINDS[field.get_internal_type()]


_FIELD_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "AutoField": "integer",
        "BigAutoField": "bigint",
        "BigIntegerField": "bigint",
        "BooleanField": "boolean",
        "DateField": "date",
        "DateTimeField": "instant",
        "IntegerField": "integer",
        "JSONField": "json",
        "PositiveSmallIntegerField": "integer",
        "SmallIntegerField": "integer",
        "TextField": "text",
    }
)


def _of_module(name: str) -> list[Entity]:
    """What a module of SQLAlchemy tables declares."""
    module = vars(import_module(name))
    public = (module[each] for each in module["__all__"])
    return [_of_table(each) for each in public if isinstance(each, Table)]


def _of_table(table: Table) -> Entity:
    single = [each.columns.keys() for each in (*table.constraints, *table.indexes) if _is_unique(each)]
    unique = {names[0] for names in single if len(names) == 1}
    foreign = [each for each in table.constraints if isinstance(each, ForeignKeyConstraint)]
    referring = {name for each in foreign for name in each.column_keys}
    columns = []
    for name, column in table.columns.items():
        marks = (("PK", column.primary_key), ("FK", name in referring), ("UK", name in unique))
        keys = tuple(mark for mark, is_so in marks if is_so)
        columns.append(Column(name, _kind_of_type(column.type), keys, bool(column.nullable)))
    unique |= set(table.primary_key.columns.keys()) if len(table.primary_key.columns) == 1 else set()
    return Entity(table.name, columns, sorted(_reference(table, each, unique) for each in foreign))


def _is_unique(rule: SchemaItem) -> TypeGuard[UniqueConstraint | Index]:
    return isinstance(rule, UniqueConstraint) or (isinstance(rule, Index) and bool(rule.unique))


def _reference(table: Table, key: ForeignKeyConstraint, unique: Collection[str]) -> Reference:
    names = list(key.column_keys)
    parent, _ = key.elements[0].target_fullname.rsplit(".", 1)
    is_nullable = any(table.columns[name].nullable for name in names)
    return Reference(parent, ", ".join(names), is_nullable, is_single=len(names) == 1 and names[0] in unique)


def _kind_of_type(kind: object) -> str:
    if isinstance(kind, String) and not isinstance(kind, Text):
        return f"text({kind.length})"
    return next((word for types, word in _TYPE_KINDS if isinstance(kind, types)), "integer")


_TYPE_KINDS: Sequence[tuple[type, str]] = ((Text, "text"), (Boolean, "boolean"), (BigInteger, "bigint"))


def _main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/erd")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in erd_files().items():
        (folder / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    _main()
