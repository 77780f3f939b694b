from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("circulation", "0009_policies_hold_their_branch")]

    operations = [
        migrations.AddField("partnerhold", "unlisted_since", models.DateTimeField(null=True)),
    ]
