from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_reader_categories")]
    operations = [
        migrations.AddField(
            model_name="user", name="wants_reminders", field=models.BooleanField(db_default=True, default=True)
        ),
    ]
