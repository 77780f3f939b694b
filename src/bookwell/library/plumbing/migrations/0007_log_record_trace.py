from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("plumbing", "0006_outbox_traceparent")]

    operations = [
        migrations.AddField(
            model_name="logrecord",
            name="trace",
            field=models.CharField(blank=True, db_default="", default="", max_length=32),
        ),
        migrations.AddIndex(
            model_name="logrecord",
            index=models.Index(fields=["trace", "at", "id"], name="log_record_trace"),
        ),
    ]
