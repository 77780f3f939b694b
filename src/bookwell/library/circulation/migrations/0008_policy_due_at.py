from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("circulation", "0007_one_conversation_a_hold")]
    operations = [
        migrations.AddField(model_name="reservation", name="policy_due_at", field=models.DateTimeField(null=True)),
    ]
