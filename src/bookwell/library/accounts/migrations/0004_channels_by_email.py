from django.db import migrations, models

import bookwell.library.accounts.models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_wants_reminders")]
    operations = [
        migrations.AlterField(
            model_name="user",
            name="channels",
            field=models.JSONField(
                blank=True,
                default=bookwell.library.accounts.models._by_email,
                help_text="How messages reach the reader, in order; none: mandatory ones only",
            ),
        ),
    ]
