"""No channel used to mean nothing; now it means mandatory messages alone, which nobody has chosen yet."""

from typing import Any

from django.db import migrations


def tell_by_email(apps: Any, schema_editor: Any) -> None:
    users = apps.get_model("accounts", "User").objects.using(schema_editor.connection.alias)
    users.filter(channels=[], deleted_at__isnull=True).update(channels=["email"])


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_channels_by_email")]

    # Backwards nothing happens: who has chosen what is not known any more.
    operations = [migrations.RunPython(tell_by_email, migrations.RunPython.noop)]
