from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("plumbing", "0005_log_record")]

    operations = [
        migrations.AddField(
            model_name="outboxrow",
            name="traceparent",
            field=models.CharField(blank=True, db_default="", default="", max_length=55),
        ),
    ]
