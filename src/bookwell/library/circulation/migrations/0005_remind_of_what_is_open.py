"""When to remind of what lies ready or is lent already. Loans that are overdue wait for their next morning."""

from typing import Any

from django.db import migrations

from bookwell.kit import clock
from bookwell.library.circulation.rules import DEFAULT_TERMS, loan_reminder_at, pickup_reminder_at

_AT_ONCE = 500


def plan_reminders(apps: Any, schema_editor: Any) -> None:
    alias, now = schema_editor.connection.alias, clock.now()
    terms = apps.get_model("circulation", "Policy").objects.using(alias)
    days = {(row.category_id, row.branch_id): row.reminder_days for row in terms.all()}
    reservations = apps.get_model("circulation", "Reservation").objects.using(alias)
    rows = reservations.filter(open_marker=1, next_reminder_at__isnull=True, state__in=("ready", "borrowed"))
    rows, last = rows.select_related("reader", "pickup_branch").order_by("pk"), 0
    while batch := list(rows.filter(pk__gt=last)[:_AT_ONCE]):
        for row in batch:
            row.next_reminder_at = _next_reminder_at(row, days, now)
        reservations.bulk_update(batch, ["next_reminder_at"])
        last = batch[-1].pk


def _next_reminder_at(row: Any, days: dict[tuple[str, int | None], int], now: Any) -> Any:
    zone, category = row.pickup_branch.time_zone, row.reader.category_id
    if row.state == "ready":
        return row.pickup_deadline_at and pickup_reminder_at(row.pickup_deadline_at, time_zone=zone, now=now)
    general = days.get((category, None), DEFAULT_TERMS.reminder_days)
    before = days.get((category, row.pickup_branch_id), general)
    return row.due_at and loan_reminder_at(row.due_at, days_before=before, time_zone=zone, now=now)


class Migration(migrations.Migration):
    dependencies = [("circulation", "0004_reminder_index"), ("accounts", "0001_initial"), ("network", "0001_initial")]

    # Backwards nothing happens: the column goes with the migration before.
    operations = [migrations.RunPython(plan_reminders, migrations.RunPython.noop)]
