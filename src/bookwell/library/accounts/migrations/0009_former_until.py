from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0008_former_hash")]
    operations = [
        migrations.AddField(model_name="machineclient", name="former_until", field=models.DateTimeField(null=True)),
    ]
