from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("circulation", "0003_next_reminder_at")]
    operations = [
        migrations.AddIndex(
            model_name="reservation",
            index=models.Index(fields=["next_reminder_at"], name="reservation_reminder"),
        ),
    ]
