import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """The databases hold it already: Django itself deleted the policies first."""

    dependencies = [("circulation", "0008_policy_due_at"), ("network", "0001_initial")]
    operations = [
        migrations.AlterField(
            model_name="policy",
            name="branch",
            field=models.ForeignKey(
                blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, to="network.branch"
            ),
        ),
    ]
