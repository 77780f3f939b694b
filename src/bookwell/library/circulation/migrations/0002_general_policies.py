"""A general policy for each reader category that a new network begins with, so that it can be read and edited."""

from typing import Any

from django.db import migrations


def add_policies(apps: Any, schema_editor: Any) -> None:
    alias = schema_editor.connection.alias
    policies = apps.get_model("circulation", "Policy").objects.using(alias)
    categories = apps.get_model("accounts", "ReaderCategory").objects.using(alias)
    for row in categories.order_by("code"):
        policies.get_or_create(category_id=row.code, branch=None, branch_key=0)


class Migration(migrations.Migration):
    dependencies = [("circulation", "0001_initial"), ("accounts", "0002_reader_categories")]
    operations = [migrations.RunPython(add_policies, migrations.RunPython.noop)]
