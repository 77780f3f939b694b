from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("plumbing", "0003_outbox_waiting")]

    operations = [migrations.RemoveIndex(model_name="outboxrow", name="outbox_due")]
