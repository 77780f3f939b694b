"""The categories that every library begins with."""

from typing import Any

from django.db import migrations

_CATEGORIES = {"adult": "Adult", "child": "Child", "staff": "Staff"}


def add_categories(apps: Any, schema_editor: Any) -> None:
    categories = apps.get_model("accounts", "ReaderCategory").objects.using(schema_editor.connection.alias)
    for code, name in _CATEGORIES.items():
        categories.get_or_create(code=code, defaults={"name": name})


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    # Backwards nothing happens: readers may be in these categories by then.
    operations = [migrations.RunPython(add_categories, migrations.RunPython.noop, elidable=False)]
