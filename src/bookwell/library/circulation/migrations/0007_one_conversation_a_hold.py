from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("circulation", "0006_partnerhold_externalreference")]

    operations = [
        migrations.AddField("partnerhold", "asking_until", models.DateTimeField(null=True)),
        migrations.AddField("partnerhold", "missing_since", models.DateTimeField(null=True)),
    ]
