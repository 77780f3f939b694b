from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("plumbing", "0004_no_outbox_due")]

    operations = [
        migrations.CreateModel(
            name="LogRecord",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("at", models.BigIntegerField()),
                ("service", models.CharField(max_length=32)),
                ("level", models.CharField(max_length=8)),
                ("event", models.CharField(max_length=200)),
                ("request_id", models.CharField(max_length=64)),
                ("logger", models.CharField(max_length=100)),
                ("fields", models.TextField()),
            ],
            options={
                "db_table": "log_record",
                "indexes": [
                    models.Index(fields=["at", "id"], name="log_record_at"),
                    models.Index(fields=["level", "at", "id"], name="log_record_level"),
                    models.Index(fields=["service", "at", "id"], name="log_record_service"),
                    models.Index(fields=["event", "at", "id"], name="log_record_event"),
                    models.Index(fields=["request_id", "at", "id"], name="log_record_request"),
                ],
            },
        ),
    ]
