from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0007_outside_identities")]
    operations = [
        migrations.AddField(
            model_name="machineclient", name="former_hash", field=models.CharField(max_length=128, null=True)
        ),
    ]
