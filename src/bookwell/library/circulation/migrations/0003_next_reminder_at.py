from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("circulation", "0002_general_policies")]
    operations = [
        migrations.AddField(model_name="reservation", name="next_reminder_at", field=models.DateTimeField(null=True)),
    ]
