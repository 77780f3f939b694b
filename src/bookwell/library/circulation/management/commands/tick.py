"""`bookwell library tick`: work the deadlines that have passed."""

from typing import Any

from django.core.management.base import BaseCommand

from bookwell.kit import clock
from bookwell.library.circulation.tasks import tick


class Command(BaseCommand):
    """Expires what is due and serves queues whose suspensions ended. Run it every minute, from as many places."""

    help = __doc__ or ""

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Run once and say what was done."""
        report = tick(now=clock.now())
        self.stdout.write(
            f"{report.expired} expired, {report.resumed} queues resumed, {report.keys_forgotten} keys forgotten"
        )
