from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("plumbing", "0002_cache_entry")]

    operations = [
        migrations.AddIndex(
            model_name="outboxrow",
            index=models.Index(fields=["queue", "done_at", "next_attempt_at"], name="outbox_waiting"),
        ),
    ]
