from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("network", "0001_initial")]
    operations = [
        migrations.AddField(
            model_name="branch",
            name=name,
            field=models.BigIntegerField(db_default=0, default=0, editable=False),
        )
        for name in ("hours_version", "deadlines_version")
    ]
